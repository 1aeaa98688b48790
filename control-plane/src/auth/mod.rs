//! Identity and rights of people.

mod actor;
mod authenticate;
mod certificate;
mod ed25519;
pub mod keys;
pub mod limit;
pub mod password;
pub mod secret;
pub mod setup;
pub mod token;

pub use actor::{Actor, Credential, Key, Session};
pub use authenticate::{CONNECT, authenticate, connecting, still};
pub use certificate::{Certificate, NotAnAgents};

use keys::Keys;
use limit::LoginLimit;
use password::Passwords;

/// Parts of authentication.
#[derive(Debug)]
pub struct Auth {
    /// Keys that sign tokens.
    pub keys: Keys,
    /// Hasher of passwords.
    pub passwords: Passwords,
    /// Limit of attempts.
    pub attempts: LoginLimit,
    /// True if nobody logs in with a password.
    pub no_passwords: bool,
    /// SHA-256 of the token that makes the first user, if nobody was there at boot.
    pub setup: Option<String>,
}
