//! TLS of a listener: who it says that it is, and which clients it lets in.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
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
    /// Settings that connections are accepted with, and the time at which its certificate ends, Unix seconds.
    fn read(&self, protocols: &[&str]) -> io::Result<(ServerConfig, i64)> {
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
        let end = self.identity.end(&chain)?;
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| self.identity.cert.wrong("cert", &error))?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok((config, end))
    }
}

/// TLS of a listener, with the certificates that were read last.
#[derive(Debug)]
pub struct ServerTls {
    settings: ServerTlsSettings,
    protocols: &'static [&'static str],
    live: ArcSwap<ServerConfig>,
    end: AtomicI64,
    read: Mutex<Instant>,
}

impl ServerTls {
    /// Reads the certificates. Connections speak one of `protocols`, ALPN names.
    ///
    /// # Errors
    /// When one cannot be read, or the key is that of another certificate.
    pub fn new(settings: ServerTlsSettings, protocols: &'static [&'static str]) -> io::Result<Self> {
        let (live, end) = settings.read(protocols)?;
        let (live, end) = (ArcSwap::from_pointee(live), AtomicI64::new(end));
        Ok(Self { settings, protocols, live, end, read: Mutex::new(Instant::now()) })
    }

    /// Time at which the certificate that was read last ends, Unix seconds.
    pub fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    /// The acceptor of the next connection. Where it is time, certificates are read again before; those from before stay
    /// where that fails.
    pub async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        if self.is_due() {
            let this = Arc::clone(self);
            let read = tokio::task::spawn_blocking(move || this.settings.read(this.protocols)).await;
            match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok((config, end)) => {
                    self.live.store(Arc::new(config));
                    self.end.store(end, Ordering::Relaxed);
                }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// Writes a certificate that ends with a year, and its key.
    fn write(dir: &Path, year: i32) -> ServerTlsSettings {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let (cert_file, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert_file, params.self_signed(&key).expect("a certificate").pem()).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        let identity = TlsIdentity { cert: Pem::File(cert_file), key: Pem::File(key_file) };
        ServerTlsSettings { identity, clients: None, only: None, reload: Some(Duration::ZERO) }
    }

    #[tokio::test]
    async fn the_end_is_that_of_the_certificate_that_was_read_last() {
        let dir = tempfile::tempdir().expect("a folder");
        let tls = Arc::new(ServerTls::new(write(dir.path(), 2030), &[]).expect("it can be used"));
        assert_eq!(tls.end(), 1_893_456_000);
        write(dir.path(), 2031);
        assert_eq!(tls.end(), 1_893_456_000, "nobody has connected since");
        drop(tls.acceptor().await);
        assert_eq!(tls.end(), 1_924_992_000);
        std::fs::write(dir.path().join("cert.pem"), "none").expect("written");
        drop(tls.acceptor().await);
        assert_eq!(tls.end(), 1_924_992_000, "what cannot be read takes the place of nothing");
    }
}
