//! Scenarios of experiments under a real control plane, a name each: the verdict, and the criterion that it rests on.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use anyhow::Result;
use e2e::served::{Loop, experiment};
use serde_json::{Value, json};
use simulator::sink::{Failure, When};

/// Drops a metric by name.
const DROP_VIRTUAL: &str =
    "filter/a: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }";
/// Drops a metric that is critical of nothing and under a lens.
const DROP_MEMORY_OF_ONE: &str = "filter/a: { metrics: { datapoint: ['metric.name == \"process.memory.usage\" and resource.attributes[\"process.executable.name\"] == \"sshd\"'] } }";
const RENAME: &str = "metricstransform/a: { transforms: [ { include: process.memory.usage, action: update, new_name: process.memory.used } ] }";
const ZERO: &str = "transform/a: { metric_statements: [ { context: datapoint, statements: ['set(value_int, 0) where metric.name == \"process.memory.virtual\"'] } ] }";
const OTHER_UNIT: &str = "transform/a: { metric_statements: [ { context: metric, statements: ['set(unit, \"KiBy\") where name == \"process.memory.virtual\"'] } ] }";
const DELTAS: &str = "cumulativetodelta/a: { }";
const NOTHING_LEFT: &str = "filter/a: { metrics: { datapoint: ['metric.name != \"\"'] } }";
const FAILING: &str = "transform/a: { error_mode: propagate, metric_statements: [ { context: datapoint, statements: ['set(attributes[\"a\"], ParseJSON(\"{\"))'] } ] }";
const NO_PIDS: &str = "resource/a: { attributes: [ { key: process.pid, action: delete } ] }";

const COPY: &str = "metricstransform/a: { transforms: [ { include: process.memory.usage, action: insert, new_name: process.memory.copied } ] }";
const ONE_NAME: &str = "transform/a: { metric_statements: [ { context: resource, statements: ['set(attributes[\"process.executable.name\"], \"app\")'] } ] }";

/// A candidate of one processor; of none where the text is empty.
fn fragment(processor: &str) -> String {
    match processor.split_once(": ") {
        None => "service: { pipelines: { metrics: { processors: [] } } }\n".to_owned(),
        Some((name, _)) => format!(
            "processors:\n  {processor}\nservice: {{ pipelines: {{ metrics: {{ processors: [{name}] }} }} }}\n"
        ),
    }
}

/// Runs an experiment that asks for nothing but this on one agent, until a verdict of the kind names the criterion.
async fn verdict(candidate: &str, asked: Value, [verb, quantity]: [&str; 2]) -> Result<Value> {
    let fleet = Loop::of(1).await?;
    let mut body = experiment("scenario", &fragment(candidate));
    body["policy"] = json!({ "min_horizons": 2 });
    body["critical"] = json!([]);
    body["weights_bp"] = json!([10_000]);
    for (field, value) in asked.as_object().expect("fields") {
        body[field] = value.clone();
    }
    if body["policy"].get("min_horizons").is_none() {
        body["policy"]["min_horizons"] = json!(2);
    }
    let id = fleet.control_plane.experiment(&body).await?;
    let named = |s: &Value| {
        let reasons = s["verdict"]["reasons"].as_array();
        s["verdict"]["verb"] == verb
            && reasons.is_some_and(|all| all.iter().any(|one| one["quantity"] == quantity))
    };
    Ok(fleet.until(&id, quantity, named).await)
}

/// Answer of the first criterion of a quantity.
fn answer<'a>(status: &'a Value, quantity: &str) -> &'a str {
    let all = status["verdict"]["criteria"].as_array().expect("criteria");
    let found = all.iter().find(|one| one["quantity"] == quantity);
    found.and_then(|one| one["answer"].as_str()).unwrap_or_else(|| panic!("no {quantity}: {status:#}"))
}

/// Tests with a name, a candidate, what is asked, and the verdict with its criterion and that one's answer.
macro_rules! scenarios {
    ($($name:ident: $candidate:expr, $asked:tt => $verb:literal $quantity:literal $answer:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                let status = verdict($candidate, json!($asked), [$verb, $quantity]).await?;
                if !$answer.is_empty() {
                    assert_eq!(answer(&status, $quantity), $answer, "{status:#}");
                }
                Ok(())
            }
        )*
    };
}

