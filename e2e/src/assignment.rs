//! The split, version 1, a second time: from decoded structs, to check whose output left.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

/// A process on a host, as its resource names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    host: String,
    pid: i64,
    executable: String,
}

impl Unit {
    /// The unit of a resource of the simulator, which always names all three.
    pub fn of(resource: &ResourceMetrics) -> Self {
        let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
        let mut unit = Self { host: String::new(), pid: 0, executable: String::new() };
        for attribute in attributes {
            match (attribute.key.as_str(), attribute.value.as_ref().and_then(|value| value.value.clone())) {
                ("host.name", Some(Value::StringValue(host))) => unit.host = host,
                ("process.pid", Some(Value::IntValue(pid))) => unit.pid = pid,
                ("process.executable.name", Some(Value::StringValue(name))) => unit.executable = name,
                _ => {}
            }
        }
        unit
    }
}

/// One generation's rule.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// The experiment's salt.
    pub salt: &'a str,
    /// Basis points.
    pub weight_bp: u16,
}

impl Split<'_> {
    /// Tells whether the unit is the candidate's.
    pub fn takes(self, unit: &Unit) -> bool {
        let mut key = text(self.salt.as_bytes());
        for (name, kind, value) in [
            ("host.name", 1, unit.host.as_bytes()),
            ("process.pid", 3, &unit.pid.to_le_bytes()),
            ("process.executable.name", 1, unit.executable.as_bytes()),
        ] {
            key.extend(text(name.as_bytes()));
            key.push(kind);
            key.extend(text(value));
        }
        let hash = u128::from(xxhash_rust::xxh3::xxh3_64(&key));
        hash * 10_000 < u128::from(self.weight_bp) << 64
    }
}

fn text(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes(), text].concat()
}
