//! Entities: the things that series are about.
//!
//! A resource's entity is of the first row whose attributes it has:
//!
//! | entity | key |
//! |---|---|
//! | process | host, `process.pid`, `process.executable.name` |
//! | service instance | `service.namespace`, `service.name`, `service.instance.id` |
//! | container | `container.id` |
//! | pod | `k8s.pod.uid`, else `k8s.namespace.name` and `k8s.pod.name` |
//! | service instance | `service.namespace`, `service.name`, host |
//! | host | host |
//! | other | all resource attributes, in any order |
//!
//! The host is the first present of [`HOST`]. A process or service without one lives on the agent's own, and a
//! service without a namespace is in none; of a process the pid is enough. A service that names no instance is told
//! apart by its container or pod, else by its host: two instances must never look like one. An attribute that is
//! empty, a list or a map names nothing.
//!
//! The key is XXH3-64(row, u8 ‖ attribute₁ ‖ …), with attributes encoded as in [`crate::split`], and of other resources
//! XXH3-64(row, u8 ‖ digest of the attribute set, u128 little-endian), as in the identity of series.

#[cfg(test)]
mod tests;

use xxhash_rust::xxh3::xxh3_64;

use crate::Batch;
use crate::batch::identity::set_digest;
use crate::batch::{Rows, Value};
use crate::split::{HOST, put_attribute};

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
    /// The entity of the resource with these attributes.
    #[must_use]
    pub fn of(batch: &Batch, resource: Rows) -> Self {
        let attributes = Attributes { batch, resource };
        attributes.entity().unwrap_or_else(|| attributes.other())
    }
}

/// Attributes of one resource.
#[derive(Clone, Copy)]
struct Attributes<'a> {
    batch: &'a Batch,
    resource: Rows,
}

impl<'a> Attributes<'a> {
    fn entity(self) -> Option<Entity> {
        self.process()
            .or_else(|| self.service("service.instance.id"))
            .or_else(|| self.container())
            .or_else(|| self.pod())
            .or_else(|| self.service(self.host().unwrap_or(HOST[0])))
            .or_else(|| self.of_host())
    }

    fn get(self, name: &str) -> Option<Value<'a>> {
        let found = self.batch.attribute(self.resource, name.as_bytes())?;
        let names_nothing = matches!(found, Value::Empty | Value::List(_) | Value::Map(_) | Value::Text([]));
        (!names_nothing).then_some(found)
    }

    fn text(self, name: &str) -> Option<String> {
        Some(match self.get(name)? {
            Value::Text(text) => String::from_utf8_lossy(text).chars().take(MAX_CHARS).collect(),
            Value::Bool(bit) => bit.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
            Value::Bytes(bytes) => format!("({} bytes)", bytes.len()),
            Value::Empty | Value::List(_) | Value::Map(_) => return None,
        })
    }

    /// The attribute that names the host.
    fn host(self) -> Option<&'static str> {
        HOST.into_iter().find(|name| self.get(name).is_some())
    }

    /// ` on ` and the host, as people call it.
    fn on_host(self) -> String {
        let name = self.text("host.name").or_else(|| self.text(self.host()?));
        name.map(|host| format!(" on {host}")).unwrap_or_default()
    }

    fn key(self, row: Kind, names: &[&str]) -> u64 {
        let mut key = vec![row as u8];
        for name in names {
            if let Some(value) = self.get(name) {
                put_attribute(&mut key, name, value);
            }
        }
        xxh3_64(&key)
    }

    fn process(self) -> Option<Entity> {
        let pid = self.text("process.pid")?;
        let executable = self.text("process.executable.name").unwrap_or_else(|| "(no executable)".to_owned());
        let names = [self.host().unwrap_or(HOST[0]), "process.pid", "process.executable.name"];
        let name = format!("{executable} (pid {pid}){}", self.on_host());
        Some(Entity { kind: Kind::Process, key: self.key(Kind::Process, &names), name })
    }

    fn service(self, instance: &str) -> Option<Entity> {
        let service = self.text("service.name")?;
        let by_instance = instance == "service.instance.id";
        let of = if by_instance { format!(" {}", self.text(instance)?) } else { self.on_host() };
        let name = match self.text("service.namespace") {
            Some(namespace) => format!("service {namespace}/{service}{of}"),
            None => format!("service {service}{of}"),
        };
        let names = ["service.namespace", "service.name", instance];
        Some(Entity { kind: Kind::ServiceInstance, key: self.key(Kind::ServiceInstance, &names), name })
    }

    fn container(self) -> Option<Entity> {
        let id = self.text("container.id")?;
        let short: String = id.chars().take(12).collect();
        let name = self.text("container.name").or_else(|| self.text("k8s.container.name"));
        let name =
            name.map_or_else(|| format!("container {short}"), |name| format!("container {name} ({short})"));
        Some(Entity { kind: Kind::Container, key: self.key(Kind::Container, &["container.id"]), name })
    }

    fn pod(self) -> Option<Entity> {
        let named = ["k8s.namespace.name", "k8s.pod.name"];
        let by_uid = self.text("k8s.pod.uid");
        let names: &[&str] = if by_uid.is_some() { &["k8s.pod.uid"] } else { &named };
        let name = match (named.map(|name| self.text(name)), by_uid) {
            ([Some(namespace), Some(pod)], _) => format!("pod {namespace}/{pod}"),
            ([None, Some(pod)], Some(_)) => format!("pod {pod}"),
            (_, uid) => format!("pod {}", uid?),
        };
        Some(Entity { kind: Kind::Pod, key: self.key(Kind::Pod, names), name })
    }

    fn of_host(self) -> Option<Entity> {
        let host = self.host()?;
        let name = self.text("host.name").or_else(|| self.text(host))?;
        Some(Entity { kind: Kind::Host, key: self.key(Kind::Host, &[host]), name: format!("host {name}") })
    }

    fn other(self) -> Entity {
        let digest = set_digest(self.batch, self.resource);
        let mut key = vec![Kind::Other as u8];
        key.extend_from_slice(&digest.to_le_bytes());
        let attributes = self.batch.attributes(self.resource).iter();
        let mut named: Vec<String> = attributes
            .filter_map(|attr| {
                let name = self.batch.text(attr.key);
                Some(format!("{name}={}", self.text(name)?))
            })
            .collect();
        named.sort_unstable();
        named.truncate(MAX_NAMED);
        let name =
            if named.is_empty() { "a resource without attributes".to_owned() } else { named.join(",") };
        Entity { kind: Kind::Other, key: xxh3_64(&key), name }
    }
}

/// Number of characters that a name takes of one attribute.
const MAX_CHARS: usize = 120;
/// Number of attributes by which another resource is named.
const MAX_NAMED: usize = 4;
