//! Digests of configs: equal for configs that say the same, whatever their layout.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::yaml::{Kind, Node};

/// A SHA-256. Comments, quoting, anchors and the order of keys make no difference to it; variables count
/// as what they stand for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digest of a component's config. Null and an empty map say the same.
    pub(super) fn of(kind: &str, config: &Node) -> Self {
        let mut hasher = Sha256::new();
        put(&mut hasher, b'c', kind.as_bytes());
        node(&mut hasher, config);
        Self(hasher.finalize().into())
    }

    /// Digest of named digests, in order.
    pub(super) fn of_all<'a>(parts: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let mut hasher = Sha256::new();
        for (name, Self(digest)) in parts {
            put(&mut hasher, b'd', name.as_bytes());
            hasher.update(digest);
        }
        Self(hasher.finalize().into())
    }

    /// Digest of bytes as they are.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tagged and length-prefixed, so that no two trees give the same bytes.
fn put(hasher: &mut Sha256, tag: u8, bytes: &[u8]) {
    hasher.update([tag]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn node(hasher: &mut Sha256, config: &Node) {
    match &config.kind {
        Kind::Null => put(hasher, b'm', &0u64.to_le_bytes()),
        Kind::Bool(value) => put(hasher, b'b', &[u8::from(*value)]),
        Kind::Int(value) => put(hasher, b'i', &value.to_le_bytes()),
        Kind::Float(value) => put(hasher, b'f', &value.to_bits().to_le_bytes()),
        Kind::Text(value) => put(hasher, b't', value.text().as_bytes()),
        Kind::List(items) => {
            put(hasher, b'l', &(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| node(hasher, item));
        }
        Kind::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|a, b| a.key.text.cmp(&b.key.text));
            put(hasher, b'm', &(entries.len() as u64).to_le_bytes());
            for entry in entries {
                put(hasher, b'k', entry.key.text.as_bytes());
                node(hasher, &entry.value);
            }
        }
    }
}
