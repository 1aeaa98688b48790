//! The same stages as a Collector config, run by the engine, and the comparison.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric::Data};
use pipelines::Batch;
use pipelines::batch::Keep;
use pipelines::config::{CollectorFile, Plan};
use pipelines::processors::{Flush, Pipeline};
use prost::Message as _;

use crate::choices::{Action, Choices, Condition, Edit, Label, MetricChange, Stage, Statement};
use crate::memory::{INTERVAL, Machine, SECOND};

/// Makes a batch and a config of bytes, and panics if engine and interpreter differ on them.
pub fn compare(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let stages = choices.stages();
    let config = config(&stages);
    let file = CollectorFile::parse("config", &config, &|_| None);
    let plan = file.and_then(|file| file.check("metrics")).unwrap_or_else(|problems| panic!("{problems}"));
    let (mut pipeline, mut alone) = (Pipeline::build(&plan, 0), Alone::build(&plan));
    let (mut machine, mut now) = (Machine::new(&stages), 0);
    for batch in 0..1 + choices.below(4) {
        now += choices.pause() * SECOND;
        let (flushed, expected) =
            ([&mut pipeline, &mut alone.pipeline].map(|p| p.advance(now)), machine.advance(now));
        equal(&format!("flushed before batch {batch}"), &expected, &flushed, &config);
        let request = choices.request();
        let input = Batch::parse(request.encode_to_vec().into()).unwrap_or_else(|error| panic!("{error}"));
        let mut output = Batch::default();
        let refused = pipeline.process(&input, now, &mut output).err();
        let left = refused.is_none_or(|refused| refused.passed_on).then(|| decoded(&output));
        let (expected, left) = (machine.process(request, now).map(sorted), left.map(sorted));
        assert!(
            expected == left,
            "batch {batch}, expected\n{expected:#?}\ncame out\n{left:#?}\nof\n{config}"
        );
        alone.equal(&input, now, &mut pipeline, left.as_deref());
    }
    let flushed = [&mut pipeline, &mut alone.pipeline].map(|p| p.shutdown(now));
    equal("flushed at the end", &machine.finish(now), &flushed, &config);
}

/// The same pipeline for requests that nobody else reads, which gives the same as the whole.
struct Alone {
    pipeline: Pipeline,
    batch: Batch,
    spare: Batch,
}

impl Alone {
    fn build(plan: &Plan) -> Self {
        Self { pipeline: Pipeline::build(plan, 0), batch: Batch::default(), spare: Batch::default() }
    }

    fn equal(&mut self, input: &Batch, now: u64, whole: &mut Pipeline, left: Option<&str>) {
        let source = input.source().clone();
        let ran = self.pipeline.process_alone(source, now, &mut self.batch, &mut self.spare);
        let (points, outcome) = ran.unwrap_or_else(|error| panic!("{error}"));
        assert!(points == input.point_count() as u64, "{points} points came");
        let passed = outcome.err().is_none_or(|refused| refused.passed_on);
        let alone = passed.then(|| sorted(decoded(&self.batch)));
        assert!(alone.as_deref() == left, "alone it becomes\n{alone:#?}\nand not\n{left:#?}");
        let counts = [whole.take_rule_counts(), self.pipeline.take_rule_counts()];
        assert!(!passed || counts[0] == counts[1], "{counts:?}");
        let counts = [whole.take_stage_counts(), self.pipeline.take_stage_counts()];
        assert!(!passed || counts[0] == counts[1], "{counts:?}");
    }
}

fn equal(about: &str, expected: &[ExportMetricsServiceRequest], flushed: &[Vec<Flush>; 2], config: &str) {
    let expected: Vec<String> = expected.iter().cloned().map(sorted).collect();
    for flushed in flushed {
        let flushed: Vec<String> = flushed.iter().map(|flush| sorted(decoded(&flush.output))).collect();
        assert!(
            expected == flushed,
            "{about}, expected\n{expected:#?}\ncame out\n{flushed:#?}\nof\n{config}"
        );
    }
}

fn decoded(output: &Batch) -> ExportMetricsServiceRequest {
    let encoded = output.encode(Keep::All).bytes;
    ExportMetricsServiceRequest::decode(encoded).unwrap_or_else(|error| panic!("{error}"))
}

/// Text of a request, attributes in order of their keys.
fn sorted(mut request: ExportMetricsServiceRequest) -> String {
    let sort = |attributes: &mut Vec<KeyValue>| attributes.sort_by(|a, b| a.key.cmp(&b.key));
    for resource in &mut request.resource_metrics {
        sort(&mut resource.resource.get_or_insert_default().attributes);
        for metric in resource.scope_metrics.iter_mut().flat_map(|scope| &mut scope.metrics) {
            let points: &mut [NumberDataPoint] = match &mut metric.data {
                Some(Data::Gauge(gauge)) => &mut gauge.data_points,
                Some(Data::Sum(sum)) => &mut sum.data_points,
                _ => &mut [],
            };
            points.iter_mut().for_each(|point| sort(&mut point.attributes));
        }
    }
    format!("{request:#?}")
}

