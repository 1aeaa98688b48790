//! Tests of files with several pipelines of metrics.

use super::{bad, good};
use crate::telemetry::PipelineRole;

const TWO: &str = "\
receivers: { otlp: { protocols: { grpc: } }, otlp/host: { protocols: { grpc: { endpoint: '127.0.0.1:14317' } } } }
processors: { interval: { interval: 30s }, batch: }
exporters: { otlp: { endpoint: 127.0.0.1:24317 } }
phoenix: { PHOENIX }
service:
  pipelines:
    metrics: { receivers: [otlp], exporters: [otlp] }
    metrics/host: { receivers: [otlp/host], processors: [interval, batch], exporters: [otlp] }
    traces: { receivers: [otlp, otlp/host], exporters: [otlp] }
";

const FLEET: &str = "data_dir: x, control_plane: { endpoint: 'ws://127.0.0.1:1/' }";

fn two(phoenix: &str) -> String {
    TWO.replace("PHOENIX", phoenix)
}

#[test]
fn each_pipeline_has_its_own_receivers_and_exporters_are_shared() {
    let settings = good(&two(""));
    assert_eq!((settings.pipeline.as_str(), settings.experiments_on()), ("metrics", None));
    let receivers: Vec<_> =
        settings.receivers.iter().map(|it| (it.id.as_str(), it.pipeline.as_deref(), it.signals)).collect();
    let both = [true, true, false];
    assert_eq!(receivers, [("otlp", Some("metrics"), both), ("otlp/host", Some("metrics/host"), both)]);
    let [passing] = settings.passing.as_slice() else { panic!("{:?}", settings.passing) };
    assert_eq!((passing.id.as_str(), passing.plan.stages().len()), ("metrics/host", 1));
    assert!(passing.plan.batch().is_some());
    assert_eq!((settings.exporters.len(), &settings.routes.passing), (1, &vec![vec![0]]));
}

#[test]
fn the_pipeline_of_experiments_is_the_one_that_is_named_or_the_only_one() {
    let settings = good(&two(&format!("pipeline: metrics/host, {FLEET}")));
    assert_eq!(settings.experiments_on(), Some("metrics/host"));
    assert_eq!(settings.passing.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["metrics"]);
    assert!(settings.intent.baseline.is_some_and(|plan| !plan.stages().is_empty()), "that of metrics/host");
    let only = two(FLEET).replace("metrics: { receivers: [otlp], exporters: [otlp] }", "");
    assert_eq!(good(&only).experiments_on(), Some("metrics/host"));
    assert_eq!(good(&only).pipelines["traces"].role, PipelineRole::Passes);
}

#[test]
fn what_is_not_clear_is_refused_with_the_names_and_the_key() {
    let several =
        "there are 2 pipelines of metrics, metrics, metrics/host, and phoenix.pipeline does not say";
    let new = "metrics/new: { receivers: [otlp], exporters: [] }\n    traces:";
    let trial = |more: &str| {
        two(&format!("{more}experiment: {{ baseline: metrics, candidate: metrics/new }}"))
            .replace("traces:", new)
    };
    for (text, said) in [
        (two(FLEET), several),
        (two(FLEET), "phoenix: { pipeline: metrics }, or another of them; the others pass"),
        (trial(""), several),
        (two("pipeline: metrics/hots"), "did you mean \"metrics/host\""),
        (two("pipeline: traces"), "no pipeline of metrics \"traces\""),
        (trial("pipeline: metrics/new, "), "no pipeline of metrics \"metrics/new\" to have experiments"),
        (
            trial("pipeline: metrics/host, "),
            "phoenix.pipeline is metrics/host, and the baseline of phoenix.experiment is metrics",
        ),
        (
            two("").replace("[otlp/host], processors", "[otlp/host, otlp], processors"),
            "receiver otlp is in metrics and in metrics/host",
        ),
        (
            two("").replace("[otlp/host], processors", "[otlp], processors"),
            "expected: a receiver of its own for metrics/host, with an address of its own",
        ),
        (two("").replace("[otlp/host], processors", "[], processors"), "metrics/host has no receivers"),
        (
            two("").replace("batch], exporters: [otlp]", "batch], exporters: []"),
            "metrics/host has no exporters",
        ),
        (two("").replace("[interval, batch]", "[intervall]"), "did you mean \"interval\""),
    ] {
        let refused = bad(&text);
        assert!(refused.contains(said), "{said}:\n{refused}");
    }
    assert_eq!(good(&trial("pipeline: metrics, ")).experiments_on(), Some("metrics"));
}

#[test]
fn pipelines_are_bounded_in_number() {
    let more = |count: usize| {
        let receivers: String = (0..count)
            .map(|at| {
                format!(
                    ", otlp/{at}: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:{}' }} }} }}",
                    20_000 + at
                )
            })
            .collect();
        let pipelines: String = (0..count)
            .map(|at| format!("    metrics/{at}: {{ receivers: [otlp/{at}], exporters: [otlp] }}\n"))
            .collect();
        let text = two("").replacen(
            "{ otlp: { protocols: { grpc: } }",
            &format!("{{ otlp: {{ protocols: {{ grpc: }} }}{receivers}"),
            1,
        );
        format!("{text}{pipelines}")
    };
    assert_eq!(good(&more(14)).passing.len(), 15);
    assert!(bad(&more(15)).contains("there are 17 pipelines of metrics"));
}

#[test]
fn another_candidate_in_the_file_does_not_run_and_that_is_said() {
    let spare = "metrics/new: { receivers: [otlp], exporters: [] }\n    \
                 metrics/spare: { receivers: [otlp], exporters: [otlp] }\n    traces:";
    let phoenix = "pipeline: metrics, experiment: { baseline: metrics, candidate: metrics/new }";
    let settings = good(&two(phoenix).replace("traces:", spare));
    assert_eq!(settings.passing.len(), 1);
    let note = "metrics/spare takes what metrics takes and is not in phoenix.experiment: it does not run";
    assert_eq!(settings.notes, [note]);
    assert!(!settings.pipelines.contains_key("metrics/spare"));
}
