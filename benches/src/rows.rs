//! The pipelines whose speed is stated: what each does, what is asked of it, and how the Collector is told the same.

/// One row of the table.
pub struct Row {
    /// Name of the work.
    pub name: &'static str,
    /// Millions of points a second and core that it is to reach; none where nothing is asked.
    pub goal: Option<f64>,
    /// Goal, as a multiple of the Collector's speed.
    pub ratio: Option<f64>,
    /// Processors with their configs, in the order in which they run, as YAML of one line each. Empty for the index
    /// alone.
    pub ours: &'static [&'static str],
    /// The same for the Collector; empty where it cannot do that.
    pub collectors: &'static [&'static str],
}

const FILTER_RESOURCE: &str = r#"filter: { metrics: { resource: ['not IsMatch(attributes["process.executable.name"], "^(nginx|envoy|redis-server)$")'] } }"#;
const FILTER_POINT: &str =
    r#"filter: { metrics: { datapoint: ['metric.name == "process.disk.io" and value_int < 1000000'] } }"#;
const TRANSFORM: &str = r#"transform: { metric_statements: [ { context: datapoint, statements: [
    'set(attributes["env"], "prod")', 'delete_key(attributes, "direction")',
    'replace_pattern(attributes["state"], "^sys(.*)$", "kernel$$1")' ] } ] }"#;
const ROLLUP: &str = "rollup: { drop: [process.pid, process.parent_pid, process.command, process.command_line, process.owner] }";
const STRIP: &str = "resource: { attributes: [ { key: process.pid, action: delete }, { key: process.parent_pid, action: delete }, \
                     { key: process.command, action: delete }, { key: process.command_line, action: delete }, \
                     { key: process.owner, action: delete } ] }";
const COMPACT: &str = "groupbyattrs: {}";
const AGGREGATE: &str = "metricstransform: { transforms: [ { include: '^process', match_type: regexp, action: update, \
                         operations: [ { action: aggregate_labels, label_set: [state, direction, type], aggregation_type: sum } ] } ] }";
const TOPK: &str = "topk: { k: 20, by: [process.cpu.time, process.memory.usage], other: true }";
const ADAPTIVE: &str = "adaptive: { budget: 2000, levels: [ { name: full, keep: 1 }, { name: half, keep: 0.5 }, { name: quarter, keep: 0.25 } ] }";
const DELTAS: &str = "cumulativetodelta: {}";
const INTERVAL: &str = "interval: { interval: 60s }";
const ATTRIBUTES: &str = "attributes: { actions: [ { key: env, value: prod, action: upsert }, { key: direction, action: delete } ] }";

/// The rows, in the order in which they are shown.
pub const ROWS: [Row; 11] = [
    Row { name: "index", goal: Some(15.0), ratio: None, ours: &[], collectors: &[] },
    row("filter-resource", 40.0, 10.0, &[FILTER_RESOURCE]),
    row("filter-datapoint", 5.0, 10.0, &[FILTER_POINT]),
    row("transform", 3.0, 5.0, &[TRANSFORM]),
    // The Collector's way to collapse processes adds up within a batch only.
    Row { collectors: &[STRIP, COMPACT, AGGREGATE], ..row("rollup", 3.0, 5.0, &[ROLLUP]) },
    Row { collectors: &[], ratio: None, ..row("topk", 3.0, 5.0, &[TOPK]) },
    row("cumulativetodelta", 4.0, 5.0, &[DELTAS]),
    Row { collectors: &[], goal: None, ratio: None, ..row("interval", 0.0, 5.0, &[INTERVAL]) },
    Row { collectors: &[], goal: None, ratio: None, ..row("adaptive", 0.0, 5.0, &[ADAPTIVE]) },
    Row { goal: None, ..row("attributes", 0.0, 5.0, &[ATTRIBUTES]) },
    Row { goal: None, ..row("strip-and-merge", 0.0, 5.0, &[STRIP, COMPACT, AGGREGATE]) },
];

const fn row(name: &'static str, goal: f64, ratio: f64, processors: &'static [&'static str]) -> Row {
    Row { name, goal: Some(goal), ratio: Some(ratio), ours: processors, collectors: processors }
}

/// A Collector file of these processors.
pub fn config(processors: &[&str]) -> String {
    let ids: Vec<&str> = processors.iter().filter_map(|one| one.split(':').next()).collect();
    let lines: String = processors.iter().map(|one| format!("  {one}\n")).collect();
    format!(
        "processors:\n{lines}service: {{ pipelines: {{ metrics: {{ processors: [{}] }} }} }}\n",
        ids.join(", ")
    )
}