fn config(stages: &[Stage]) -> String {
    let (mut processors, mut ids) = (String::new(), Vec::new());
    for (place, stage) in stages.iter().enumerate() {
        let (kind, config) = match stage {
            Stage::Filter(conditions) => {
                let conditions: Vec<String> = conditions.iter().map(|one| quoted(&condition(one))).collect();
                ("filter", format!("{{ metrics: {{ datapoint: [{}] }} }}", conditions.join(", ")))
            }
            Stage::Resources(conditions) => {
                let conditions: Vec<String> = conditions.iter().map(|one| quoted(&condition(one))).collect();
                ("filter", format!("{{ metrics: {{ resource: [{}] }} }}", conditions.join(", ")))
            }
            Stage::Attributes(actions) => ("attributes", format!("{{ actions: [{}] }}", list(actions))),
            Stage::Resource(actions) => ("resource", format!("{{ attributes: [{}] }}", list(actions))),
            Stage::Transform(statements) => {
                let statements: Vec<String> = statements.iter().map(|one| quoted(&statement(one))).collect();
                let group = format!("{{ context: datapoint, statements: [{}] }}", statements.join(", "));
                ("transform", format!("{{ metric_statements: [{group}] }}"))
            }
            Stage::Deltas(initial) => ("cumulativetodelta", format!("{{ initial_value: {initial} }}")),
            Stage::Rates(metrics) => ("deltatorate", format!("{{ metrics: [{}] }}", metrics.join(", "))),
            Stage::Interval => ("interval", format!("{{ interval: {INTERVAL}s }}")),
            Stage::Group(keys) => ("groupbyattrs", format!("{{ keys: [{}] }}", keys.join(", "))),
            Stage::Metrics(changes) => {
                let changes: Vec<String> = changes.iter().map(change).collect();
                ("metricstransform", format!("{{ transforms: [{}] }}", changes.join(", ")))
            }
        };
        processors.push_str(&format!("  {kind}/{place}: {config}\n"));
        ids.push(format!("{kind}/{place}"));
    }
    let ids = ids.join(", ");
    format!("processors:\n{processors}service: {{ pipelines: {{ metrics: {{ processors: [{ids}] }} }} }}\n")
}

fn list(actions: &[Action]) -> String {
    let action = |Action { verb, key, value }: &Action| {
        let value = if *verb == "delete" { String::new() } else { format!(", value: {}", quoted(value)) };
        format!("{{ key: {key}, action: {verb}{value} }}")
    };
    actions.iter().map(action).collect::<Vec<_>>().join(", ")
}

fn change(MetricChange { insert, include, new_name, label }: &MetricChange) -> String {
    let action = if *insert { "insert" } else { "update" };
    let operation = match label {
        None => String::new(),
        Some(Label::Add(key, value)) => {
            format!("{{ action: add_label, new_label: {key}, new_value: {value} }}")
        }
        Some(Label::Change(key, old, new)) => {
            let values = format!("[{{ value: {}, new_value: {new} }}]", quoted(old));
            format!("{{ action: update_label, label: {key}, value_actions: {values} }}")
        }
        Some(Label::Drop(key, value)) => {
            format!("{{ action: delete_label_value, label: {key}, label_value: {} }}", quoted(value))
        }
    };
    let name = quoted(new_name);
    format!("{{ include: {include}, action: {action}, new_name: {name}, operations: [{operation}] }}")
}

fn statement(Statement { edit, condition: when }: &Statement) -> String {
    let edit = match edit {
        Edit::SetPoint(key, value) => format!("set(datapoint.attributes[\"{key}\"], {})", quoted(value)),
        Edit::DeletePoint(key) => format!("delete_key(datapoint.attributes, \"{key}\")"),
        Edit::SetDescription(text) => format!("set(metric.description, {})", quoted(text)),
        Edit::SetResource(key, value) => format!("set(resource.attributes[\"{key}\"], {})", quoted(value)),
    };
    when.as_ref().map_or(edit.clone(), |when| format!("{edit} where {}", condition(when)))
}

fn condition(wanted: &Condition) -> String {
    match wanted {
        Condition::Name(text) => format!("metric.name == {}", quoted(text)),
        Condition::Int(op, value) => format!("datapoint.value_int {op} {value}"),
        Condition::Point(key, text) => format!("datapoint.attributes[\"{key}\"] == {}", quoted(text)),
        Condition::Resource(key, text) => format!("resource.attributes[\"{key}\"] == {}", quoted(text)),
        Condition::Not(inner) => format!("not ({})", condition(inner)),
        Condition::And(both) => format!("({}) and ({})", condition(&both[0]), condition(&both[1])),
        Condition::Or(both) => format!("({}) or ({})", condition(&both[0]), condition(&both[1])),
    }
}

/// A text in the quotes of OTTL and of YAML, which are the same for the words in use.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
