//! Statements of `transform`, read as conditions of a filter.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use pipelines::Batch;
use pipelines::processors::Pipeline;
use pipelines::yaml;
use serde_json::Value;

/// Statements that call a function in a way that conditions do not, and why.
const NOT_RUN: [(&str, &str); 4] = [
    ("condition-errors/c10", "a pattern that the data brings"),
    ("condition-errors/c11", "a pattern that the data brings"),
    ("condition-errors/c12", "a pattern that the data brings"),
    ("text-functions/r15", "an optional argument"),
];

/// One trial for each statement of a case.
pub fn trials(name: &str, case: &Path) -> Vec<Trial> {
    let config = yaml::read("config.yaml", &crate::text(&case.join("config.yaml")), &|_| None);
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let transform = get(get(&config, "processors"), "transform");
    let statements = get(transform, "metric_statements").list().expect("a list of statements");
    let (input, output) = (json(&case.join("in-1.json")), json(&case.join("out-1.json")));
    let mut trials = Vec::new();
    for statement in statements.iter().filter_map(|statement| statement.text().ok()) {
        let Some((key, rest)) = parse(statement) else { continue };
        let expected: Vec<Option<Value>> =
            points(&output).iter().map(|point| attribute(point, key)).collect();
        let name = format!("{name}/{key}");
        let (input, condition, statement) = (input.clone(), condition(rest, &expected), statement.to_owned());
        let Some(condition) = condition else { continue };
        let unsupported = compile(&condition)
            .is_err_and(|message| message.contains("conditions here do not"))
            || NOT_RUN.iter().any(|(case, _)| name.ends_with(case));
        let trial = Trial::test(name, move || {
            check(&input, &condition, &expected).map_err(|failed| {
                format!("{statement}\nas {condition}: {}", failed.message().unwrap_or_default()).into()
            })
        });
        trials.push(trial.with_ignored_flag(unsupported));
    }
    trials
}

fn get<'n>(node: &'n yaml::Node, key: &str) -> &'n yaml::Node {
    let entries = node.entries().expect("a map");
    &entries.iter().find(|entry| entry.key.text == key).unwrap_or_else(|| panic!("{key} is missing")).value
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&crate::text(path)).expect("JSON")
}

/// Splits `set(datapoint.attributes["c01"], …)` into the key and what follows.
fn parse(statement: &str) -> Option<(&str, &str)> {
    let (key, rest) = statement.strip_prefix("set(datapoint.attributes[\"")?.split_once("\"], ")?;
    let numbered = key.len() == 3 && key[1..].bytes().all(|b| b.is_ascii_digit());
    (numbered && key.starts_with(['c', 'r'])).then_some((key, rest))
}

/// The condition that must drop the points on which the statement left its attribute.
fn condition(rest: &str, expected: &[Option<Value>]) -> Option<String> {
    if let Some(condition) = rest.strip_prefix("true) where ") {
        return Some(condition.to_owned());
    }
    let value = rest.strip_suffix(')')?.trim();
    let mut wanted = Vec::new();
    for expected in expected.iter().flatten() {
        let literal = literal(expected)?;
        let kind = match expected.as_object()?.keys().next()?.as_str() {
            "intValue" => format!("IsInt({value}) and "),
            "doubleValue" => format!("IsDouble({value}) and "),
            _ => String::new(),
        };
        wanted.push(match (literal.as_str(), value) {
            ("NaN", _) => format!("{kind}{value} != {value}"),
            // What Split gives equals nothing.
            (_, split) if split.starts_with("Split(") && split.ends_with(')') => {
                format!("Len({value}) == {}", expected["arrayValue"]["values"].as_array()?.len())
            }
            _ => format!("{kind}{value} == {literal}"),
        });
    }
    wanted.sort();
    wanted.dedup();
    // Where nothing was set, the value is nil or fails; neither may drop a point.
    Some(if wanted.is_empty() { format!("{value} != nil") } else { wanted.join(" or ") })
}

