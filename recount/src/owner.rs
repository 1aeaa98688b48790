//! Owner of a series: its service, else its workload, its namespace, its host.

use super::series::Series;

/// Word of a config that groups by the owner.
pub const OWNER: &str = "(owner)";

/// Attributes that name an owner, in order, each with what it is called.
const OWNERS: [(&str, &str); 10] = [
    ("service", "service.name"),
    ("deployment", "k8s.deployment.name"),
    ("statefulset", "k8s.statefulset.name"),
    ("daemonset", "k8s.daemonset.name"),
    ("cronjob", "k8s.cronjob.name"),
    ("job", "k8s.job.name"),
    ("namespace", "k8s.namespace.name"),
    ("host", "host.name"),
    ("host", "host.id"),
    ("host", "k8s.node.name"),
];

/// Group of a series that is grouped by an attribute or by its owner; nothing where it has none.
#[must_use]
pub fn group(series: &Series, by: &str) -> Option<String> {
    if by != OWNER {
        return series.said(by);
    }
    OWNERS.iter().find_map(|(what, attribute)| Some(format!("{what} {}", series.said(attribute)?)))
}
