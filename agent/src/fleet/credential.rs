//! The agent's own credential, for the owner's eyes only.

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
