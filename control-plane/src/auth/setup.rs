//! The first user: made by whoever holds a token that only the installation's owner has seen.
//!
//! There are no users by default and no passwords in code. The token is the owner's own, from a file, or one made at a
//! boot that finds nobody; then it is printed, and a later boot makes another.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::secret::{self, Purpose};
use crate::clock::Entropy;
use crate::hash::sha256;

/// Characters; shorter ones are guessed.
const SHORTEST: usize = 16;

/// Token that opens the setup.
pub struct SetupToken {
    /// SHA-256 of the token.
    pub hash: String,
    /// The token, if it was made here and someone must be told.
    pub made: Option<String>,
}

impl SetupToken {
    /// From the owner's file, or a new one.
    ///
    /// # Errors
    /// The system's, and a token that is too short.
    pub fn choose(file: Option<&Path>, entropy: &Entropy) -> io::Result<Self> {
        let Some(file) = file else {
            let made = secret::mint(entropy, Purpose::Setup).text;
            return Ok(Self { hash: sha256(&made), made: Some(made) });
        };
        let text = std::fs::read_to_string(file)?;
        let token = text.trim();
        if token.len() < SHORTEST {
            return Err(io::Error::new(ErrorKind::InvalidData, "a setup token has at least 16 characters"));
        }
        Ok(Self { hash: sha256(token), made: None })
    }
}
