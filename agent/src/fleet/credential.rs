//! The agent's own credential, for the owner's eyes only; and what it proves itself by.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use proto::INSTANCE_UID;

/// A token that proves who this agent is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Takes a token; nothing if it could not stand in a header.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        let legal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        legal.then(|| Self(token.to_owned()))
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// `Bearer …`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Proof of who this agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its credential.
    Credential(Credential),
    /// The certificate of its connections, under this name of the agent.
    Certificate(String),
}

impl Proof {
    /// The header that says it.
    ///
    /// # Errors
    /// When it could not stand in one.
    pub fn header(&self) -> Result<(HeaderName, HeaderValue), http::header::InvalidHeaderValue> {
        match self {
            Self::Certificate(uid) => Ok((HeaderName::from_static(INSTANCE_UID), uid.parse()?)),
            Self::Credential(credential) => {
                let mut bearer: HeaderValue = credential.bearer().parse()?;
                bearer.set_sensitive(true);
                Ok((AUTHORIZATION, bearer))
            }
        }
    }

    /// Puts it among the headers of a request.
    ///
    /// # Errors
    /// When it could not stand in one.
    pub fn put(&self, headers: &mut HeaderMap) -> Result<(), http::header::InvalidHeaderValue> {
        let (name, value) = self.header()?;
        headers.insert(name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_a_header_is_none_and_it_is_never_shown() {
        let credential = Credential::new(" phx_secret\n").expect("legal");
        assert_eq!(credential.bearer(), "Bearer phx_secret");
        assert!(!format!("{credential:?}").contains("secret"));
        assert!(Credential::new("two words").is_none() && Credential::new("").is_none());
    }
}
