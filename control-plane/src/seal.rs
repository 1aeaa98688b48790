//! Seals: texts that the control plane must read again, kept so that the database alone does not tell them.
//!
//! AES-256-GCM under a key in a file of the data directory. What a text is about is sealed with it, so that one of another row
//! in its place is not opened.

use std::fmt;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use crate::clock::Entropy;
use crate::key_file;

const FILE: &str = "sealing-key";
const KEY: usize = 32;

/// The key that seals.
pub struct Seal {
    key: LessSafeKey,
    digests: hmac::Key,
}

/// Without the key.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key in `data_dir`, or makes it.
    ///
    /// # Errors
    /// The system's, and a file that is not ours.
    pub fn open_in(data_dir: &Path, entropy: &Entropy) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = hex::encode(entropy.bytes::<KEY>());
                key_file::replace(&path, made.as_bytes())?;
                made
            }
            Err(error) => return Err(error),
        };
        let invalid = || {
            let expected = format!("{FILE} holds no key (expected {} hexadecimal digits)", 2 * KEY);
            io::Error::new(io::ErrorKind::InvalidData, expected)
        };
        let key = hex::decode(text.trim()).map_err(|_| invalid())?;
        // Digests have a key of their own, made of that one.
        let made = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), b"digests");
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).map_err(|_| invalid())?);
        Ok(Self { key, digests: hmac::Key::new(hmac::HMAC_SHA256, made.as_ref()) })
    }

    /// Digest of bytes that may be easy to guess: without the key nobody tries whether a guess is right.
    pub fn digest(&self, bytes: &[u8]) -> String {
        hex::encode(hmac::sign(&self.digests, bytes))
    }

    /// Seals a text about a thing.
    ///
    /// # Errors
    /// A text that is longer than the cipher takes, which none of ours is.
    pub fn seal(&self, entropy: &Entropy, about: &str, text: &str) -> io::Result<String> {
        let nonce = entropy.bytes::<NONCE_LEN>();
        let mut bytes = text.as_bytes().to_vec();
        let (nonce_once, about) = (Nonce::assume_unique_for_key(nonce), Aad::from(about));
        let sealed = self.key.seal_in_place_append_tag(nonce_once, about, &mut bytes);
        sealed.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a text cannot be sealed"))?;
        Ok(STANDARD_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    /// The text of a seal about a thing; nothing for one of another key or of another thing.
    pub fn open(&self, about: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.key.open_in_place(nonce, Aad::from(about), &mut rest).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_seal_is_opened_by_its_key_for_its_thing_and_not_once_it_was_changed() {
        let (dir, entropy) = (tempfile::tempdir().unwrap(), Entropy::system());
        let seal = Seal::open_in(dir.path(), &entropy).unwrap();
        let sealed = seal.seal(&entropy, "one", "hush").unwrap();
        assert_eq!(Seal::open_in(dir.path(), &entropy).unwrap().open("one", &sealed).unwrap(), "hush");
        assert_ne!(
            seal.seal(&entropy, "one", "hush").unwrap(),
            sealed,
            "the same text is not told by its seal"
        );
        assert_eq!(seal.open("other", &sealed), None);
        assert_eq!(seal.digest(b"a"), Seal::open_in(dir.path(), &entropy).unwrap().digest(b"a"));
        let other = tempfile::tempdir().unwrap();
        let other = Seal::open_in(other.path(), &entropy).unwrap();
        assert_eq!(other.open("one", &sealed), None);
        assert_ne!(other.digest(b"a"), seal.digest(b"a"));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed == sealed || seal.open("one", &changed).is_none(), "changed at {at}");
        }
        for short in ["", "AAAA", "!"] {
            assert_eq!(seal.open("one", short), None);
        }
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{seal:?}").contains(&std::fs::read_to_string(dir.path().join(FILE)).unwrap()));
    }

    #[test]
    fn a_file_that_holds_no_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "abc").unwrap();
        let told = Seal::open_in(dir.path(), &Entropy::system()).unwrap_err().to_string();
        assert_eq!(told, "sealing-key holds no key (expected 64 hexadecimal digits)");
    }
}
