//! Pushed generations: what the node's owner lets be pushed, and what is refused by name.

use std::net::SocketAddr;
use std::time::Duration;

use observe::Price;
use pipelines::split::{Split, Unit, Weight};
use proto::generation::{Baseline, Candidate, Experiment, Fragment, Generation, Guardrails};

use super::harness::{config, load};
use crate::app::remote;
use crate::config::Settings;

const OWN: &str = "filter/own: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }";
const FILTER: &str = "filter/new: { metrics: { datapoint: ['metric.name == \"process.disk.io\"'] } }";
const TRANSFORM: &str = "transform/new: { metric_statements: ['set(datapoint.attributes[\"a\"], \"b\") where datapoint.value_int == 1'] }";
const LIMITER: &str = "memory_limiter: { check_interval: 1s, limit_mib: 100 }";

/// A fragment of processors, each `id: config`, in this order.
fn fragment(processors: &[&str]) -> Fragment {
    let ids: Vec<&str> = processors.iter().filter_map(|one| one.split(": ").next()).collect();
    let lines: String = processors.iter().map(|one| format!("  {one}\n")).collect();
    let list = ids.join(", ");
    Fragment::new(format!(
        "processors:\n{lines}service: {{ pipelines: {{ metrics: {{ processors: [{list}] }} }} }}\n"
    ))
}

fn trial(candidate: &[&str]) -> Generation {
    let experiment = Experiment {
        id: "e".to_owned(),
        split: Split { unit: Unit::Entity, weight: Weight::NONE, salt: "s".to_owned() },
        candidate: Candidate::Given(fragment(candidate)),
        window: Duration::from_secs(10),
        report_every: Duration::from_secs(60),
        lenses: Vec::new(),
        critical: Vec::new(),
        price: Price::default(),
        guardrails: Guardrails::default(),
    };
    Generation { number: 2, pipeline: None, baseline: Baseline::Current, experiment: Some(experiment) }
}

fn deployment(processors: &[&str]) -> Generation {
    Generation {
        number: 2,
        pipeline: None,
        baseline: Baseline::Given(fragment(processors)),
        experiment: None,
    }
}

/// A node whose own pipeline is a filter, and whose section `phoenix` has these lines.
fn node(phoenix: &str) -> Settings {
    let own = format!(
        "processors:\n  {OWN}\nservice:\n  pipelines:\n    metrics: {{ receivers: [otlp], processors: [filter/own], \
         exporters: [otlp] }}\nphoenix:\n  data_dir: unused\n  control_plane: {{ endpoint: 'ws://127.0.0.1:1/' }}\n  {phoenix}"
    );
    load(&config(SocketAddr::from(([127, 0, 0, 1], 1)), &own))
}

/// What becomes of a generation on such a node.
fn outcome(phoenix: &str, generation: &Generation) -> Result<u64, String> {
    let settings = node(phoenix);
    remote::intent(&generation.write(), &settings)
        .map(|(number, _)| number)
        .map_err(|error| error.to_string())
}

#[test]
fn a_node_that_refuses_takes_neither_an_experiment_nor_a_deployment_nor_its_end() {
    let plain = Generation { number: 2, pipeline: None, baseline: Baseline::Current, experiment: None };
    for generation in [trial(&[FILTER]), deployment(&[FILTER]), plain] {
        let why = outcome("experiments: refuse", &generation).expect_err("refused");
        assert!(why.contains("phoenix.experiments is `refuse`"), "{why}");
        assert_eq!(outcome("experiments: allow", &generation), Ok(2));
    }
}

#[test]
fn what_is_about_another_pipeline_is_refused_with_both_names_and_what_to_do() {
    let generations = || [trial(&[FILTER]), deployment(&[FILTER])];
    for (pipeline, taken) in [(None, true), (Some("metrics"), true), (Some("metrics/host"), false)] {
        for generation in generations() {
            let generation = Generation { pipeline: pipeline.map(str::to_owned), ..generation };
            match outcome("experiments: allow", &generation) {
                Ok(number) => assert!(taken && number == 2),
                Err(why) => {
                    assert!(!taken, "{why}");
                    for said in [
                        "about the pipeline metrics/host, and experiments on this agent are about metrics;",
                        "select agents by phoenix.pipeline=metrics/host",
                    ] {
                        assert!(why.contains(said), "{why}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_processor_that_may_not_be_pushed_is_refused_by_name_with_what_may_be() {
    for (bounds, brings, said) in [
        ("{ processors: [filter] }", &[FILTER][..], ""),
        ("{ processors: [filter] }", &[FILTER, TRANSFORM], "\"transform/new\", and phoenix.remote_config"),
        ("{ processors: [filter] }", &[TRANSFORM], "lets these types be pushed: filter;"),
        ("{ processors: [filter] }", &[LIMITER], "\"memory_limiter\""),
        ("{ processors: [filter, memory_limiter] }", &[FILTER, LIMITER], ""),
        ("{ deny: [transform] }", &[FILTER, LIMITER], ""),
        ("{ deny: [transform] }", &[FILTER, TRANSFORM], "every type be pushed but transform;"),
        ("{ processors: [] }", &[FILTER], "lets no other processors be pushed"),
        ("{}", &[FILTER, TRANSFORM, LIMITER], ""),
    ] {
        for (variant, generation) in [("candidate", trial(brings)), ("baseline", deployment(brings))] {
            match outcome(&format!("remote_config: {bounds}"), &generation) {
                Ok(_) => assert_eq!(said, "", "{bounds} {brings:?}"),
                Err(why) => {
                    assert!(!said.is_empty() && why.contains(said), "{bounds} {brings:?}: {why}");
                    assert!(why.contains(&format!("the {variant} brings")), "{why}");
                }
            }
        }
    }
}

#[test]
fn what_the_file_itself_has_may_be_pushed_whatever_the_bounds_and_by_another_name() {
    let renamed = OWN.replace("filter/own", "filter/renamed");
    let changed = OWN.replace("virtual", "usage");
    for bounds in ["{ processors: [] }", "{ processors: [transform] }", "{ deny: [filter] }"] {
        let bounds = format!("remote_config: {bounds}");
        for own in [OWN, renamed.as_str()] {
            assert_eq!(outcome(&bounds, &trial(&[own])), Ok(2));
            assert_eq!(outcome(&bounds, &deployment(&[own])), Ok(2));
        }
        assert!(outcome(&bounds, &trial(&[&changed])).is_err(), "the same id, and another config");
    }
}

#[tokio::test]
async fn a_pushed_pipeline_is_compiled_while_the_threads_that_serve_go_on() {
    // A runtime of one thread: what compiles on it would be done before anything else is asked.
    let pattern = |at: usize| format!("'IsMatch(metric.name, \"(a|b){{1,90}}c{{1,90}}{at}\")'");
    let conditions = (0..40).map(pattern).collect::<Vec<_>>().join(", ");
    let heavy = format!("filter/heavy: {{ metrics: {{ datapoint: [{conditions}] }} }}");
    let (body, settings) = (trial(&[heavy.as_str()]).write(), std::sync::Arc::new(node("")));
    let compiled = tokio::spawn(remote::compiled(body, settings));
    tokio::task::yield_now().await;
    assert!(!compiled.is_finished(), "it is not compiled here");
    assert_eq!(compiled.await.expect("no panic").expect("it builds").0, 2);
}
