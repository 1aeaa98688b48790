//! Surroundings of this agent: its host's name, its node's identity, and the attributes that OpenTelemetry has for them.
//!
//! What the owner says comes before what the system says: a pod's hostname is not its node's, and the machine id within a
//! container is often its image's. The names of environment variables are those that the official charts set.

use std::collections::BTreeMap;

/// The most attributes that are reported, and the most bytes of a value.
const MOST: usize = 64;
const LONGEST: usize = 255;

/// Variables of the downward API, and the attribute that each is; the first that is set counts.
const VARIABLES: [(&str, &str); 12] = [
    ("OTEL_SERVICE_NAME", "service.name"),
    ("OTEL_K8S_NODE_UID", "k8s.node.uid"),
    ("K8S_NODE_UID", "k8s.node.uid"),
    ("OTEL_K8S_NODE_NAME", "k8s.node.name"),
    ("K8S_NODE_NAME", "k8s.node.name"),
    ("OTEL_K8S_NAMESPACE", "k8s.namespace.name"),
    ("K8S_NAMESPACE", "k8s.namespace.name"),
    ("OTEL_K8S_POD_NAME", "k8s.pod.name"),
    ("K8S_POD_NAME", "k8s.pod.name"),
    ("OTEL_K8S_POD_UID", "k8s.pod.uid"),
    ("OTEL_K8S_POD_IP", "k8s.pod.ip"),
    ("MY_POD_IP", "k8s.pod.ip"),
];

/// Attributes that name a host, the first that is there.
const NAMES: [&str; 2] = ["host.name", "k8s.node.name"];

/// Attributes that identify a node, the first that is there.
const IDENTITIES: [&str; 4] = ["k8s.node.uid", "host.id", "k8s.node.name", "host.name"];

/// Files of the machine's id, the first that has one.
pub const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The host's name.
    pub host: String,
    /// Identity of the node, `key=value`; nothing where the system has no name either.
    pub node: Option<String>,
    /// Attributes that the owner has said, by name.
    pub attributes: BTreeMap<String, String>,
}

impl Surroundings {
    /// Those of an agent with these variables, in a system of this name and machine id.
    pub fn of(
        variable: impl Fn(&str) -> Option<String>,
        hostname: &str,
        machine_id: impl FnOnce() -> Option<String>,
    ) -> Self {
        let attributes = attributes(variable);
        let hostname = hostname.trim();
        let named = NAMES.into_iter().find_map(|name| attributes.get(name));
        let host = named.map_or(hostname, String::as_str).to_owned();
        let node = IDENTITIES.into_iter().find_map(|name| Some(format!("{name}={}", attributes.get(name)?)));
        let found = || {
            let id = machine_id().map(|id| id.trim().to_owned()).filter(|id| is_machine_id(id));
            let name = || (!hostname.is_empty()).then(|| format!("host.name={hostname}"));
            id.map(|id| format!("host.id={id}")).or_else(name)
        };
        let node = node.or_else(found).filter(|node| is_identity(node));
        Self { host, node, attributes }
    }
}

/// Attributes of `OTEL_RESOURCE_ATTRIBUTES` (`key=value,key=value`, values percent-encoded), and of the variables that it
/// does not name. What is empty or unreadable is left out.
fn attributes(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut add = |name: &str, value: String| {
        let fits = !name.is_empty() && !value.is_empty() && name.len() <= LONGEST && value.len() <= LONGEST;
        if fits && (attributes.len() < MOST) && !attributes.contains_key(name) {
            attributes.insert(name.to_owned(), value);
        }
    };
    // The specification has `OTEL_SERVICE_NAME` come before `service.name` of the other variable.
    if let Some(service) = variable("OTEL_SERVICE_NAME") {
        add("service.name", service.trim().to_owned());
    }
    let all = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    for (name, value) in all.split(',').filter_map(|pair| pair.split_once('=')) {
        if let Ok(value) = percent_encoding::percent_decode_str(value.trim()).decode_utf8() {
            add(name.trim(), value.into_owned());
        }
    }
    for (name, attribute) in VARIABLES {
        if let Some(value) = variable(name) {
            add(attribute, value.trim().to_owned());
        }
    }
    attributes
}

