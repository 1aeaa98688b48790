//! A connection to a destination or to the control plane: TCP, and TLS unless it was declared insecure.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::proxy::{Proxy, tunnel};
use super::tls::TlsSettings;

/// Address of a server, and the way to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets; of a socket in the file system its path, which begins with `/`.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, if it is used.
    pub tls: Option<TlsSettings>,
    /// Proxy on the way to it.
    pub proxy: Option<Proxy>,
}

impl Endpoint {
    /// Tells whether it is a socket in the file system.
    pub fn is_local(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// Opens connections to one endpoint.
pub struct Connector {
    endpoint: Endpoint,
    protocol: String,
    tls: Option<ArcSwap<Prepared>>,
    /// The way to the proxy.
    proxy: Option<Box<Connector>>,
}

/// TLS that is ready, and the name that the server must have.
type Prepared = (TlsConnector, ServerName<'static>);

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
        let tls = endpoint.tls.as_ref().map(|tls| tls.connector(&endpoint.host, protocol)).transpose()?;
        let proxy = endpoint.proxy.as_ref().map(|proxy| Self::new((*proxy.server).clone(), "http/1.1"));
        let proxy = proxy.transpose()?.map(Box::new);
        Ok(Self { tls: tls.map(ArcSwap::from_pointee), protocol: protocol.to_owned(), proxy, endpoint })
    }

    /// `host:port`, as a request's authority wants it.
    pub fn authority(&self) -> String {
        let Endpoint { host, port, .. } = &self.endpoint;
        if self.endpoint.is_local() {
            return "localhost".to_owned();
        }
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The proxy, where it is handed each request to pass on: those in plain HTTP/1.1. Others go through a tunnel.
    pub fn forwarder(&self) -> Option<&Proxy> {
        self.endpoint.proxy.as_ref().filter(|_| self.tls.is_none() && self.protocol == "http/1.1")
    }

    /// Connects.
    ///
    /// # Errors
    /// The system's, or the TLS handshake's.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        if self.endpoint.is_local() {
            let stream = UnixStream::connect(&self.endpoint.host).await?;
            return self.secured(stream).await;
        }
        if let (Some(connector), Some(proxy)) = (&self.proxy, &self.endpoint.proxy) {
            let stream = Box::pin(connector.connect()).await?;
            if self.forwarder().is_some() {
                return Ok(stream);
            }
            let stream = tunnel(stream, &self.authority(), proxy.authorization.as_ref()).await?;
            return self.secured(stream).await;
        }
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        stream.set_nodelay(true)?;
        self.secured(stream).await
    }

    async fn secured(&self, stream: impl Stream) -> io::Result<Box<dyn Stream>> {
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        self.reread(tls).await;
        let prepared = tls.load_full();
        let (connector, name) = &*prepared;
        Ok(Box::new(connector.connect(name.clone(), stream).await?))
    }

    /// Reads the files of certificates again, so that one that was renewed is the next connection's. Where that fails, what
    /// was read before stays.
    async fn reread(&self, tls: &ArcSwap<Prepared>) {
        let Some(settings) = self.endpoint.tls.clone().filter(TlsSettings::reads_files) else { return };
        let (host, protocol) = (self.endpoint.host.clone(), self.protocol.clone());
        let read = tokio::task::spawn_blocking(move || settings.connector(&host, &protocol)).await;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(prepared) => tls.store(Arc::new(prepared)),
            Err(error) => tracing::warn!(%error, "certificates are not read again; those from before stay"),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
