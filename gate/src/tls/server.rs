//! TLS of a listener: who it says that it is, and which clients it lets in.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use super::pem::{Pem, TlsIdentity};
use super::version::TlsVersion;

/// Authorities that vouch for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// Their certificates.
    pub authorities: Pem,
    /// True if a client without a certificate is turned away. One with a wrong certificate always is.
    pub required: bool,
}

/// Settings of TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// Its certificate.
    pub identity: TlsIdentity,
    /// Authorities of the certificates that clients are asked for.
    pub clients: Option<ClientAuthorities>,
    /// The version that alone is spoken; both 1.2 and 1.3 where there is none.
    pub only: Option<TlsVersion>,
    /// Time after which files are read again; never where there is none, but for a reload of the config.
    pub reload: Option<Duration>,
}

impl ServerTlsSettings {
    fn read(&self, protocols: &[&str]) -> io::Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(TlsVersion::spoken(self.only))
            .map_err(io::Error::other)?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some(ClientAuthorities { authorities, required }) => {
                let mut roots = RootCertStore::empty();
                authorities.add_to(&mut roots, "client_ca")?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if *required { verifier } else { verifier.allow_unauthenticated() };
                let verifier = verifier.build().map_err(|error| authorities.wrong("client_ca", &error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = self.identity.read()?;
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| self.identity.cert.wrong("cert", &error))?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

/// TLS of a listener, with the certificates that were read last.
#[derive(Debug)]
pub struct ServerTls {
    settings: ServerTlsSettings,
    protocols: &'static [&'static str],
    live: ArcSwap<ServerConfig>,
    read: Mutex<Instant>,
}

impl ServerTls {
    /// Reads the certificates. Connections speak one of `protocols`, ALPN names.
    ///
    /// # Errors
    /// When one cannot be read, or the key is that of another certificate.
    pub fn new(settings: ServerTlsSettings, protocols: &'static [&'static str]) -> io::Result<Self> {
        let live = ArcSwap::from_pointee(settings.read(protocols)?);
        Ok(Self { settings, protocols, live, read: Mutex::new(Instant::now()) })
    }

    /// The acceptor of the next connection. Where it is time, certificates are read again before; those from before stay
    /// where that fails.
    pub async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        if self.is_due() {
            let this = Arc::clone(self);
            let read = tokio::task::spawn_blocking(move || this.settings.read(this.protocols)).await;
            match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(config) => self.live.store(Arc::new(config)),
                Err(error) => {
                    tracing::warn!(%error, "a listener's certificates are not read again; those from before stay");
                }
            }
        }
        TlsAcceptor::from(self.live.load_full())
    }

    /// Tells whether it is time to read files again; to one of those who ask.
    fn is_due(&self) -> bool {
        let Some(every) = self.settings.reload else { return false };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let due = read.elapsed() >= every;
        if due {
            *read = Instant::now();
        }
        due
    }
}
