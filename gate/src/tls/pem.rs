//! Certificates and keys in PEM (RFC 7468): in a file, or in the config itself. No message and no log shows what they hold.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
        io::Error::other(match self {
            Self::File(path) => format!("{key}_file {}: {error}", path.display()),
            Self::Text(_) => format!("{key}_pem: {error}"),
        })
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

    /// Reads both.
    ///
    /// # Errors
    /// As [`Pem::certificates`].
    pub fn read(&self) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        Ok((self.cert.certificates("cert")?, self.key.private_key("key")?))
    }
}
