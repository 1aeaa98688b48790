//! Secrets that are shown once: `phx_<id>_<secret><checksum>`.
//!
//! The id names the row, the secret proves it, and the checksum lets a scanner, or us, tell a mistyped or truncated
//! token from an unknown one without a database. Only SHA-256 of the secret is kept: it has 256 bits of chance in it, so
//! there is nothing to guess and nothing to slow down.

use subtle::ConstantTimeEq as _;

use crate::clock::Entropy;
use crate::hash::sha256;

const PREFIX: &str = "phx_";
const SECRET: usize = 64;
const CHECKSUM: usize = 8;
/// Longer than any token of ours.
const LONGEST: usize = 128;

/// Purpose of a token, as the first letter of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Letting agents in.
    Enrollment,
    /// Being an agent.
    Agent,
    /// Making the first user.
    Setup,
    /// Going on with a login.
    Refresh,
    /// Being a program.
    ApiKey,
    /// Becoming a person.
    Invitation,
}

impl Purpose {
    const fn letter(self) -> char {
        match self {
            Self::Enrollment => 'e',
            Self::Agent => 'a',
            Self::Setup => 's',
            Self::Refresh => 'r',
            Self::ApiKey => 'k',
            Self::Invitation => 'i',
        }
    }
}

/// A token just made: `text` goes to its holder, the rest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The whole token.
    pub text: String,
    /// Its public part.
    pub id: String,
    /// Hash that is kept of its secret.
    pub hash: String,
}

/// A token somebody presents, whole but not yet believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its public part.
    pub id: String,
    hash: String,
}

/// Makes a token.
pub fn mint(entropy: &Entropy, purpose: Purpose) -> Minted {
    let id = format!("{}{}", purpose.letter(), hex::encode(entropy.bytes::<8>()));
    let secret = hex::encode(entropy.bytes::<32>());
    let checksum = checksum(&id, &secret);
    Minted { text: format!("{PREFIX}{id}_{secret}{checksum}"), hash: sha256(&secret), id }
}

impl Presented {
    /// Tells whether a text begins as a token of one purpose does.
    pub fn is_of(text: &str, purpose: Purpose) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(purpose.letter()))
    }

    /// Reads a token of one purpose. Nothing if it is no such token, or not a whole one.
    pub fn parse(text: &str, purpose: Purpose) -> Option<Self> {
        if text.len() > LONGEST || !text.is_ascii() {
            return None;
        }
        let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
        if !id.starts_with(purpose.letter()) || rest.len() != SECRET + CHECKSUM {
            return None;
        }
        let (secret, sum) = rest.split_at(SECRET);
        (checksum(id, secret) == sum).then(|| Self { id: id.to_owned(), hash: sha256(secret) })
    }

    /// Tells whether it is the token of which `hash` was kept, in constant time.
    pub fn is(&self, hash: &str) -> bool {
        same(&self.hash, hash)
    }
}

/// Tells whether two hashes are the same, in a time that does not tell where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn checksum(id: &str, secret: &str) -> String {
    sha256(&format!("{id}_{secret}"))[..CHECKSUM].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_no_other() {
        let entropy = Entropy::system();
        let (one, other) = (mint(&entropy, Purpose::Agent), mint(&entropy, Purpose::Agent));
        let presented = Presented::parse(&one.text, Purpose::Agent).unwrap();
        assert_eq!(presented.id, one.id);
        assert!(presented.is(&one.hash) && !presented.is(&other.hash));
    }

    #[test]
    fn a_mistyped_truncated_or_strange_token_is_none() {
        let token = mint(&Entropy::system(), Purpose::Enrollment).text;
        assert!(Presented::parse(&token, Purpose::Enrollment).is_some());
        assert!(Presented::parse(&token, Purpose::Agent).is_none(), "another purpose");
        for at in 0..token.len() {
            assert!(Presented::parse(&token[..at], Purpose::Enrollment).is_none(), "cut at {at}");
            let mut mistyped = token.clone().into_bytes();
            mistyped[at] ^= 1;
            let mistyped = String::from_utf8(mistyped).unwrap();
            assert!(Presented::parse(&mistyped, Purpose::Enrollment).is_none(), "mistyped at {at}");
        }
        assert!(Presented::parse(&"phx_e_".repeat(1000), Purpose::Enrollment).is_none());
    }
}
