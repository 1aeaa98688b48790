//! Keys of the audit chains: a file of the data directory that only its owner reads, so that who has the database alone cannot
//! write a chain anew.
//!
//! The newest key signs, all verify. A chain without signatures is signed for as it is once, when the first key is made
//! ([`ChainKeys::is_begun`]), and never again by itself: whoever writes a chain anew would only have to wait for that.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::clock::{Entropy, UnixMillis};
use crate::id::TenantId;
use crate::key_file;

/// Name of the file.
pub const FILE: &str = "audit-keys.json";
const KEY: usize = 32;
/// The most keys of a file.
const MOST: usize = 1_000;

/// The file's document.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// True once every chain that there was is signed for.
    begun: bool,
    /// The newest first.
    keys: Vec<KeptKey>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptKey {
    id: String,
    key: String,
    made: UnixMillis,
}

struct Key {
    id: String,
    key: hmac::Key,
}

/// The keys of a data directory.
pub struct ChainKeys {
    path: PathBuf,
    begun: bool,
    keys: Vec<Key>,
}

impl std::fmt::Debug for ChainKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

/// Signature of a row: which key made it, and what it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Id of the key.
    pub key_id: String,
    /// HMAC-SHA-256 over tenant, place and hash of the row, and the key's id.
    pub mac: String,
}

/// Outcome of a look at a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It is what the key makes.
    Right,
    /// It is not.
    Wrong,
    /// The file has no such key.
    UnknownKey,
}

