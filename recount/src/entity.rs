//! Entities: what a series is about.

use super::attributes::Attributes;

/// Attributes that name a host, the first that is there.
const HOST: [&str; 3] = ["host.id", "host.name", "k8s.node.name"];

/// Key of the entity of a resource: two resources of one entity have the same.
#[must_use]
pub fn entity(resource: &Attributes) -> Vec<String> {
    let said = |name: &str| resource.said(name).map(|text| format!("{name}={text}"));
    let host = HOST.iter().find_map(|name| said(name)).unwrap_or_default();
    let of = |row: &str, parts: Vec<Option<String>>| {
        let mut key = vec![row.to_owned()];
        key.extend(parts.into_iter().map(Option::unwrap_or_default));
        key
    };
    if let Some(pid) = said("process.pid") {
        return of("process", vec![Some(host), Some(pid), said("process.executable.name")]);
    }
    let service = || [said("service.namespace"), said("service.name")];
    let [namespace, name] = service();
    if name.is_some() && said("service.instance.id").is_some() {
        return of("service", vec![namespace, name, said("service.instance.id")]);
    }
    if let Some(container) = said("container.id") {
        return of("container", vec![Some(container)]);
    }
    if name.is_some() {
        return of("service", vec![namespace, name, Some(host)]);
    }
    if !host.is_empty() {
        return of("host", vec![Some(host)]);
    }
    of("other", resource.0.iter().map(|(name, value)| Some(format!("{name}={value:?}"))).collect())
}

/// Process that a resource names: host, executable, pid; empty where it does not say.
#[must_use]
pub fn process(resource: &Attributes) -> [String; 3] {
    let said = |name: &str| resource.said(name).unwrap_or_default();
    let host = HOST.iter().find_map(|name| resource.said(name)).unwrap_or_default();
    [host, said("process.executable.name"), said("process.pid")]
}

/// Name of the entity of a resource, for people.
#[must_use]
pub fn name(resource: &Attributes) -> String {
    let said = |name: &str| resource.said(name);
    // People call a host by its name, where it has one.
    let host = said("host.name").or_else(|| HOST.iter().find_map(|name| said(name)));
    let on_host = host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    let key = entity(resource);
    let [.., executable, pid] = process(resource);
    let kind = key.first().map(String::as_str).unwrap_or_default();
    let short = |id: String| id.chars().take(12).collect::<String>();
    if kind == "process" || !executable.is_empty() {
        let executable = if executable.is_empty() { "(no executable)" } else { &executable };
        let pid = if pid.is_empty() { String::new() } else { format!(" (pid {pid})") };
        return format!("{executable}{pid}{on_host}");
    }
    match kind {
        "service" => {
            let namespace = said("service.namespace").map(|space| format!("{space}/")).unwrap_or_default();
            let instance = said("service.instance.id").map(|id| format!(" {id}")).unwrap_or(on_host);
            format!("service {namespace}{}{instance}", said("service.name").unwrap_or_default())
        }
        "container" => format!("container {}", short(said("container.id").unwrap_or_default())),
        "host" => format!("host {}", host.unwrap_or_default()),
        _ => {
            let mut all: Vec<String> =
                resource.0.keys().filter_map(|key| Some(format!("{key}={}", said(key)?))).collect();
            all.truncate(4);
            let none = if resource.0.is_empty() { "attributes" } else { "attributes that name it" };
            if all.is_empty() { format!("a resource without {none}") } else { all.join(",") }
        }
    }
}
