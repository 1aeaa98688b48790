//! Names of entities, for people. They are made where something is told, not per batch.

use super::Kind;
use super::key::names_something;
use crate::Batch;
use crate::batch::{Rows, Value};
use crate::split::HOST;

/// Number of characters that a name takes of one attribute.
const MAX_CHARS: usize = 120;
/// Number of attributes by which another resource is named.
const MAX_NAMED: usize = 4;

/// The name of the resource's entity, which is of this kind.
pub(super) fn of(batch: &Batch, resource: Rows, kind: Kind) -> String {
    let texts = Texts { batch, resource };
    match kind {
        Kind::Process => texts.process(),
        Kind::ServiceInstance => texts.service(),
        Kind::Container => texts.container(),
        Kind::Pod => texts.pod(),
        Kind::Host => format!("host {}", texts.host().unwrap_or_default()),
        Kind::Other => texts.other(),
    }
}

/// Attributes of one resource, as texts.
#[derive(Clone, Copy)]
struct Texts<'a> {
    batch: &'a Batch,
    resource: Rows,
}

impl Texts<'_> {
    fn get(self, name: &str) -> Option<String> {
        let found = self.batch.attribute(self.resource, name.as_bytes())?;
        names_something(&found).then(|| text(found))
    }

    /// The host, as people call it.
    fn host(self) -> Option<String> {
        ["host.name"].into_iter().chain(HOST).find_map(|name| self.get(name))
    }

    fn on_host(self) -> String {
        self.host().map(|host| format!(" on {host}")).unwrap_or_default()
    }

    fn process(self) -> String {
        let executable = self.get("process.executable.name").unwrap_or_else(|| "(no executable)".to_owned());
        let pid = self.get("process.pid").unwrap_or_default();
        format!("{executable} (pid {pid}){}", self.on_host())
    }

    fn service(self) -> String {
        let service = self.get("service.name").unwrap_or_default();
        let namespace = self.get("service.namespace").map(|space| format!("{space}/")).unwrap_or_default();
        let instance = self.get("service.instance.id").map(|instance| format!(" {instance}"));
        format!("service {namespace}{service}{}", instance.unwrap_or_else(|| self.on_host()))
    }

    fn container(self) -> String {
        let id = self.get("container.id").unwrap_or_default();
        let short: String = id.chars().take(12).collect();
        match self.get("container.name").or_else(|| self.get("k8s.container.name")) {
            Some(name) => format!("container {name} ({short})"),
            None => format!("container {short}"),
        }
    }

    fn pod(self) -> String {
        match (self.get("k8s.namespace.name"), self.get("k8s.pod.name")) {
            (Some(namespace), Some(pod)) => format!("pod {namespace}/{pod}"),
            (None, Some(pod)) => format!("pod {pod}"),
            (_, None) => format!("pod {}", self.get("k8s.pod.uid").unwrap_or_default()),
        }
    }

    fn other(self) -> String {
        let attributes = self.batch.attributes(self.resource).iter();
        let mut named: Vec<String> = attributes
            .filter_map(|attribute| {
                let value = self.batch.value(attribute.value);
                names_something(&value).then(|| format!("{}={}", self.batch.text(attribute.key), text(value)))
            })
            .collect();
        named.sort_unstable();
        named.truncate(MAX_NAMED);
        if !named.is_empty() {
            return named.join(",");
        }
        let attributes = if self.resource.is_empty() { "attributes" } else { "attributes that name it" };
        format!("a resource without {attributes}")
    }
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).chars().take(MAX_CHARS).collect(),
        Value::Bool(bit) => bit.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bytes(bytes) => format!("({} bytes)", bytes.len()),
        Value::Empty | Value::List(_) | Value::Map(_) => String::new(),
    }
}
