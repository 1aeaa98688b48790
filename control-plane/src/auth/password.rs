//! Passwords: Argon2id (OWASP's m = 19 MiB, t = 2, p = 1), a few at a time.
//!
//! Each hash costs 19 MiB and some ten milliseconds on purpose, so how many run at once and how many wait is bounded;
//! past that a login is refused, retryably. Somebody unknown costs the same time as somebody known.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use gate::{Gate, Peer};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::clock::Entropy;

const AT_ONCE: usize = 2;
const WAITING: usize = 64;
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Characters; a longer one is not better and costs more to read.
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=256;

/// Reason for which no hash was computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Not acceptable as a new password.
    #[error("a password has 12 to 256 characters")]
    Length,
    /// Too many at once.
    #[error("too many logins at once")]
    Busy,
    /// The computation failed.
    #[error("a password cannot be hashed: {0}")]
    Hash(String),
}

/// Hashes and compares.
#[derive(Debug)]
pub struct Passwords {
    running: Arc<Semaphore>,
    /// By who asks; nobody for those who are let in already.
    places: Gate<Option<Peer>>,
    entropy: Entropy,
    /// A hash of a password nobody has.
    nobody: String,
}

/// Result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// Another password, or nobody.
    Different,
    /// The same one.
    Same {
        /// Its hash by today's parameters, where the kept one is of others.
        rehashed: Option<String>,
    },
}

impl Passwords {
    /// A hasher with a salt source.
    ///
    /// # Errors
    /// The computation's.
    pub fn new(entropy: Entropy) -> Result<Self, PasswordError> {
        let nobody = hash(&entropy.bytes::<32>(), &entropy.bytes())?;
        let running = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { running, places: Gate::new(AT_ONCE + WAITING), entropy, nobody })
    }

    /// A password's hash, as it is kept.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        if !LENGTHS.contains(&password.chars().count()) {
            return Err(PasswordError::Length);
        }
        let salt = self.entropy.bytes();
        self.run(None, move || hash(password.as_bytes(), &salt)).await
    }

    /// A password to be shown once.
    pub fn generate(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.entropy.bytes::<18>())
    }

    /// Compares a password with a kept hash; with none, takes the same time and finds it different.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] and the computation's.
    pub async fn compare(
        &self,
        password: String,
        kept: Option<String>,
        from: Peer,
    ) -> Result<Compared, PasswordError> {
        let salt = self.entropy.bytes();
        let nobody = self.nobody.clone();
        self.run(Some(from), move || {
            let (known, kept) = (kept.is_some(), kept.unwrap_or(nobody));
            let kept = PasswordHash::new(&kept).map_err(said)?;
            // Somebody else's endless password must not become endless work.
            let short = password.len() <= 4 * LENGTHS.end();
            let tried = if short { password.as_bytes() } else { b"" };
            let same = argon2()?.verify_password(tried, &kept).is_ok();
            if !(known && short && same) {
                return Ok(Compared::Different);
            }
            let today = Params::try_from(&kept).map_err(said)?;
            let outdated = (today.m_cost(), today.t_cost(), today.p_cost()) != (MEMORY_KIB, PASSES, LANES);
            let rehashed = if outdated { Some(hash(password.as_bytes(), &salt)?) } else { None };
            Ok(Compared::Same { rehashed })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        from: Option<Peer>,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self.places.enter(from).map_err(|_| PasswordError::Busy)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let _until_it_is_done = permit;
            work()
        });
        done.await.map_err(said)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(said)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String, PasswordError> {
    Ok(argon2()?.hash_password_with_salt(password, salt).map_err(said)?.to_string())
}

fn said(error: impl ToString) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        std::net::IpAddr::from([127, 0, 0, last]).into()
    }

    #[tokio::test]
    async fn only_the_same_password_is_the_same() {
        let passwords = Passwords::new(Entropy::system()).unwrap();
        let kept = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        let compare =
            async |text: &str, kept| passwords.compare(text.to_owned(), kept, peer(1)).await.unwrap();
        let same = compare("correct horse battery", Some(kept.clone())).await;
        assert_eq!(same, Compared::Same { rehashed: None });
        assert_eq!(compare("correct horse batterz", Some(kept.clone())).await, Compared::Different);
        assert_eq!(compare("", Some(kept.clone())).await, Compared::Different);
        assert_eq!(compare(&"x".repeat(1 << 20), Some(kept)).await, Compared::Different);
        assert_eq!(compare("correct horse battery", None).await, Compared::Different);
    }

    #[tokio::test]
    async fn a_hash_of_weaker_parameters_is_replaced_on_login() {
        let passwords = Passwords::new(Entropy::system()).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let kept = weak.hash_password_with_salt(b"correct horse battery", &[7; 16]).unwrap().to_string();
        let found = passwords.compare("correct horse battery".to_owned(), Some(kept), peer(1)).await.unwrap();
        let Compared::Same { rehashed: Some(better) } = found else { panic!("{found:?}") };
        assert!(better.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{better}");
    }

    #[tokio::test]
    async fn past_the_places_a_login_is_refused_and_not_queued() {
        let passwords = Passwords::new(Entropy::system()).unwrap();
        let from = |last| passwords.places.enter(Some(peer(last)));
        let all: Vec<_> = (0..AT_ONCE + WAITING).map_while(|_| from(2).ok()).collect();
        assert!(all.len() < AT_ONCE + WAITING, "one address leaves room");
        let refused = passwords.compare("x".to_owned(), None, peer(2)).await;
        assert_eq!(refused, Err(PasswordError::Busy));
        assert_eq!(passwords.compare("x".to_owned(), None, peer(1)).await, Ok(Compared::Different));
        let rest: Vec<_> = (3..=255).map_while(|last| from(last).ok()).collect();
        assert_eq!(passwords.compare("x".to_owned(), None, peer(1)).await, Err(PasswordError::Busy));
        drop((all, rest));
        assert_eq!(passwords.compare("x".to_owned(), None, peer(2)).await, Ok(Compared::Different));
    }
}