/// Tells whether a text of a machine's id is one: an image that was made for many machines has none, or says so.
fn is_machine_id(id: &str) -> bool {
    id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()) && id.chars().any(|c| c != '0')
}

/// Tells whether a control plane takes it for an identity.
fn is_identity(node: &str) -> bool {
    node.len() <= LONGEST && !node.contains(|c: char| c.is_control() || c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "0123456789abcdef0123456789abcdef";

    fn of(variables: &[(&str, &str)], machine_id: Option<&str>) -> Surroundings {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Surroundings::of(variable, "pod-7\n", || machine_id.map(str::to_owned))
    }

    fn host(attributes: &str) -> String {
        of(&[("OTEL_RESOURCE_ATTRIBUTES", attributes)], None).host
    }

    #[test]
    fn a_host_is_called_what_it_was_told_before_what_the_system_says() {
        assert_eq!(of(&[], None).host, "pod-7");
        assert_eq!(host("service.name=a, host.name=web%201"), "web 1");
        assert_eq!(host("k8s.node.name=node-3"), "node-3");
        assert_eq!(host("host.name=,nonsense,host.name=%ff"), "pod-7");
    }

    #[test]
    fn a_node_is_what_was_said_else_the_machine_else_the_hosts_name() {
        let node = |variables: &[(&str, &str)], machine| of(variables, machine).node.expect("a node");
        let all = "host.name=web-1,k8s.node.name=n,host.id=4c4c,k8s.node.uid=7f";
        assert_eq!(node(&[("OTEL_RESOURCE_ATTRIBUTES", all)], Some(MACHINE)), "k8s.node.uid=7f");
        let known = "host.name=web-1,k8s.node.name=n,host.id=4c4c";
        assert_eq!(node(&[("OTEL_RESOURCE_ATTRIBUTES", known)], Some(MACHINE)), "host.id=4c4c");
        assert_eq!(node(&[("OTEL_K8S_NODE_NAME", "node-3")], Some(MACHINE)), "k8s.node.name=node-3");
        assert_eq!(
            node(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=web-1")], Some(MACHINE)),
            "host.name=web-1"
        );
        let file = format!("{MACHINE}\n");
        assert_eq!(node(&[], Some(&file)), format!("host.id={MACHINE}"));
        for none in [None, Some(""), Some("uninitialized\n"), Some("00000000000000000000000000000000")] {
            assert_eq!(node(&[], none), "host.name=pod-7", "{none:?}");
        }
        assert_eq!(of(&[("OTEL_RESOURCE_ATTRIBUTES", "host.id=a%23b")], None).node, None);
    }

    #[test]
    fn attributes_are_those_of_every_variable_and_the_more_telling_one_wins() {
        let found = of(
            &[
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=theirs,k8s.pod.ip=10.0.0.1,k8s.cluster.name=a"),
                ("OTEL_SERVICE_NAME", "ours"),
                ("MY_POD_IP", "10.0.0.2"),
                ("OTEL_K8S_NAMESPACE", "telemetry"),
            ],
            None,
        );
        let expected = [
            ("k8s.cluster.name", "a"),
            ("k8s.namespace.name", "telemetry"),
            ("k8s.pod.ip", "10.0.0.1"),
            ("service.name", "ours"),
        ];
        let found: Vec<_> =
            found.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
        let many: Vec<String> = (0..100).map(|at| format!("a{at}=b")).collect();
        assert_eq!(of(&[("OTEL_RESOURCE_ATTRIBUTES", &many.join(","))], None).attributes.len(), MOST);
    }
}
