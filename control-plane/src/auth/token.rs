//! Access tokens: JWTs that live a quarter of an hour.
//!
//! The algorithm is pinned and the key is named, so a token can choose neither; issuer, audience, subject and expiry are
//! required. What a token says of its holder is not believed beyond who they are: role and standing are read anew from
//! the store for every request, so a revocation is in force at once and on every replica.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::Keys;
use crate::clock::UnixMillis;
use crate::id::{LoginId, TenantId, UserId};
use crate::store::logins::Login;

const ISSUER: &str = "phoenix-control-plane";
const AUDIENCE: &str = "phoenix-api";
/// Time for which a token is valid.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Longer than any token of ours.
const LONGEST: usize = 2048;

/// Claims of a token (RFC 7519 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// Id of the user.
    pub sub: UserId,
    /// Of which tenant.
    pub tenant: TenantId,
    /// The token's own name, by which it is revoked.
    pub jti: Uuid,
    /// Login that it is of, with which it ends.
    pub sid: LoginId,
    iat: i64,
    /// Until when, in seconds since the epoch.
    pub exp: i64,
}

impl Claims {
    /// Those of a new token of a login, which it does not outlive.
    pub fn new(login: &Login, jti: Uuid, now: UnixMillis) -> Self {
        let (iat, exp) = (now.seconds(), now.plus(LIFETIME).min(login.ends_at).seconds());
        let Login { id: sid, tenant_id: tenant, user_id: sub, .. } = *login;
        Self { iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), sub, tenant, jti, sid, iat, exp }
    }

    /// Time of its end.
    pub fn end(&self) -> UnixMillis {
        UnixMillis(self.exp.saturating_mul(1000))
    }
}

/// A signed token.
///
/// # Errors
/// What the signer says.
pub fn sign(keys: &Keys, claims: &Claims) -> Result<String, String> {
    let signed = keys.signing(|kid, key| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, key)
    });
    signed.ok_or("there is no signing key")?.map_err(|error| error.to_string())
}

/// Reason for which a token says nothing of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGood {
    /// It is not ours, or not whole. Nothing more is told of it: whoever makes tokens up learns nothing.
    #[error(
        "this is no access token or API key of this control plane, or not a whole one; log in to it (`phoenix login`), or send \
         one of its API keys"
    )]
    Foreign,
    /// It is ours, and over.
    #[error(
        "the access token has expired, at {0}; renew it by its refresh token, or log in again (`phoenix login`)"
    )]
    Over(UnixMillis),
}

/// Claims of a token that is ours and whole. Whether it was revoked is not seen here.
///
/// # Errors
/// [`NotGood`].
pub fn verify(keys: &Keys, token: &str, now: UnixMillis) -> Result<Claims, NotGood> {
    let claims = read(keys, token).ok_or(NotGood::Foreign)?;
    if now.seconds() < claims.exp { Ok(claims) } else { Err(NotGood::Over(claims.end())) }
}

/// Claims of a token that is ours, whole, and perhaps over.
fn read(keys: &Keys, token: &str) -> Option<Claims> {
    if token.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.alg != Algorithm::EdDSA {
        return None;
    }
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Checked by the clock that is an argument, not by the machine's.
    validation.validate_exp = false;
    let decode = |key: &_| jsonwebtoken::decode::<Claims>(token, key, &validation);
    Some(keys.verifying(&header.kid?, decode)?.ok()?.claims)
}

#[cfg(test)]
mod tests;
