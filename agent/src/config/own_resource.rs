//! `service.telemetry.resource`: attributes of the process that tells its own metrics.
//!
//! Two forms, as in the Collector: a map of names and texts, in which null leaves out what is known otherwise, or `attributes`,
//! a list of names, values and types.

use pipelines::yaml::{Fields, Node, Problem, keep};

use crate::own_metrics::Attribute;

/// Keys that are no attributes.
const DECLARED: [&str; 5] =
    ["attributes", "attributes_list", "detection/development", "detectors", "schema_url"];

/// Reads the section: attributes, and without a value those that are left out.
pub fn decode(
    node: &Node,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Option<Attribute>)> {
    let Some(entries) = keep(node.entries(), problems) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.iter().filter(|entry| !DECLARED.contains(&entry.key.text.as_str())) {
        let value =
            if entry.value.is_null() { Some(None) } else { keep(entry.value.text(), problems).map(Some) };
        if let Some(value) = value {
            all.push((entry.key.text.clone(), value.map(|text| Attribute::Text(text.to_owned()))));
        }
    }
    let Some(mut fields) = keep(node.map(), problems) else { return all };
    if let Some(node) = fields.take("attributes_list") {
        let problem = Problem::new(node.location, "attributes_list is not taken here, nor by the Collector");
        problems.push(problem.expected("attributes"));
    }
    for key in ["detectors", "detection/development", "schema_url"] {
        if fields.take(key).is_some() {
            notes.push(format!("service.telemetry.resource: {key} is not built: name the attributes"));
        }
    }
    if let Some(node) = fields.take("attributes") {
        if !all.is_empty() {
            let problem = Problem::new(node.location, "attributes stand here in both forms");
            problems.push(problem.expected("all below attributes, or none"));
        }
        for item in keep(node.list(), problems).unwrap_or_default() {
            let Some(mut fields) = keep(item.map(), problems) else { continue };
            let read = declared(&mut fields, problems);
            fields.finish(problems);
            all.extend(read);
        }
    }
    all
}

fn declared(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> Option<(String, Option<Attribute>)> {
    let name = keep(fields.required("name").and_then(Node::text), problems);
    let value = keep(fields.required("value"), problems);
    if let Some(node) = fields.take("type") {
        let types = ["string", "bool", "int", "double"].map(|kind| (kind, ()));
        let arrays = ["string_array", "bool_array", "int_array", "double_array"].map(|kind| (kind, ()));
        keep(node.one_of("type", &[types, arrays].concat()), problems);
    }
    let value = keep(attribute(value?), problems)?;
    Some((name?.to_owned(), Some(value)))
}

fn attribute(node: &Node) -> Result<Attribute, Problem> {
    let number = || node.int().map(Attribute::Int).or_else(|_| node.float().map(Attribute::Double));
    let list = || node.list()?.iter().map(attribute).collect::<Result<_, _>>().map(Attribute::List);
    let text = node.text().map(|text| Attribute::Text(text.to_owned()));
    text.or_else(|problem| {
        node.bool().map(Attribute::Bool).or_else(|_| number()).or_else(|_| list()).map_err(|_| problem)
    })
}