/// A value as an OTTL literal.
fn literal(value: &Value) -> Option<String> {
    let (kind, inner) = value.as_object()?.iter().next()?;
    let text = || inner.as_str().map_or_else(|| inner.to_string(), str::to_owned);
    Some(match kind.as_str() {
        "stringValue" => serde_json::to_string(inner).ok()?,
        "boolValue" => text(),
        "intValue" if text() == i64::MIN.to_string() => "(-9223372036854775807 - 1)".to_owned(),
        "intValue" => text(),
        "doubleValue" if text() == "NaN" => "NaN".to_owned(),
        "doubleValue" => match inner.as_f64()? {
            number if number.abs() < 1e15 => format!("{number:?}"),
            number => format!("{number:.1}"),
        },
        "bytesValue" => {
            use base64::Engine as _;
            let bytes = base64::prelude::BASE64_STANDARD.decode(text()).ok()?;
            format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        "arrayValue" => {
            let items = inner["values"].as_array().cloned().unwrap_or_default();
            let items = items.iter().map(nested).collect::<Option<Vec<_>>>()?;
            format!("[{}]", items.join(", "))
        }
        "kvlistValue" => {
            let entries = inner["values"].as_array().cloned().unwrap_or_default();
            let entries =
                entries.iter().map(|entry| Some(format!("{}: {}", entry["key"], nested(&entry["value"])?)));
            format!("{{{}}}", entries.collect::<Option<Vec<_>>>()?.join(", "))
        }
        _ => return None,
    })
}

fn nested(value: &Value) -> Option<String> {
    if value.as_object()?.is_empty() { Some("nil".to_owned()) } else { literal(value) }
}

fn compile(condition: &str) -> Result<Pipeline, String> {
    let quoted = serde_json::to_string(&condition.replace('$', "$$")).expect("text");
    let config = format!(
        "processors:\n  filter:\n    metric_conditions:\n      - {{context: datapoint, conditions: [{quoted}]}}\n\
         service: {{pipelines: {{metrics: {{processors: [filter]}}}}}}\n"
    );
    crate::plan(&config).map(|plan| Pipeline::build(&plan)).map_err(|problems| problems.to_string())
}

fn check(input: &Value, condition: &str, expected: &[Option<Value>]) -> Result<(), Failed> {
    let mut pipeline = compile(condition)?;
    let input = Batch::parse(crate::otlp::encode(input).into())?;
    let mut out = Batch::default();
    pipeline.process(&input, 0, &mut out)?;
    let metrics = out.resources().iter().flat_map(|r| out.scopes(r)).flat_map(|s| out.metrics(s));
    let kept: Vec<u32> = metrics
        .flat_map(|metric| out.points(metric))
        .flat_map(|point| match out.inputs(point) {
            pipelines::batch::Inputs::One(index) => vec![index],
            pipelines::batch::Inputs::Many(indexes) => indexes.to_vec(),
        })
        .collect();
    for (index, expected) in expected.iter().enumerate() {
        let dropped = !kept.contains(&(index as u32));
        if dropped != expected.is_some() {
            let held = if dropped { "held" } else { "did not hold" };
            return Err(format!("for point {index} it {held}; the Collector left {expected:?}").into());
        }
    }
    Ok(())
}

/// All data points of a request, in order.
fn points(request: &Value) -> Vec<Value> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let scopes =
        list(request, "resourceMetrics").into_iter().flat_map(|resource| list(&resource, "scopeMetrics"));
    let metrics = scopes.flat_map(|scope| list(&scope, "metrics"));
    let data = metrics.flat_map(|metric| {
        let kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
        kinds.into_iter().flat_map(move |kind| list(&metric[kind], "dataPoints")).collect::<Vec<_>>()
    });
    data.collect()
}

fn attribute(point: &Value, key: &str) -> Option<Value> {
    let attributes = point["attributes"].as_array()?;
    attributes.iter().find(|attribute| attribute["key"] == key).map(|attribute| attribute["value"].clone())
}
