//! The keys access tokens are signed with: Ed25519, in a file of the data directory that only its owner reads.
//!
//! Two are live: the newest signs, both verify. A key is replaced long after its predecessor's last token has expired,
//! so a rotation logs nobody out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use super::ed25519;
use crate::clock::{Clock, Entropy, UnixMillis};
use crate::key_file;

const FILE: &str = "signing-keys.json";
const LIVE: usize = 2;
/// Time for which a key signs.
const SIGNS_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// An Ed25519 private key in PKCS #8 is these bytes and the seed (RFC 8410 §7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    kid: String,
    seed: String,
    made: UnixMillis,
}

struct Live {
    kept: Kept,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// The live keys.
pub struct Keys {
    path: PathBuf,
    live: ArcSwap<Vec<Live>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.live.load().iter().map(|key| &key.kept.kid)).finish()
    }
}

impl Keys {
    /// Reads the keys in `data_dir`, or makes the first.
    ///
    /// # Errors
    /// The system's, and a file that is not ours.
    pub fn open(data_dir: &Path, clock: &Clock, entropy: &Entropy) -> io::Result<Self> {
        ed25519::install();
        let path = data_dir.join(FILE);
        let kept: Vec<Kept> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let live = kept.into_iter().map(Live::new).collect::<io::Result<Vec<_>>>()?;
        let keys = Self { path, live: ArcSwap::from_pointee(live) };
        keys.rotate_if_due(clock.now(), entropy)?;
        Ok(keys)
    }

    /// Makes a new signing key if there is none or the newest has signed long enough; says whether it did.
    ///
    /// # Errors
    /// The system's; the old keys then go on.
    pub fn rotate_if_due(&self, now: UnixMillis, entropy: &Entropy) -> io::Result<bool> {
        let due = self.live.load().first().is_none_or(|newest| newest.kept.made.plus(SIGNS_FOR) <= now);
        if due {
            self.rotate(now, entropy)?;
        }
        Ok(due)
    }

    /// Makes a new signing key; the one before goes on verifying.
    ///
    /// # Errors
    /// The system's; the old keys then go on.
    pub fn rotate(&self, now: UnixMillis, entropy: &Entropy) -> io::Result<()> {
        let seed = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
        let new = Kept { kid: entropy.uuid(now).to_string(), seed, made: now };
        let old = self.live.load();
        let kept: Vec<Kept> =
            std::iter::once(new).chain(old.iter().map(|key| key.kept.clone())).take(LIVE).collect();
        key_file::replace(&self.path, &serde_json::to_vec(&kept)?)?;
        let live = kept.into_iter().map(Live::new).collect::<io::Result<Vec<_>>>()?;
        self.live.store(Arc::new(live));
        Ok(())
    }

    /// The key that signs, with its id.
    pub(super) fn signing<T>(&self, sign: impl FnOnce(&str, &EncodingKey) -> T) -> Option<T> {
        self.live.load().first().map(|key| sign(&key.kept.kid, &key.encoding))
    }

    /// The live key of this id.
    pub(super) fn verifying<T>(&self, kid: &str, verify: impl FnOnce(&DecodingKey) -> T) -> Option<T> {
        self.live.load().iter().find(|key| key.kept.kid == kid).map(|key| verify(&key.decoding))
    }
}

impl Live {
    fn new(kept: Kept) -> io::Result<Self> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "a seed is 32 bytes in base64url");
        let seed = URL_SAFE_NO_PAD.decode(&kept.seed).map_err(|_| invalid())?;
        let seed: [u8; 32] = seed.try_into().map_err(|_| invalid())?;
        let public = ed25519::public_key(&seed).ok_or_else(invalid)?;
        let encoding = EncodingKey::from_ed_der(&[&PKCS8[..], &seed].concat());
        Ok(Self { kept, encoding, decoding: DecodingKey::from_ed_der(&public) })
    }
}