scenarios! {
    a_candidate_that_does_nothing_is_promoted_where_no_saving_is_asked_for:
        "", {} => "promote" "fates" "met";
    a_candidate_that_does_nothing_holds_where_a_saving_is_asked_for:
        "", { "policy": { "min_cardinality_reduction": 0.1 } } => "hold" "min_cardinality_reduction" "violated";
    a_saving_of_cost_that_is_not_reached_holds:
        DROP_VIRTUAL, { "policy": { "min_cost_reduction": 0.9 } } => "hold" "min_cost_reduction" "violated";
    a_saving_that_is_reached_promotes:
        DROP_VIRTUAL, { "policy": { "min_cost_reduction": 0.02 } } => "promote" "min_cost_reduction" "met";
    a_loss_within_what_the_policy_allows_promotes:
        DROP_VIRTUAL, { "policy": { "max_series_loss": 0.5 } } => "promote" "max_series_loss" "met";
    a_loss_past_what_the_policy_allows_rolls_back:
        DROP_VIRTUAL, { "policy": { "max_series_loss": 0.01 } } => "roll_back" "max_series_loss" "violated";
    another_name_that_is_allowed_promotes:
        RENAME, { "policy": { "allow": ["renamed"] } } => "promote" "renamed" "met";
    another_name_that_is_allowed_of_its_metric_promotes:
        RENAME, { "policy": { "allow": [{ "renamed": { "metric": ["process.memory.usage"] } }] } } => "promote" "renamed" "met";
    another_name_that_is_allowed_of_another_metric_holds:
        RENAME, { "policy": { "allow": [{ "renamed": { "metric": ["process.cpu.time"] } }] } } => "hold" "renamed" "violated";
    values_that_are_allowed_to_change_promote:
        ZERO, { "policy": { "allow": ["changed"] } } => "promote" "changed" "met";
    values_that_are_allowed_to_change_of_another_metric_hold:
        ZERO, { "policy": { "allow": [{ "changed": { "metric": ["process.cpu.time"] } }] } } => "hold" "changed" "violated";
    another_unit_holds:
        OTHER_UNIT, {} => "hold" "renamed" "violated";
    another_temporality_holds:
        DELTAS, {} => "hold" "renamed" "violated";
    a_group_of_a_lens_with_a_limit_that_is_lost_rolls_back:
        DROP_MEMORY_OF_ONE, { "policy": { "max_lens_error": 0.5 } } => "roll_back" "max_lens_error" "violated";
    a_group_that_may_be_lost_promotes:
        DROP_MEMORY_OF_ONE, { "policy": { "max_lens_error": 0.5, "max_groups_lost": 1 } } => "promote" "max_lens_error" "met";
    a_lens_of_a_metric_that_never_came_holds:
        DROP_VIRTUAL, { "lenses": [{ "name": "m", "metric": "no.such.metric", "group_by": "host.name", "max_error": 0.1 }] }
            => "hold" "max_lens_error" "not_measured";
    critical_processes_that_never_came_hold_where_they_are_asked_for:
        DROP_VIRTUAL, {
            "critical": [{ "executables": ["no-such-thing"], "metrics": ["process.cpu.time"] }],
            "policy": { "critical_process_coverage": 1.0 },
        } => "hold" "critical_process_coverage" "not_measured";
    a_guardrail_that_blocks_holds:
        DROP_VIRTUAL, { "policy": { "guardrails": [
            { "name": "fewer_points", "quantity": "points", "direction": "lower", "margin": 0.01, "severity": "blocking" },
        ] } } => "hold" "fewer_points" "violated";
    a_guardrail_that_is_fatal_rolls_back:
        DROP_VIRTUAL, { "policy": { "guardrails": [
            { "name": "lost_series", "quantity": "series_lost", "direction": "higher", "margin": 0.01, "severity": "fatal" },
        ] } } => "roll_back" "lost_series" "violated";
    latency_that_is_asked_for_holds_until_mirror_is_long_enough:
        DROP_VIRTUAL, { "policy": { "max_latency_increase": 0.5 } } => "hold" "max_latency_increase" "not_measured";
    more_series_than_the_baseline_has_hold:
        COPY, {} => "hold" "more" "violated";
    more_series_that_are_allowed_promote:
        COPY, { "policy": { "allow": ["more"] } } => "promote" "more" "met";
    one_name_for_all_executables_holds:
        ONE_NAME, {} => "hold" "attributes_used" "violated";
    a_candidate_that_puts_nothing_out_rolls_back:
        NOTHING_LEFT, {} => "roll_back" "zero_output" "violated";
    a_candidate_that_fails_rolls_back:
        FAILING, {} => "roll_back" "candidate_failure" "violated";
    processes_that_write_one_series_roll_back:
        NO_PIDS, {} => "roll_back" "collisions" "violated";
    a_promotion_that_somebody_has_to_approve_holds:
        DROP_VIRTUAL, { "policy": { "require_approval": true } } => "hold" "approval" "";
    more_agents_than_there_are_are_waited_for:
        DROP_VIRTUAL, { "policy": { "min_hosts": 2 } } => "continue" "horizons" "not_measured";
    a_step_that_does_not_get_further_in_its_time_rolls_back:
        DROP_VIRTUAL, { "policy": { "min_hosts": 2, "max_step_duration": "3s" } } => "roll_back" "max_step_duration" "";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_destinations_refuse_for_good_of_the_candidate_alone_rolls_back() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let mut body = experiment("refused", &fragment(DROP_VIRTUAL));
    body["policy"] = json!({ "min_horizons": 4 });
    body["critical"] = json!([]);
    let id = fleet.control_plane.experiment(&body).await?;
    fleet.in_step(&id, "100 %").await;
    // All that leaves is the candidate's by now, and the baseline's arrived before.
    fleet.sink.inject(Failure::InvalidArgument, When::Fraction(1.0));
    let back = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    assert_eq!(answer(&back, "undelivered"), "violated", "{back:#}");
    Ok(())
}
