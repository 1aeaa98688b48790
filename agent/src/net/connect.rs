//! A connection to a destination or to the control plane: TCP, and TLS unless it was declared insecure.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Address of a server, and the way to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// True if TLS is used.
    pub tls: bool,
    /// The only certificate authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Opens connections to one endpoint.
pub struct Connector {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Any connected stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

impl Connector {
    /// Prepares TLS, so that a missing certificate is an error at boot. The connection will speak `protocol`, an
    /// ALPN name.
    ///
    /// # Errors
    /// When the certificates cannot be read, or the host is no legal TLS name.
    pub fn new(endpoint: Endpoint, protocol: &str) -> io::Result<Self> {
        let tls = if endpoint.tls { Some(tls(&endpoint, protocol)?) } else { None };
        Ok(Self { endpoint, tls })
    }

    /// `host:port`, as a request's authority wants it.
    pub fn authority(&self) -> String {
        let Endpoint { host, port, .. } = &self.endpoint;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Connects.
    ///
    /// # Errors
    /// The system's, or the TLS handshake's.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }
}

fn tls(endpoint: &Endpoint, protocol: &str) -> io::Result<(TlsConnector, ServerName<'static>)> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &endpoint.ca_file {
        let context = |error| io::Error::other(format!("ca_file {}: {error}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(context)? {
            roots.add(certificate.map_err(context)?).map_err(io::Error::other)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(io::Error::other("TLS is asked for, but there is no certificate authority to trust"));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
