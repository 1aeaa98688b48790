//! Semantic conventions of process metrics: metrics that have one name in version 0 and another in version 1.

/// Names of a metric, of version 0 and of version 1.
const METRICS: [[&str; 2]; 2] = [
    ["process.threads", "process.thread.count"],
    ["process.open_file_descriptors", "process.unix.file_descriptor.count"],
];

/// The metric's name in the other convention, if it has another there.
pub(crate) fn counterpart(metric: &str) -> Option<&'static str> {
    METRICS.iter().find_map(|[old, new]| match metric {
        metric if metric == *old => Some(*new),
        metric if metric == *new => Some(*old),
        _ => None,
    })
}
