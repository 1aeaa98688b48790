//! Whole files: what is taken from them, and what is said about their mistakes.

use std::time::Duration;

use super::*;
use crate::yaml::{Problems, Source};

fn parse(text: &str) -> Result<CollectorFile, Problems> {
    CollectorFile::parse("otelcol.yaml", text, &|_| None)
}

fn plan(processors: &str, list: &str) -> Result<Plan, Problems> {
    let text =
        format!("processors:\n{processors}\nservice: {{pipelines: {{metrics: {{processors: [{list}]}}}}}}\n");
    parse(&text)?.check("metrics")
}

fn refused(processors: &str, list: &str) -> String {
    plan(processors, list).unwrap_err().to_string()
}

const WHOLE: &str = "
receivers:
  otlp: {protocols: {grpc: {}}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 100}
  resource/env:
    attributes: [{key: env, value: prod, action: upsert}]
  groupbyattrs:
  batch: {timeout: 1s}
exporters:
  otlp/a: {endpoint: 'x:4317'}
connectors:
  forward:
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics:
      receivers: [otlp, forward]
      processors: [memory_limiter, resource/env, groupbyattrs, batch]
      exporters: [otlp/a]
    metrics/other: {receivers: [otlp], exporters: [otlp/a, forward]}
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp/a]}
phoenix:
  labels: {env: prod}
";

#[test]
fn a_whole_file_gives_its_components_and_its_pipelines() {
    let file = parse(WHOLE).unwrap();
    let ids: Vec<&str> = file.components(Section::Processors).iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["memory_limiter", "resource/env", "groupbyattrs", "batch"]);
    let exporter = file.component(Section::Exporters, "otlp/a").unwrap();
    assert_eq!((exporter.id.kind(), exporter.id.name()), ("otlp", "a"));
    assert_eq!((exporter.location.line, exporter.location.column), (11, 3));
    let pipelines: Vec<_> =
        file.pipelines().iter().map(|p| (p.id.as_str(), p.signal, p.name.as_str())).collect();
    assert_eq!(
        pipelines,
        [
            ("metrics", Signal::Metrics, ""),
            ("metrics/other", Signal::Metrics, "other"),
            ("traces", Signal::Traces, "")
        ]
    );
    assert!(file.phoenix().is_some() && file.telemetry().is_some());
}

#[test]
fn a_plan_says_what_runs_and_what_is_asked_of_the_agent() {
    let plan = parse(WHOLE).unwrap().check("metrics").unwrap();
    let stages: Vec<&str> = plan.stages().iter().map(|stage| stage.id.as_str()).collect();
    assert_eq!(stages, ["resource/env", "groupbyattrs"]);
    assert_eq!(plan.scope(), Scope::Host);
    assert_eq!((plan.hold(), plan.warm_up()), (Duration::ZERO, 0));
    let limiter = plan.memory_limiter().unwrap();
    assert_eq!((limiter.limit_mib, limiter.spike_limit_mib), (100, 20));
    assert_eq!(plan.batch().unwrap().timeout, Duration::from_secs(1));
    assert_eq!(plan.batch().unwrap().send_batch_size, 8192);
    assert!(parse(WHOLE).unwrap().check("traces").unwrap().stages().is_empty());
}

#[test]
fn a_plan_names_the_functions_by_which_it_merges() {
    let functions = |processors: &str, list: &str| -> Vec<&str> {
        plan(processors, list).unwrap().merge_functions().into_iter().collect()
    };
    assert_eq!(functions("  resource: { attributes: [{ key: a, action: delete }] }", "resource"), [""; 0]);
    let statement = r#"aggregate_on_attributes("max", ["state"])"#;
    let transform =
        format!("  transform: {{ metric_statements: [{{ context: metric, statements: ['{statement}'] }}] }}");
    assert_eq!(functions(&transform, "transform"), ["max"]);
    assert_eq!(functions("  rollup: { keep: [host.name], gauge: avg }", "rollup"), ["avg", "sum"]);
    let both = format!("{transform}\n  topk: {{ k: 5, by: process.memory.usage }}");
    assert_eq!(functions(&both, "transform"), ["max"], "of the stages that run");
}