impl ChainKeys {
    /// Reads the keys in `data_dir`; nothing where there is no file.
    ///
    /// # Errors
    /// The system's, and a file that is not ours.
    pub fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Self::of(path, &kept(&bytes)?).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a key in `data_dir`, which signs from the next start on. Those before go on verifying. With `begin`, the chains that
    /// no key here vouches for are signed for as they are then.
    ///
    /// # Errors
    /// The system's, and a file that is not ours.
    pub fn make(data_dir: &Path, now: UnixMillis, entropy: &Entropy, begin: bool) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let before = match std::fs::read(&path) {
            Ok(bytes) => Some(kept(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let new = KeptKey {
            id: hex::encode(entropy.bytes::<8>()),
            key: URL_SAFE_NO_PAD.encode(entropy.bytes::<KEY>()),
            made: now,
        };
        let begun = before.as_ref().is_some_and(|before| before.begun) && !begin;
        let old = before.into_iter().flat_map(|before| before.keys);
        let all = Kept { begun, keys: std::iter::once(new).chain(old).collect() };
        if all.keys.len() > MOST {
            return Err(invalid(&format!("{FILE} has {MOST} keys already")));
        }
        key_file::replace(&path, &serde_json::to_vec(&all)?)?;
        Self::of(path, &all)
    }

    /// Notes that every chain is signed for.
    ///
    /// # Errors
    /// The system's, and a file that is not ours.
    pub fn note_begun(&self) -> io::Result<()> {
        // It may have got a key meanwhile.
        let kept = kept(&std::fs::read(&self.path)?)?;
        key_file::replace(&self.path, &serde_json::to_vec(&Kept { begun: true, ..kept })?)
    }

    /// Tells whether the chains that there were are signed for.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// Id of the key that signs.
    pub fn newest(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    /// Signature of a row by the newest key.
    pub fn sign(&self, tenant: TenantId, seq: i64, hash: &str) -> Option<Signature> {
        let Key { id, key } = self.keys.first()?;
        let mac = hex::encode(hmac::sign(key, &message(id, tenant, seq, hash)));
        Some(Signature { key_id: id.clone(), mac })
    }

    /// Looks at the signature of a row.
    pub fn check(&self, tenant: TenantId, seq: i64, hash: &str, signature: &Signature) -> Signed {
        let Some(Key { id, key }) = self.keys.iter().find(|key| key.id == signature.key_id) else {
            return Signed::UnknownKey;
        };
        let mac = hex::decode(&signature.mac).unwrap_or_default();
        match hmac::verify(key, &message(id, tenant, seq, hash), &mac) {
            Ok(()) => Signed::Right,
            Err(_) => Signed::Wrong,
        }
    }

    fn of(path: PathBuf, kept: &Kept) -> io::Result<Self> {
        let key = |kept: &KeptKey| {
            let bytes = URL_SAFE_NO_PAD.decode(&kept.key).ok().filter(|bytes| bytes.len() == KEY);
            let bytes = bytes.ok_or_else(|| {
                invalid(&format!("{FILE}: the key {} is not 32 bytes in base64url", kept.id))
            })?;
            Ok::<_, io::Error>(Key { id: kept.id.clone(), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
        };
        let keys = kept.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(invalid(&format!(
                "{FILE} holds no key; `phoenix-control-plane audit-key` makes one"
            )));
        }
        Ok(Self { path, begun: kept.begun, keys })
    }
}

fn kept(bytes: &[u8]) -> io::Result<Kept> {
    serde_json::from_slice(bytes)
        .map_err(|error| invalid(&format!("{FILE} holds no keys of the audit chains: {error}")))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Message that is signed: each part with its length before it, so that no two rows are the same bytes.
fn message(key_id: &str, tenant: TenantId, seq: i64, hash: &str) -> Vec<u8> {
    let parts = ["phoenix audit v1", key_id, &tenant.to_string(), &seq.to_string(), hash].map(str::to_owned);
    parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes()[..], part.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_signature_is_of_one_row_under_one_key_and_a_rotation_keeps_it_right() {
        let (dir, entropy) = (tempfile::tempdir().unwrap(), Entropy::system());
        assert!(ChainKeys::read(dir.path()).unwrap().is_none());
        let first = ChainKeys::make(dir.path(), NOW, &entropy, false).unwrap();
        assert!(!first.is_begun());
        first.note_begun().unwrap();
        let tenant = TenantId(uuid::Uuid::nil());
        let signature = first.sign(tenant, 7, "hash").unwrap();
        assert_eq!(first.check(tenant, 7, "hash", &signature), Signed::Right);
        let other = TenantId(uuid::Uuid::max());
        for (tenant, seq, hash) in [(other, 7, "hash"), (tenant, 8, "hash"), (tenant, 7, "hush")] {
            assert_eq!(first.check(tenant, seq, hash, &signature), Signed::Wrong);
        }
        let cut = Signature { mac: signature.mac[2..].to_owned(), ..signature.clone() };
        assert_eq!(first.check(tenant, 7, "hash", &cut), Signed::Wrong);
        let second = ChainKeys::make(dir.path(), NOW, &entropy, false).unwrap();
        assert!(second.is_begun() && second.newest() != first.newest());
        assert_eq!(second.check(tenant, 7, "hash", &signature), Signed::Right);
        let newer = second.sign(tenant, 7, "hash").unwrap();
        assert_eq!(first.check(tenant, 7, "hash", &newer), Signed::UnknownKey);
        let renamed = Signature { key_id: newer.key_id.clone(), ..signature };
        assert_eq!(second.check(tenant, 7, "hash", &renamed), Signed::Wrong);
        let reopened = ChainKeys::read(dir.path()).unwrap().unwrap();
        assert_eq!(reopened.check(tenant, 7, "hash", &newer), Signed::Right);
        assert!(!ChainKeys::make(dir.path(), NOW, &entropy, true).unwrap().is_begun(), "it was asked for");
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!format!("{reopened:?}").contains(kept["keys"][0]["key"].as_str().unwrap()));
    }

    #[test]
    fn a_file_that_is_none_of_keys_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("x", "holds no keys of the audit chains: "),
            (
                r#"{"begun":true,"keys":[]}"#,
                "audit-keys.json holds no key; `phoenix-control-plane audit-key` makes one",
            ),
            (
                r#"{"begun":true,"keys":[{"id":"a","key":"YQ","made":"2027-01-15T08:00:00Z"}]}"#,
                "the key a is not 32 bytes in base64url",
            ),
        ] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let told = ChainKeys::read(dir.path()).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
