//! Entities: the things that series are about.
//!
//! A resource's entity is of the first row whose attributes it has:
//!
//! | row | entity | key |
//! |---|---|---|
//! | 1 | process | host, `process.pid`, `process.executable.name` |
//! | 2 | service instance | `service.namespace`, `service.name`, `service.instance.id` |
//! | 3 | container | `container.id` |
//! | 4 | pod | `k8s.pod.uid`, else `k8s.namespace.name` and `k8s.pod.name` |
//! | 2 | service instance | `service.namespace`, `service.name`, host |
//! | 5 | host | host |
//! | 6 | other | all resource attributes, in any order |
//!
//! The host is the first present of [`HOST`](crate::split::HOST). A process or a service without one lives on the host
//! that the agent stands for, and so does a resource without any attribute: `phoenix.agent.uid`, with the agent's own
//! uid, is then part of the key. A host by itself is one only if an attribute names it. A service without a namespace is
//! in none; of a process the pid is enough. A service that names no instance is told apart by its container or pod, else
//! by its host: two instances must never look like one. An attribute that is empty, a list or a map names nothing.
//!
//! The key is XXH3-64 of these bytes, by which units of [`crate::split`] are assigned, too:
//!
//! ```text
//! row, u8 ‖ attribute₁ ‖ attribute₂ ‖ …            attributes that are there, in the order of the table
//! 6, u8 ‖ digest of the attribute set, u128 little-endian      of other resources
//! 6, u8 ‖ digest of the empty set ‖ attribute      of a resource without attributes
//! ```
//!
//! with attributes encoded as in [`crate::split`] and the digest as in the identity of series, version 1.

mod key;
mod name;

#[cfg(test)]
mod tests;

use xxhash_rust::xxh3::xxh3_64;

use crate::Batch;
use crate::batch::Rows;
use key::Attributes;

/// Kind of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A process on a host.
    Process = 1,
    /// One instance of a service.
    ServiceInstance = 2,
    /// A container.
    Container = 3,
    /// A pod.
    Pod = 4,
    /// A host.
    Host = 5,
    /// Resource that none of the others describes.
    Other = 6,
}

/// Entity of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entity {
    /// Kind.
    pub kind: Kind,
    /// Hash that tells it from others.
    pub key: u64,
    /// Name for people: `java (pid 12) on web-1`, `service cart`.
    pub name: String,
}

impl Entity {
    /// The entity of the resource with these attributes, received by the agent with this uid.
    #[must_use]
    pub fn of(batch: &Batch, resource: Rows, agent_uid: &str) -> Self {
        let mut bytes = Vec::with_capacity(128);
        let kind = put_key(batch, resource, agent_uid, &mut bytes);
        Self { kind, key: xxh3_64(&bytes), name: name::of(batch, resource, kind) }
    }

    /// Key alone of what [`Self::of`] returns; `buffer` lends its memory.
    #[must_use]
    pub fn key_of(batch: &Batch, resource: Rows, agent_uid: &str, buffer: &mut Vec<u8>) -> u64 {
        buffer.clear();
        put_key(batch, resource, agent_uid, buffer);
        xxh3_64(buffer)
    }
}

/// Appends the bytes of an entity's key, see the module; returns its kind.
pub(crate) fn put_key(batch: &Batch, resource: Rows, agent_uid: &str, key: &mut Vec<u8>) -> Kind {
    Attributes::of(batch, resource).put_key(batch, resource, agent_uid, key)
}
