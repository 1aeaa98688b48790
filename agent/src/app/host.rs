//! Name of this agent's host: the one that it was told, or the system's.

/// The environment variable by which OpenTelemetry names a resource, and the attributes of it that name a host, the
/// first that is there. A pod's own hostname is not its node's.
const NAMES: [&str; 2] = ["host.name", "k8s.node.name"];

/// The host's name. `attributes` is `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key=value`, values percent-encoded.
pub fn name(attributes: Option<&str>, hostname: &str) -> String {
    let pairs = || attributes.unwrap_or_default().split(',').filter_map(|pair| pair.split_once('='));
    let told = NAMES.iter().find_map(|name| {
        let (_, value) = pairs().find(|(key, _)| key.trim() == *name)?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        (!value.is_empty()).then(|| value.into_owned())
    });
    told.unwrap_or_else(|| hostname.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_called_what_it_was_told_before_what_the_system_says() {
        assert_eq!(name(None, "pod-7\n"), "pod-7");
        assert_eq!(name(Some("service.name=a, host.name=web%201"), "pod-7"), "web 1");
        assert_eq!(name(Some("k8s.node.name=node-3"), "pod-7"), "node-3");
        assert_eq!(name(Some("host.name=,nonsense,host.name=%ff"), "pod-7"), "pod-7");
    }
}
