//! Keys of entities. A resource's attributes are looked through once, and nothing is made of them but the key.

use super::Kind;
use crate::Batch;
use crate::batch::identity::set_digest;
use crate::batch::{Rows, Value};
use crate::split::{put_agent, put_attribute};

/// Attribute by which entities are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    HostId,
    Hostname,
    Node,
    Pid,
    Executable,
    ServiceNamespace,
    Service,
    Instance,
    Container,
    PodUid,
    PodNamespace,
    Pod,
}

/// Each of them with its name, in the order of the variants; hosts first, best first.
const NAMES: [(Name, &str); 12] = [
    (Name::HostId, "host.id"),
    (Name::Hostname, "host.name"),
    (Name::Node, "k8s.node.name"),
    (Name::Pid, "process.pid"),
    (Name::Executable, "process.executable.name"),
    (Name::ServiceNamespace, "service.namespace"),
    (Name::Service, "service.name"),
    (Name::Instance, "service.instance.id"),
    (Name::Container, "container.id"),
    (Name::PodUid, "k8s.pod.uid"),
    (Name::PodNamespace, "k8s.namespace.name"),
    (Name::Pod, "k8s.pod.name"),
];

/// Part of a key.
#[derive(Clone, Copy)]
enum Part {
    /// The attribute, if it is there.
    Attribute(Name),
    /// Host, or what stands for it.
    Host,
}

/// Values of a resource's attributes that tell entities apart.
pub(super) struct Attributes<'a>([Option<Value<'a>>; NAMES.len()]);

impl<'a> Attributes<'a> {
    /// Those of a resource. Of attributes with one name the first counts.
    pub fn of(batch: &'a Batch, resource: Rows) -> Self {
        let mut values = [None; NAMES.len()];
        for attribute in batch.attributes(resource) {
            let key = batch.bytes(attribute.key);
            if let Some((name, _)) = NAMES.iter().find(|(_, text)| text.as_bytes() == key) {
                values[*name as usize].get_or_insert(batch.value(attribute.value));
            }
        }
        Self(values.map(|value| value.filter(names_something)))
    }

    fn get(&self, name: Name) -> Option<Value<'a>> {
        self.0[name as usize]
    }

    fn has(&self, name: Name) -> bool {
        self.get(name).is_some()
    }

    fn host(&self) -> Option<Name> {
        [Name::HostId, Name::Hostname, Name::Node].into_iter().find(|name| self.has(*name))
    }

    /// The row of the table that describes it.
    fn row(&self) -> (Kind, &'static [Part]) {
        use Part::{Attribute as A, Host};
        if self.has(Name::Pid) {
            (Kind::Process, &[Host, A(Name::Pid), A(Name::Executable)])
        } else if self.has(Name::Service) && self.has(Name::Instance) {
            (Kind::ServiceInstance, &[A(Name::ServiceNamespace), A(Name::Service), A(Name::Instance)])
        } else if self.has(Name::Container) {
            (Kind::Container, &[A(Name::Container)])
        } else if self.has(Name::PodUid) {
            (Kind::Pod, &[A(Name::PodUid)])
        } else if self.has(Name::PodNamespace) && self.has(Name::Pod) {
            (Kind::Pod, &[A(Name::PodNamespace), A(Name::Pod)])
        } else if self.has(Name::Service) {
            (Kind::ServiceInstance, &[A(Name::ServiceNamespace), A(Name::Service), Host])
        } else if self.host().is_some() {
            (Kind::Host, &[Host])
        } else {
            (Kind::Other, &[])
        }
    }

    /// Appends the bytes of its key; returns its kind.
    pub fn put_key(&self, batch: &Batch, resource: Rows, agent_uid: &str, key: &mut Vec<u8>) -> Kind {
        let (kind, parts) = self.row();
        key.push(kind as u8);
        for part in parts {
            match part {
                Part::Attribute(name) => self.put(*name, key),
                Part::Host => match self.host() {
                    Some(name) => self.put(name, key),
                    None => put_agent(key, agent_uid),
                },
            }
        }
        if kind == Kind::Other {
            key.extend_from_slice(&set_digest(batch, resource).to_le_bytes());
            if resource.is_empty() {
                put_agent(key, agent_uid);
            }
        }
        kind
    }

    fn put(&self, name: Name, key: &mut Vec<u8>) {
        if let Some(value) = self.get(name) {
            put_attribute(key, NAMES[name as usize].1, value);
        }
    }
}

/// Tells whether a value can tell an entity from others.
pub(super) fn names_something(value: &Value<'_>) -> bool {
    !matches!(value, Value::Empty | Value::List(_) | Value::Map(_) | Value::Text([]))
}
