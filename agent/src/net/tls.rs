//! TLS of a connection that is opened: whom it trusts, who it says that it is, and which versions it speaks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring};

/// Settings of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The only certificate authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate by which the server knows this client, and its key.
    pub identity: Option<ClientIdentity>,
    /// Name that the server's certificate must have, instead of the host's.
    pub server_name: Option<String>,
    /// The version that alone is spoken; both 1.2 and 1.3 where there is none.
    pub only: Option<TlsVersion>,
}

/// Certificate of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM file of the certificate and those that vouch for it.
    pub cert_file: PathBuf,
    /// PEM file of its private key.
    pub key_file: PathBuf,
}

/// Version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

impl TlsSettings {
    /// Tells whether files are read, which may change while the agent runs.
    pub fn reads_files(&self) -> bool {
        self.ca_file.is_some() || self.identity.is_some()
    }

    /// Prepares connections to `host` that speak `protocol`, an ALPN name.
    ///
    /// # Errors
    /// When a file cannot be read or holds something else, or the server's name is no legal one.
    pub fn connector(&self, host: &str, protocol: &str) -> io::Result<(TlsConnector, ServerName<'static>)> {
        let versions: &[&SupportedProtocolVersion] = match self.only {
            Some(TlsVersion::V1_2) => &[&TLS12],
            Some(TlsVersion::V1_3) => &[&TLS13],
            None => &[&TLS12, &TLS13],
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_root_certificates(self.authorities()?);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(ClientIdentity { cert_file, key_file }) => {
                let chain = certificates("cert_file", cert_file)?;
                let key = PrivateKeyDer::from_pem_file(key_file);
                let key = key.map_err(|error| in_file("key_file", key_file, &error))?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| in_file("cert_file", cert_file, &error))?
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        Ok((TlsConnector::from(Arc::new(config)), name))
    }

    fn authorities(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca_file {
            for certificate in certificates("ca_file", path)? {
                roots.add(certificate).map_err(|error| in_file("ca_file", path, &error))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() {
            return Err(io::Error::other("TLS is asked for, but there is no certificate authority to trust"));
        }
        Ok(roots)
    }
}

fn certificates(key: &str, path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| in_file(key, path, &error))
}

fn in_file(key: &str, path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{key} {}: {error}", path.display()))
}
