//! Candidates and what their configs state.

use e2e::trial::{Trial, WINDOW};
use recount::plan::{Ancestry, Plan};
use recount::series::{Form, Series};

use super::lenses::{DEFAULTS, LENSES};

/// Plan of a candidate of which every point has one ancestor.
pub const PLAN: Plan = Plan {
    ancestry: [Ancestry::Same; 2],
    lenses: LENSES,
    defaults: false,
    critical: &["nginx", "postgres", "haproxy"],
    required: &["process.cpu.time", "process.memory.usage"],
    promoted: None,
    hold: 0,
    held: |_| false,
    warm_up: 0,
};

const fn trial(name: &'static str, candidate: &'static [&'static str]) -> Trial {
    Trial { name, baseline: &[], candidate, plan: PLAN }
}

/// Plan of a config that names no panels.
const UNNAMED: Plan = Plan { lenses: DEFAULTS, defaults: true, ..PLAN };

const fn defaults(name: &'static str, candidate: &'static [&'static str]) -> Trial {
    Trial { plan: UNNAMED, ..trial(name, candidate) }
}

const NO_PID: &str = "resource/r: { attributes: [ { key: process.pid, action: delete } ] }";
const NO_STATE: &str = "attributes/a: { actions: [ { key: state, action: delete } ] }";
const NO_THREADS: &str = "filter/f: { metrics: { metric: ['name == \"process.threads\"'] } }";
const RENAME: &str = "metricstransform/m: { transforms: [ { include: process.memory.usage, action: update, new_name: process.memory.rss } ] }";

/// Labels that a backend makes of resources.
const PROMOTED: Option<&[&str]> = Some(&["host.name", "process.executable.name", "process.pid"]);

/// The series of CPU time without states.
fn without_states(of: &Series) -> Option<Series> {
    let cpu = of.metric == "process.cpu.time";
    let attributes = if cpu { of.attributes.without("state") } else { of.attributes.clone() };
    Some(Series { attributes, ..of.clone() })
}

/// A series of an executable: without what tells its processes apart. Distributions stay.
fn of_executable(of: &Series) -> Option<Series> {
    let resource = match of.kind.form {
        Form::Gauge | Form::Sum => of.resource.without("process.pid").without("process.command_line"),
        _ => of.resource.clone(),
    };
    Some(Series { resource, ..of.clone() })
}

fn is_cumulative(of: &Series) -> bool {
    of.kind.temporality == 2 && (of.kind.monotonic || of.kind.form != Form::Sum)
}

/// All trials.
pub const TRIALS: &[Trial] = &[
    trial("the_same", &[]),
    trial(
        "no_command_line",
        &["resource/r: { attributes: [ { key: process.command_line, action: delete } ] }"],
    ),
    Trial {
        plan: Plan { promoted: PROMOTED, ..PLAN },
        ..trial(
            "no_command_line_billed",
            &["resource/r: { attributes: [ { key: process.command_line, action: delete } ] }"],
        )
    },
    trial("drop_by_name", &["filter/f: { metrics: { metric: ['name == \"process.threads\"'] } }"]),
    trial(
        "drop_small",
        &[
            "filter/f: { metrics: { datapoint: ['metric.name == \"process.memory.usage\" and value_int < 1250000'] } }",
        ],
    ),
    trial(
        "drop_one_critical",
        &["filter/f: { metrics: { datapoint: ['resource.attributes[\"process.pid\"] == 11'] } }"],
    ),
    trial("drop_all", &["filter/f: { metrics: { metric: ['true'] } }"]),
    trial(
        "rename_metric",
        &[
            "metricstransform/m: { transforms: [ { include: process.memory.usage, action: update, new_name: process.memory.rss } ] }",
        ],
    ),
    trial(
        "copy_metric",
        &[
            "metricstransform/m: { transforms: [ { include: process.memory.usage, action: insert, new_name: process.memory.copy } ] }",
        ],
    ),
    trial(
        "scale_values",
        &[
            "metricstransform/m: { transforms: [ { include: process.cpu.time, action: update, operations: [ { action: experimental_scale_value, experimental_scale: 1000 } ] } ] }",
        ],
    ),
    trial(
        "values_zero",
        &[
            "transform/t: { metric_statements: [ { context: datapoint, statements: ['set(value_int, 0) where metric.name == \"process.memory.usage\"', 'set(value_double, 0.0) where metric.name == \"queue.size\"'] } ] }",
        ],
    ),
    trial(
        "round_values",
        &[
            "transform/t: { metric_statements: [ { context: datapoint, statements: ['set(value_int, (value_int / 4096) * 4096) where metric.name == \"process.memory.usage\"'] } ] }",
        ],
    ),
    trial(
        "change_unit",
        &[
            "transform/t: { metric_statements: [ { context: metric, statements: ['set(unit, \"MiB\") where name == \"process.memory.usage\"'] } ] }",
        ],
    ),
    trial(
        "starts_zero",
        &[
            "transform/t: { metric_statements: [ { context: datapoint, statements: ['set(start_time_unix_nano, 0)'] } ] }",
        ],
    ),
    trial(
        "flags_zero",
        &["transform/t: { metric_statements: [ { context: datapoint, statements: ['set(flags, 0)'] } ] }"],
    ),
    trial(
        "no_executable",
        &["resource/r: { attributes: [ { key: process.executable.name, action: delete } ] }"],
    ),
    trial("no_pid", &["resource/r: { attributes: [ { key: process.pid, action: delete } ] }"]),
    trial("no_host", &["resource/r: { attributes: [ { key: host.name, action: delete } ] }"]),
    trial("no_owner", &["resource/r: { attributes: [ { key: process.owner, action: delete } ] }"]),
    trial("no_device", &["attributes/a: { actions: [ { key: device, action: delete } ] }"]),
    trial("no_state", &["attributes/a: { actions: [ { key: state, action: delete } ] }"]),
    trial(
        "rename_attribute",
        &[
            "transform/t: { metric_statements: [ { context: resource, statements: ['set(attributes[\"exe\"], attributes[\"process.executable.name\"]) where attributes[\"process.executable.name\"] != nil', 'delete_key(attributes, \"process.executable.name\")'] } ] }",
        ],
    ),
    trial("hash_owner", &["resource/r: { attributes: [ { key: process.owner, action: hash } ] }"]),
    trial("add_attribute", &["resource/r: { attributes: [ { key: team, value: infra, action: insert } ] }"]),
    trial(
        "short_titles",
        &[
            "transform/t: { metric_statements: [ { context: resource, statements: ['set(attributes[\"process.command_line\"], \"nginx\") where IsMatch(attributes[\"process.command_line\"], \"nginx.*\")'] } ] }",
        ],
    ),
    trial(
        "gauge_to_sum",
        &[
            "transform/t: { metric_statements: [ { context: metric, statements: ['convert_gauge_to_sum(\"cumulative\", false) where name == \"process.threads\"'] } ] }",
        ],
    ),
    trial("delta_to_rate", &["deltatorate/d: { metrics: [http.requests] }"]),
    trial("by_state", &["groupbyattrs/g: { keys: [state] }"]),
    trial(
        "odd_values_only",
        &["filter/f: { metrics: { datapoint: ['metric.name == \"process.threads\" and value_int == 3'] } }"],
    ),
    trial(
        "other_scope",
        &["transform/t: { metric_statements: [ { context: scope, statements: ['set(version, \"2\")'] } ] }"],
    ),
    Trial {
        plan: Plan { ancestry: [Ancestry::Same, Ancestry::Merged(without_states)], ..PLAN },
        ..trial(
            "sum_states",
            &[
                "metricstransform/m: { transforms: [ { include: process.cpu.time, action: update, operations: [ { action: aggregate_labels, label_set: [], aggregation_type: sum } ] } ] }",
            ],
        )
    },
    Trial {
        plan: Plan { ancestry: [Ancestry::Same, Ancestry::Merged(of_executable)], warm_up: 2, ..PLAN },
        ..trial("rollup", &["rollup/r: { drop: [process.pid, process.command_line], gauge: max, sum: sum }"])
    },
    Trial {
        plan: Plan { warm_up: 2, ..PLAN },
        ..trial("busiest", &["topk/t: { k: 4, by: [process.memory.usage], stay: 1s }"])
    },
    Trial {
        plan: Plan { warm_up: 1, ..PLAN },
        ..trial(
            "to_delta",
            &[
                "cumulativetodelta/c: { include: { metrics: [process.cpu.time, jobs.done], match_type: strict } }",
            ],
        )
    },
    Trial {
        plan: Plan { hold: 2 * WINDOW, held: is_cumulative, ..PLAN },
        ..trial("interval", &["interval/i: { interval: 6s, pass_through: { gauge: true, summary: true } }"])
    },
    defaults("default_lenses", &[]),
    defaults(
        "default_lenses_drop",
        &[
            "filter/f: { metrics: { datapoint: ['metric.name == \"process.paging.faults\" and resource.attributes[\"host.name\"] == \"beta\"', 'IsMatch(metric.name, \"^app\\\\.0.*\")'] } }",
        ],
    ),
    defaults(
        "default_lenses_no_owner",
        &[
            "resource/r: { attributes: [ { key: service.name, action: delete }, { key: host.name, action: delete } ] }",
        ],
    ),
    Trial {
        plan: Plan { warm_up: 2, ..UNNAMED },
        ..defaults("default_lenses_busiest", &["topk/t: { k: 4, by: [process.memory.usage], stay: 1s }"])
    },
    Trial {
        plan: Plan { hold: 2 * WINDOW, held: is_cumulative, ..UNNAMED },
        ..defaults(
            "default_lenses_interval",
            &["interval/i: { interval: 6s, pass_through: { gauge: true, summary: true } }"],
        )
    },
    Trial { baseline: &[NO_PID], ..trial("both_without_pid", &[NO_PID, NO_STATE]) },
    Trial {
        baseline: &[RENAME],
        ..trial(
            "both_rename",
            &[RENAME, "resource/t: { attributes: [ { key: process.command_line, action: delete } ] }"],
        )
    },
    Trial { baseline: &[NO_THREADS], ..trial("more_than_baseline", &[]) },
];
