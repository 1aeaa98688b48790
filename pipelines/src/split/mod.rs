//! Split, versions 1 and 2: the variant whose output is delivered.
//!
//! A point belongs to the unit that its input resource names. A unit is the candidate's if
//!
//! ```text
//! XXH3-64(text(salt) ‖ unit) · 10⁴ < weight_bp · 2⁶⁴
//!
//! unit      = attribute₁ ‖ attribute₂ ‖ …        version 1: a process, a host, a list of attributes
//!           = key of the entity, crate::entity   version 2: an entity
//! text(t)   = length of t in bytes, u32 little-endian ‖ t
//! attribute = text(name) ‖ type, u8 ‖ text(value)
//! type      = 1 text (UTF-8) · 2 bool (one byte, 0 or 1) · 3 int (i64 little-endian)
//!             4 double (bits, u64 little-endian) · 5 bytes
//! ```
//!
//! so assignment is sticky, and raising the weight only moves units toward the candidate. In version 1 attributes stand
//! in the order of [`Unit`]. The host's attribute is the first present of `host.id`, `host.name`, `k8s.node.name`, else
//! `phoenix.agent.uid` with the agent's own id. A resource that lacks any other attribute of the unit, or has a list, a
//! map or nothing as its value, has no unit: the baseline keeps it, counted. In version 2 every resource has an entity,
//! and nothing is without a unit. Golden vectors: `proto/testdata/split-v1.json` and `split-v2.json`.

mod scope;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::Batch;
use crate::batch::{ResourceRow, Value};
use crate::config::Scope;
use crate::entity::{Entity, put_key};
use xxhash_rust::xxh3::xxh3_64;

pub use scope::CutsThrough;

/// Attributes that name a host, best first.
pub const HOST: [&str; 3] = ["host.id", "host.name", "k8s.node.name"];
const AGENT_UID: &str = "phoenix.agent.uid";
const PROCESS: [&str; 2] = ["process.pid", "process.executable.name"];

/// Unit that is assigned as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Entity of a resource, see [`crate::entity`].
    Entity,
    /// A host.
    Host,
    /// A process on a host.
    Process,
    /// Entity that these resource attributes tell apart, in this order.
    Attributes(Vec<String>),
}

impl Unit {
    /// Units that have a word, with it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("entity", Self::Entity), ("process", Self::Process), ("host", Self::Host)];

    /// Version of the split that assigns such units.
    #[must_use]
    pub fn version(&self) -> u8 {
        if *self == Self::Entity { 2 } else { 1 }
    }

    /// Returns whether a stage that must see `scope` whole does so however the units are shared out: half of a roll-up
    /// is not a roll-up.
    pub fn keeps_whole(&self, scope: Scope) -> bool {
        match (self, scope) {
            (_, Scope::Point) | (Self::Host, Scope::Process | Scope::Host) => true,
            // A process is an entity.
            (Self::Entity | Self::Process, Scope::Process) => true,
            (Self::Entity | Self::Process, Scope::Host) => false,
            (Self::Attributes(names), Scope::Process) => !names.is_empty(),
            (Self::Attributes(names), Scope::Host) => names.iter().all(|name| HOST.contains(&name.as_str())),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity => f.write_str("entity"),
            Self::Host => f.write_str("host"),
            Self::Process => f.write_str("process"),
            Self::Attributes(names) => write!(f, "[{}]", names.join(", ")),
        }
    }
}

/// A share in basis points, hundredths of a percent: 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(10_000);

    /// A weight of so many basis points, if there are not more than all.
    pub fn from_bp(bp: u64) -> Option<Self> {
        u16::try_from(bp).ok().map(Self).filter(|&weight| weight <= Self::ALL)
    }

    /// The weight in basis points.
    pub fn bp(self) -> u16 {
        self.0
    }

    /// Returns whether the units are shared between both variants.
    pub fn is_partial(self) -> bool {
        self > Self::NONE && self < Self::ALL
    }

    /// Returns whether a unit with this hash is the candidate's.
    pub fn takes(self, hash: u64) -> bool {
        u128::from(hash) * 10_000 < u128::from(self.0) << 64
    }
}

