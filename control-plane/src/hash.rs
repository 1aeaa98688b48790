//! SHA-256.

use sha2::{Digest as _, Sha256};

/// SHA-256 of a text, in hexadecimal.
pub fn sha256(text: &str) -> String {
    hex::encode(sha256_of(text.as_bytes()))
}

/// SHA-256 of bytes.
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
