//! Identity and rights of people.

pub mod account;
mod actor;
mod authenticate;
pub mod keys;
pub mod limit;
pub mod password;
pub mod secret;
pub mod setup;
pub mod token;

use axum::http::{HeaderMap, header};

pub use account::Auth;
pub use actor::{Actor, Session};
pub use authenticate::authenticate;

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
