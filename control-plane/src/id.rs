//! The ids of what there is: a UUIDv7 each, of a type each, as hyphenated text on every surface.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Defines the id of one kind of thing.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $words:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "uuid::Uuid")]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::NotAnId;

            fn from_str(text: &str) -> Result<Self, $crate::id::NotAnId> {
                text.parse().map(Self).map_err(|_| $crate::id::NotAnId::new(text, $words))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::id::NotAnId;

            fn try_from(text: String) -> Result<Self, $crate::id::NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id! {
    /// A tenant: whose everything is.
    TenantId, "tenant id"
}
id! {
    /// A person.
    UserId, "user id"
}

id! {
    /// A login, from a password to its end.
    LoginId, "login id"
}

/// The public part of an API key: `k` and sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

/// Reason for which a text is no id of an API key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid id of an API key (expected k and 16 hexadecimal digits)")]
pub struct NotAKeyId(String);

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let digits = text.strip_prefix('k').filter(|digits| digits.len() == 16);
        let id = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).map(Self);
        // One id has one spelling.
        let id = id.filter(|id| id.to_string() == text);
        id.ok_or_else(|| NotAKeyId(text.chars().take(64).collect()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{:016x}", self.0)
    }
}

/// Reason for which a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind} (expected a UUID)")]
pub struct NotAnId {
    text: String,
    kind: &'static str,
}

impl NotAnId {
    /// `text` is no id of this kind.
    pub fn new(text: &str, kind: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), kind }
    }
}

id! {
    /// An agent's own name for itself: 16 bytes (OpAMP's `instance_uid`). Those that Phoenix's agents and the control plane
    /// make are UUIDs of version 7; others' may be anything.
    AgentUid, "agent uid"
}

impl AgentUid {
    /// Its sixteen bytes, as OpAMP carries them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The uid of these bytes; nothing if they are not sixteen.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

/// Tells whether a text can name something of ours: it stands in a path without escapes.
pub fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(letter) && !text.starts_with('.')
}