/// The rule of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Unit that is assigned as a whole.
    pub unit: Unit,
    /// The candidate's share of the units.
    pub weight: Weight,
    /// Salt that makes this experiment's assignment independent of another's.
    pub salt: String,
}

/// A split with its salt encoded, ready to hash keys; one a lane.
#[derive(Clone, Debug)]
pub struct Splitter {
    split: Split,
    agent_uid: String,
    key: Vec<u8>,
    salt_len: usize,
}

impl Splitter {
    /// A splitter for `split`; `agent_uid` names the host where no attribute does.
    pub fn new(split: Split, agent_uid: &str) -> Self {
        let mut key = Vec::with_capacity(256);
        put_text(&mut key, split.salt.as_bytes());
        let salt_len = key.len();
        Self { split, agent_uid: agent_uid.to_owned(), key, salt_len }
    }

    /// The split.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The hash of the host that an agent itself stands for: by it a fleet's hosts are put in order.
    pub fn agent(&mut self) -> u64 {
        self.key.truncate(self.salt_len);
        put_agent(&mut self.key, &self.agent_uid);
        xxh3_64(&self.key)
    }

    /// The hash of the unit a resource belongs to, or nothing if it has none.
    pub fn unit(&mut self, batch: &Batch, resource: &ResourceRow) -> Option<u64> {
        self.key.truncate(self.salt_len);
        let Self { split, agent_uid, key, .. } = self;
        let put = |key: &mut Vec<u8>, name: &str| {
            let value = batch.attribute(resource.attrs, name.as_bytes());
            value.is_some_and(|value| put_attribute(key, name, value))
        };
        let whole = match &split.unit {
            Unit::Entity => {
                put_key(batch, resource.attrs, agent_uid, key);
                true
            }
            Unit::Attributes(names) => names.iter().all(|name| put(key, name)),
            Unit::Host | Unit::Process => {
                if !HOST.iter().any(|name| put(key, name)) {
                    put_agent(key, agent_uid);
                }
                split.unit == Unit::Host || PROCESS.iter().all(|name| put(key, name))
            }
        };
        whole.then(|| xxh3_64(key))
    }

    /// The unit that a resource belongs to, in words.
    pub fn name(&self, batch: &Batch, resource: &ResourceRow) -> String {
        let names: Vec<&str> = match &self.split.unit {
            Unit::Entity => return Entity::of(batch, resource.attrs, &self.agent_uid).name,
            Unit::Attributes(names) => names.iter().map(String::as_str).collect(),
            Unit::Host => HOST.to_vec(),
            Unit::Process => PROCESS.into_iter().chain(HOST).collect(),
        };
        let attributes = batch.attributes(resource.attrs).iter();
        let named = attributes.filter(|attr| names.contains(&batch.text(attr.key)));
        let texts = named.map(|attr| {
            let value = match batch.value(attr.value) {
                Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Value::Int(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            format!("{}={value}", batch.text(attr.key))
        });
        texts.collect::<Vec<_>>().join(",")
    }
}

/// Appends the agent's own uid, which stands for the host where no attribute does.
pub(crate) fn put_agent(key: &mut Vec<u8>, uid: &str) {
    put_attribute(key, AGENT_UID, Value::Text(uid.as_bytes()));
}

/// Appends an attribute; false, and nothing appended, if its value cannot name a unit.
pub(crate) fn put_attribute(key: &mut Vec<u8>, name: &str, value: Value<'_>) -> bool {
    let scalar = |key: &mut Vec<u8>, kind: u8, value: &[u8]| {
        put_text(key, name.as_bytes());
        key.push(kind);
        put_text(key, value);
        true
    };
    match value {
        Value::Text(text) => scalar(key, 1, text),
        Value::Bool(bit) => scalar(key, 2, &[u8::from(bit)]),
        Value::Int(number) => scalar(key, 3, &number.to_le_bytes()),
        Value::Double(number) => scalar(key, 4, &number.to_bits().to_le_bytes()),
        Value::Bytes(bytes) => scalar(key, 5, bytes),
        Value::Empty | Value::List(_) | Value::Map(_) => false,
    }
}

fn put_text(key: &mut Vec<u8>, text: &[u8]) {
    key.extend_from_slice(&(text.len() as u32).to_le_bytes());
    key.extend_from_slice(text);
}