#[test]
fn digests_follow_what_a_config_says_and_not_how_it_is_written() {
    let digest = |config: &str| plan(&format!("  resource: {config}"), "resource").unwrap().digest();
    let written = digest("{attributes: [{key: a, value: 1, action: insert}]}");
    assert_eq!(written, digest("{attributes: [{action: \"insert\", value: 0x1, key: 'a'}]} # same"));
    assert_ne!(written, digest("{attributes: [{key: a, value: '1', action: insert}]}"));
    assert_ne!(written, digest("{attributes: [{key: a, value: 1.0, action: insert}]}"));
    assert_eq!(written.to_string().len(), 64);
    let grouped = |id: &str| plan(&format!("  {id}:"), id).unwrap().stages()[0].digest;
    assert_eq!(grouped("groupbyattrs"), grouped("groupbyattrs/x"), "the id is not part of a stage's digest");
    assert_eq!(
        grouped("groupbyattrs"),
        plan("  groupbyattrs: {}", "groupbyattrs").unwrap().stages()[0].digest
    );
}

#[test]
fn what_a_pipeline_refers_to_must_be_defined_once() {
    let text = "
receivers: {otlp: {}}
processors: {filter/small: {}, batch: {}}
service:
  extensions: [health_check]
  pipelines:
    metrics: {receivers: [otpl], processors: [filter/smal, batch, batch]}
    metric/x: {}
";
    let problems = parse(text).unwrap_err();
    let shown = problems.to_string();
    for part in [
        "otelcol.yaml:5:16: service.extensions refers to the extension \"health_check\", which is not defined",
        "7:27: metrics refers to the receiver \"otpl\", which is not defined",
        "did you mean \"otlp\"?",
        "did you mean \"filter/small\"?",
        "7:67: metrics refers to the processor \"batch\" more than once",
        "8:5: unknown signal \"metric\"",
        "did you mean \"metrics\"?",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
}

#[test]
fn unknown_sections_and_keys_are_errors() {
    let shown = parse("processor: {a: {}}\nservice: {pipeline: {}}\n").unwrap_err().to_string();
    assert!(shown.contains("1:1: unknown key \"processor\""), "{shown}");
    assert!(shown.contains("did you mean \"processors\"?"), "{shown}");
    assert!(shown.contains("2:11: unknown key \"pipeline\""), "{shown}");
}

#[test]
fn an_unknown_processor_is_told_from_one_that_is_not_run() {
    let shown = refused("  filtre:", "filtre");
    assert!(
        shown.contains("unknown processor \"filtre\"") && shown.contains("did you mean \"filter\"?"),
        "{shown}"
    );
    let shown = refused("  tail_sampling:", "tail_sampling");
    assert!(shown.contains("does not run the Collector's processor \"tail_sampling\""), "{shown}");
    assert!(shown.contains("2:3:") && shown.contains("Collector upstream"), "{shown}");
}

#[test]
fn a_pipeline_of_traces_may_not_have_a_processor_that_would_be_skipped() {
    let text = "processors: {resource: {}}\nservice: {pipelines: {traces: {processors: [resource]}}}";
    let shown = parse(text).unwrap().check("traces").unwrap_err().to_string();
    assert!(
        shown.contains("2:45: traces passes through: Phoenix does not run resource on traces"),
        "{shown}"
    );
    let shown = parse(text).unwrap().check("metrics").unwrap_err().to_string();
    assert!(shown.contains("there is no pipeline \"metrics\""), "{shown}");
}

#[test]
fn actions_that_the_collector_refuses_are_refused_with_their_place() {
    for (action, message) in [
        ("{key: a, action: remove}", "unknown action \"remove\""),
        ("{key: a, action: insert}", "\"value\" or \"from_attribute\" is missing"),
        ("{action: insert, value: 1}", "\"key\" is missing"),
        ("{key: a, action: insert, value: 1, from_attribute: b}", "several values"),
        ("{key: a, action: insert, value: 1, pattern: x}", "does not use pattern"),
        ("{action: delete}", "\"key\" or \"pattern\" is missing"),
        ("{key: a, action: hash, value: 1}", "does not use value"),
        ("{key: a, action: extract}", "\"pattern\" is missing"),
        ("{key: a, action: extract, pattern: '(\\d+)(?P<x>y)'}", "without a name"),
        ("{key: a, action: extract, pattern: 'x'}", "no group"),
        ("{pattern: 'a(', action: delete}", "no regular expression"),
        ("{key: a, action: convert}", "\"converted_type\" is missing"),
        ("{key: a, action: convert, converted_type: bool}", "unknown type \"bool\""),
        ("{key: a, action: insert, from_context: metadata.x, value: 1}", "several values"),
        ("{kee: a, action: delete}", "unknown key \"kee\""),
    ] {
        let shown = refused(&format!("  attributes: {{actions: [{action}]}}"), "attributes");
        assert!(shown.contains(message) && shown.contains("otelcol.yaml:2:"), "{action}: {shown}");
    }
    assert!(refused("  attributes: {}", "attributes").contains("\"actions\" is missing"));
    assert!(refused("  resource: {attributes: []}", "resource").contains("\"attributes\" is empty"));
}

#[test]
fn machinery_settings_are_validated_as_in_the_collector() {
    for (config, message) in [
        ("memory_limiter: {limit_mib: 100}", "check_interval must be more than 0"),
        ("memory_limiter: {check_interval: 1s}", "must be set"),
        ("memory_limiter: {check_interval: 1s, limit_mib: 10, spike_limit_mib: 10}", "below limit_mib"),
        ("memory_limiter: {check_interval: 1s, limit_percentage: 110}", "at most 100"),
        ("memory_limiter: {check_interval: 1, limit_mib: 10}", "the integer 1 stands here"),
        ("batch: {send_batch_max_size: 10}", "send_batch_max_size"),
        ("batch: {send_batch_size: -1}", "0 or more"),
        ("batch: {send_batchsize: 1}", "did you mean \"send_batch_size\"?"),
    ] {
        let id = config.split(':').next().unwrap();
        let shown = refused(&format!("  {config}"), id);
        assert!(shown.contains(message), "{config}: {shown}");
    }
}

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

#[test]
fn of_several_texts_maps_are_joined_and_anything_else_is_replaced() {
    let base = "\
receivers: { otlp: }
processors:
  filter/a: { error_mode: ignore, metrics: { metric: ['name == \"a\"'] } }
  batch: { timeout: 1s, send_batch_size: 10 }
exporters: { nop: }
service: { pipelines: { metrics: { receivers: [otlp], processors: [filter/a, batch], exporters: [nop] } } }";
    let over = "processors: { batch: { timeout: 3s } }\nservice: { pipelines: { metrics: { processors: [batch] } } }\n";
    let sources = [
        source("base.yaml", base),
        source("empty.yaml", "# nothing\n"),
        source("over.yaml", over),
        source("--set x", "processors::batch::send_batch_size: 20"),
    ];
    let file = CollectorFile::parse_all(&sources, &|_| None).unwrap();
    let plan = file.check("metrics").unwrap();
    let batch = plan.batch().unwrap();
    assert_eq!((batch.timeout, batch.send_batch_size), (Duration::from_secs(3), 20));
    assert!(plan.stages().is_empty(), "a list is replaced, not joined");
    let nothing = [source("base.yaml", base), source("over.yaml", "processors: { batch: null }")];
    let plan = CollectorFile::parse_all(&nothing, &|_| None).unwrap().check("metrics").unwrap();
    assert_eq!(plan.batch().unwrap().send_batch_size, 8192, "null replaces a map, too");
}

#[test]
fn a_problem_of_several_texts_has_the_name_and_the_line_of_its_own() {
    let shown = |sources: &[Source]| CollectorFile::parse_all(sources, &|_| None).unwrap_err().to_string();
    let first = source("first.yaml", "receivers:\n  otlp:\nexporters: { nop: }\n");
    let said = shown(&[
        first.clone(),
        source(
            "second.yaml",
            "\nservice: { pipelines: { metrics: { receivers: [oltp], exporters: [nop] } } }",
        ),
    ]);
    assert!(said.starts_with("second.yaml:2:48: metrics refers to the receiver \"oltp\""), "{said}");
    assert!(said.contains("\n 2 | service: "), "the line itself is shown: {said}");
    let said = shown(&[first.clone(), source("second.yaml", "a: b: c")]);
    assert!(said.starts_with("second.yaml:1:"), "{said}");
    let said = shown(&[first.clone(), source("yaml:…", "[1]")]);
    assert!(said.starts_with("yaml:…:1:1: a list") && said.contains("expected: a map"), "{said}");
    let said = shown(&[first, source("--set a", "receivers::::x: 1")]);
    assert!(said.contains("leads nowhere"), "{said}");
    let many: Vec<Source> = (0..70).map(|at| source(&format!("{at}.yaml"), "receivers: ")).collect();
    assert!(shown(&many).contains("at most 64"));
}

#[test]
fn what_may_be_a_secret_of_one_text_is_not_printed_with_a_mistake_in_it() {
    let sources = [
        source("a.yaml", "receivers: { otlp: }\nexporters: { otlp: { endpoint: 'a:1' } }\n"),
        source("--set exporters.otlp.headers", "exporters::otlp::headers::authorization: [hunter2"),
    ];
    let said = CollectorFile::parse_all(&sources, &|_| None).unwrap_err().to_string();
    assert!(said.contains("--set exporters.otlp.headers:") && !said.contains("hunter2"), "{said}");
}

#[test]
fn variables_that_are_not_set_are_told_by_place_wherever_they_stand() {
    let text = "receivers: { otlp: { protocols: { grpc: { endpoint: '${env:POD_IP}:4317' } } } }
processors: { filter: { error_mode: '${MODE}', metrics: { metric: ['name == \"${env:SET}\"'] } } }
exporters: { nop: { headers: { a: '${env:GIVEN:-x}' } } }
service: { pipelines: { metrics: { receivers: [otlp], processors: [filter], exporters: [nop] } } }\n";
    let file = CollectorFile::parse("a.yaml", text, &|name| (name == "SET").then(|| "b".to_owned())).unwrap();
    assert_eq!(
        file.unset_notes(),
        [
            "a.yaml:1:54: ${env:POD_IP} is not set and stands for nothing",
            "a.yaml:2:38: ${MODE} is not set and stands for nothing",
        ]
    );
    assert!(parse("receivers: { otlp: }\n").unwrap().unset_notes().is_empty());
    let many: String = (0..30).map(|at| format!("  otlp/{at}: {{ a: '${{env:V{at}}}' }}\n")).collect();
    assert_eq!(parse(&format!("receivers:\n{many}")).unwrap().unset_notes().len(), 20, "bounded");
}

#[test]
fn null_and_what_is_empty_are_taken_where_the_collector_takes_them() {
    for (processor, kind) in [
        ("filter: {metrics: {include: {}}}", "filter"),
        ("filter: {metrics: {include: {match_type: strict, metric_names: []}, exclude: {}}}", "filter"),
        ("filter: {metrics: {exclude: {match_type: strict, metric_names: null}}}", "filter"),
        ("filter: {metrics: {exclude: {match_type: regexp, metric_names: [null]}}}", "filter"),
        (
            "attributes: {include: {match_type: strict, metric_names: [null]}, actions: [{key: a, value: 1, action: insert}]}",
            "attributes",
        ),
        ("groupbyattrs: {keys: [null, '']}", "groupbyattrs"),
        ("cumulativetodelta: {include: {match_type: strict, metrics: [null]}}", "cumulativetodelta"),
        ("deltatorate: {metrics: [null]}", "deltatorate"),
        ("batch: {metadata_keys: [null]}", "batch"),
    ] {
        let found = plan(&format!("  {processor}"), kind);
        assert!(found.is_ok(), "{processor}: {}", found.unwrap_err());
    }
    for (processor, message) in [
        ("filter: {error_mode: null, metrics: {metric: ['true']}}", "error_mode is null"),
        ("transform: {metric_statements: null}", "metric_statements is null"),
        ("transform: {trace_statements: null, metric_statements: []}", "trace_statements is null"),
        ("transform: {metric_statements: [{context: null, statements: []}]}", "context is null"),
        (
            "transform: {metric_statements: ['set(instrumentation_scope.name, \"x\")']}",
            "is no path where the context is the scope",
        ),
        ("interval: {interval: null}", "interval is null"),
        ("batch: {metadata_keys: [a, A]}", "\"a\" stands twice"),
        (
            "attributes: {include: {match_type: strict, metric_names: []}, actions: [{key: a, value: 1, action: insert}]}",
            "selects nothing",
        ),
        (
            "metricstransform: {transforms: [{include: g, action: combine, new_name: h}]}",
            "\"aggregation_type\" is missing",
        ),
        (
            "metricstransform: {transforms: [{include: g, action: combine, aggregation_type: sum}]}",
            "\"new_name\" is missing",
        ),
    ] {
        let kind = processor.split(':').next().unwrap();
        let shown = refused(&format!("  {processor}"), kind);
        assert!(shown.contains(message), "{processor}: {shown}");
    }
}
