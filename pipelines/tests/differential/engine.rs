//! The same stages as a Collector config, run by the engine, and the comparison.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric::Data};
use pipelines::Batch;
use pipelines::batch::Keep;
use pipelines::config::CollectorFile;
use pipelines::processors::Pipeline;
use prost::Message as _;

use crate::choices::{Action, Choices, Condition, Edit, Stage, Statement};
use crate::reference;

/// Makes a batch and a config of bytes, and panics if engine and interpreter differ on them.
pub fn compare(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let stages = choices.stages();
    let mut expected = choices.request();
    let config = config(&stages);
    let file = CollectorFile::parse("config", &config, &|_| None);
    let plan = file.and_then(|file| file.check("metrics")).unwrap_or_else(|problems| panic!("{problems}"));
    let input = Batch::parse(expected.encode_to_vec().into()).unwrap_or_else(|error| panic!("{error}"));
    let mut output = Batch::default();
    let processed = Pipeline::build(&plan, 0).process(&input, 0, &mut output);
    processed.unwrap_or_else(|refused| panic!("{refused}"));
    let encoded = output.encode(Keep::All).bytes;
    let came_out = ExportMetricsServiceRequest::decode(encoded).unwrap_or_else(|error| panic!("{error}"));
    stages.iter().for_each(|stage| reference::run(stage, &mut expected));
    let (expected, came_out) = (sorted(expected), sorted(came_out));
    assert!(expected == came_out, "expected\n{expected}\ncame out\n{came_out}\nof\n{config}");
}

/// In words, attributes in order of their keys.
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
            Stage::Attributes(actions) => ("attributes", format!("{{ actions: [{}] }}", list(actions))),
            Stage::Resource(actions) => ("resource", format!("{{ attributes: [{}] }}", list(actions))),
            Stage::Transform(statements) => {
                let statements: Vec<String> = statements.iter().map(|one| quoted(&statement(one))).collect();
                let group = format!("{{ context: datapoint, statements: [{}] }}", statements.join(", "));
                ("transform", format!("{{ metric_statements: [{group}] }}"))
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
