//! Certificates and keys in PEM (RFC 7468): in a file, or in the config itself. No message and no log shows what they hold.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as TlsError, InconsistentKeys, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

/// The most bytes of a file; a bundle of all public authorities has a quarter of it.
const MAX_FILE: u64 = 1 << 20;

/// Certificates or a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file, which may change while the agent runs.
    File(PathBuf),
    /// In the config.
    Text(String),
}

impl Pem {
    /// Tells whether it may change while the agent runs.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Its certificates, of which there is at least one. `key` is the config's, without the ending that says where it is.
    ///
    /// # Errors
    /// When it cannot be read, or holds none; says which.
    pub fn certificates(&self, key: &str) -> io::Result<Vec<CertificateDer<'static>>> {
        let bytes = self.read(key)?;
        let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().unwrap_or_default();
        if found.is_empty() { Err(self.wrong(key, &"it holds no certificate in PEM")) } else { Ok(found) }
    }

    /// Its private key.
    ///
    /// # Errors
    /// As [`Self::certificates`].
    pub fn private_key(&self, key: &str) -> io::Result<PrivateKeyDer<'static>> {
        let bytes = self.read(key)?;
        PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| self.wrong(key, &"it holds no private key in PEM, or one with a passphrase"))
    }

    /// Adds its certificates as authorities.
    ///
    /// # Errors
    /// As [`Self::certificates`].
    pub fn add_to(&self, roots: &mut RootCertStore, key: &str) -> io::Result<()> {
        for certificate in self.certificates(key)? {
            roots.add(certificate).map_err(|error| self.wrong(key, &error))?;
        }
        Ok(())
    }

    /// An error that names it.
    pub fn wrong(&self, key: &str, error: &dyn fmt::Display) -> io::Error {
        io::Error::other(format!("{}: {error}", self.name(key)))
    }

    /// Its place in a config, for a person.
    fn name(&self, key: &str) -> String {
        match self {
            Self::File(path) => format!("{key}_file {}", path.display()),
            Self::Text(_) => format!("{key}_pem"),
        }
    }

    fn read(&self, key: &str) -> io::Result<Cow<'_, [u8]>> {
        let path = match self {
            Self::Text(text) => return Ok(text.as_bytes().into()),
            Self::File(path) => path,
        };
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        let read = read.map_err(|error| self.wrong(key, &error))?;
        if read as u64 > MAX_FILE {
            return Err(self.wrong(key, &format!("it is larger than {MAX_FILE} bytes")));
        }
        Ok(bytes.into())
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// Certificate by which one end of a connection is known, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate, and those that vouch for it.
    pub cert: Pem,
    /// Its private key.
    pub key: Pem,
}

impl TlsIdentity {
    /// Tells whether it may change while the agent runs.
    pub fn reads_files(&self) -> bool {
        self.cert.is_file() || self.key.is_file()
    }

    /// Reads both: a certificate that TLS takes, and the key that is its own.
    ///
    /// # Errors
    /// As [`Pem::certificates`], and where the two do not go together.
    pub fn read(&self) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = self.cert.certificates("cert")?;
        let own = self.parsed(&chain)?;
        if own.version != X509Version::V3 {
            let version = own.version.0 + 1;
            let why = format!(
                "it is an X.509 certificate of version {version}, and TLS takes version 3 alone; have it issued with extensions, such as \
                 subjectAltName"
            );
            return Err(self.cert.wrong("cert", &why));
        }
        let key = self.key.private_key("key")?;
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &ring::default_provider()) {
            Ok(_) => Ok((chain, key)),
            Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let cert = self.cert.name("cert");
                Err(self.key.wrong("key", &format!("it is not the key of the certificate in {cert}")))
            }
            // Whether they go together cannot be told.
            Err(TlsError::InconsistentKeys(_)) => Ok((chain, key)),
            Err(error) => Err(self.cert.wrong("cert", &error)),
        }
    }

    /// Time at which the first certificate of a chain ends, Unix seconds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn end(&self, chain: &[CertificateDer<'static>]) -> io::Result<i64> {
        Ok(self.parsed(chain)?.validity.not_after.timestamp())
    }

    /// The certificate of this end, which is the first one.
    fn parsed<'a>(&self, chain: &'a [CertificateDer<'static>]) -> io::Result<X509Certificate<'a>> {
        let own: &[u8] = chain.first().map_or(&[], |own| own);
        let parsed = X509Certificate::from_der(own);
        parsed.map(|(_, own)| own).map_err(|_| self.cert.wrong("cert", &"it holds no X.509 certificate"))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate and a key, its own or another's.
    fn identity(own: bool) -> TlsIdentity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let cert = params.self_signed(&key).expect("a certificate").pem();
        let key = if own { key } else { KeyPair::generate().expect("a key") };
        TlsIdentity { cert: Pem::Text(cert), key: Pem::Text(key.serialize_pem()) }
    }

    fn wrong(identity: &TlsIdentity) -> String {
        identity.read().expect_err("something is wrong").to_string()
    }

    #[test]
    fn what_is_wrong_with_a_certificate_and_its_key_is_said_in_words() {
        let good = identity(true);
        assert!(good.read().is_ok());
        assert_eq!(wrong(&identity(false)), "key_pem: it is not the key of the certificate in cert_pem");
        let missing = TlsIdentity { key: Pem::File("/nowhere/key.pem".into()), ..good.clone() };
        let missing = wrong(&missing);
        assert!(missing.starts_with("key_file /nowhere/key.pem: No such file"), "{missing}");
        let no_pem = TlsIdentity { cert: Pem::Text("x".into()), ..good };
        assert_eq!(wrong(&no_pem), "cert_pem: it holds no certificate in PEM");
    }

    #[test]
    fn a_certificate_of_version_1_is_named_as_one() {
        let file = Pem::File(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/version-1.pem").into());
        let said = wrong(&TlsIdentity { cert: file, ..identity(true) });
        assert!(
            said.contains("it is an X.509 certificate of version 1, and TLS takes version 3 alone"),
            "{said}"
        );
    }
}
