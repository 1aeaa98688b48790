//! TLS of a connection that is opened: whom it trusts, who it says that it is, and which versions it speaks.

use std::io;
use std::sync::Arc;

use gate::{Pem, TlsIdentity, TlsVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Settings of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificate authorities to trust, instead of the system's.
    pub authorities: Option<Pem>,
    /// True if the system's are trusted besides.
    pub system_too: bool,
    /// Certificate by which the server knows this client.
    pub identity: Option<TlsIdentity>,
    /// Name that the server's certificate must have, instead of the host's.
    pub server_name: Option<String>,
    /// The version that alone is spoken; both 1.2 and 1.3 where there is none.
    pub only: Option<TlsVersion>,
}

impl TlsSettings {
    /// Tells whether files are read, which may change while the agent runs.
    pub fn reads_files(&self) -> bool {
        self.authorities.as_ref().is_some_and(Pem::is_file)
            || self.identity.as_ref().is_some_and(TlsIdentity::reads_files)
    }

    /// Prepares connections to `host` that speak `protocol`, an ALPN name.
    ///
    /// # Errors
    /// When a certificate cannot be read, or the server's name is no legal one.
    pub fn connector(&self, host: &str, protocol: &str) -> io::Result<(TlsConnector, ServerName<'static>)> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(TlsVersion::spoken(self.only))
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots()?);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| identity.cert.wrong("cert", &error))?
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        Ok((TlsConnector::from(Arc::new(config)), name))
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if self.authorities.is_none() || self.system_too {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if let Some(authorities) = &self.authorities {
            authorities.add_to(&mut roots, "ca")?;
        }
        if roots.is_empty() {
            return Err(io::Error::other("TLS is asked for, but there is no certificate authority to trust"));
        }
        Ok(roots)
    }
}
