//! Tests of templates: what they accept, what they make of values, and that no value makes structure.

use proptest::prelude::*;
use serde_json::json;

use crate::config::CollectorFile;
use crate::ottl::syntax::ast::{Boolean, ValueKind};
use crate::yaml::{Entry, Kind, Node, read};

use super::*;

const SMALL: &str = r#"
name: small
description: Drops what is small.
for: whoever has many small processes
parameters:
  floor: { type: integer, min: 0, max: 1000000, default: 100, description: Bytes below which memory is dropped. }
  share: { type: number, min: 0, max: 1, default: 0.5, description: A share. }
  keep: { type: strings, default: [nginx, "a.b"], description: Names that are kept. }
  every: { type: duration, min: 1s, max: 1h, default: 30s, description: How often. }
  mode: { type: string, one_of: [ignore, propagate], default: ignore, description: What a failure does. }
  label: { type: string, default: x, description: A text of any kind. }
  flag: { type: boolean, default: true, description: A switch. }
samples:
  - { name: default }
  - { name: other, values: { floor: 7, keep: [] } }
config:
  processors:
    filter/small:
      error_mode: "{{ mode }}"
      metrics:
        datapoint:
          - metric.name == "process.memory.usage" and value_int < {{ floor * 2 }}
          - !each
            of: keep
            as: name
            give: resource.attributes["process.executable.name"] == {{ name | ottl }}
    attributes/label:
      actions:
        - { key: label, value: "{{ label }}", action: upsert }
        - { key: flag, value: "{{ flag }}", action: upsert }
        - { key: share, value: "{{ share }}", action: upsert }
    transform/text:
      metric_statements:
        - set(datapoint.attributes["label"], {{ label | ottl }}) where IsMatch(metric.name, {{ keep | alternatives | ottl }})
  service:
    pipelines:
      metrics: { processors: [filter/small, attributes/label, transform/text] }
"#;

fn small() -> Template {
    Template::parse("small", SMALL).unwrap_or_else(|problems| panic!("{problems}"))
}

fn values(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn rendered(value: Value) -> Node {
    let rendered = small().render(&values(value)).unwrap();
    read("rendered", &rendered.text, &|_| panic!("a variable")).unwrap_or_else(|p| panic!("{p}"))
}

fn get<'a>(node: &'a Node, path: &str) -> &'a Node {
    path.split('.').fold(node, |node, step| match &node.kind {
        Kind::Map(entries) => &entries.iter().find(|Entry { key, .. }| key.text == step).unwrap().value,
        Kind::List(items) => &items[step.parse::<usize>().unwrap()],
        other => panic!("{step} of {other:?}"),
    })
}

fn text(node: &Node, path: &str) -> String {
    get(node, path).text().unwrap().to_owned()
}

#[test]
fn values_take_their_place_with_their_kind() {
    let node = rendered(json!({ "floor": 50, "label": "a \"b\" $x", "flag": false, "share": 1 }));
    let conditions = get(&node, "processors.filter/small.metrics.datapoint");
    assert_eq!(text(conditions, "0"), "metric.name == \"process.memory.usage\" and value_int < 100");
    assert_eq!(text(conditions, "1"), "resource.attributes[\"process.executable.name\"] == \"nginx\"");
    assert_eq!(conditions.list().unwrap().len(), 3);
    let actions = get(&node, "processors.attributes/label.actions");
    assert_eq!(text(actions, "0.value"), "a \"b\" $x");
    assert_eq!(get(actions, "1.value").kind, Kind::Bool(false));
    assert_eq!(get(actions, "2.value").kind, Kind::Float(1.0));
    let statement = text(&node, "processors.transform/text.metric_statements.0");
    assert!(statement.contains(r#""a \"b\" $x""#), "{statement}");
    assert!(statement.ends_with(r#"IsMatch(metric.name, "^(?:nginx|a\\.b)$")"#), "{statement}");
}

#[test]
fn an_empty_list_leaves_nothing_and_matches_nothing() {
    let node = rendered(json!({ "keep": [] }));
    assert_eq!(get(&node, "processors.filter/small.metrics.datapoint").list().unwrap().len(), 1);
    let statement = text(&node, "processors.transform/text.metric_statements.0");
    assert!(statement.ends_with(r#"IsMatch(metric.name, "[^\\s\\S]")"#), "{statement}");
}

#[test]
fn what_is_rendered_is_a_pipeline_and_the_same_values_give_the_same_bytes() {
    let template = small();
    for sample in template.samples() {
        let rendered = template.render(&sample.values).unwrap();
        assert_eq!(template.render(&sample.values).unwrap(), rendered);
        let file = CollectorFile::parse("rendered", &rendered.text, &|_| None).unwrap();
        file.check("metrics").unwrap_or_else(|problems| panic!("{problems}"));
    }
    let other = template.render(&values(json!({ "floor": 8 }))).unwrap();
    assert_ne!(other.digest, template.render(&Map::new()).unwrap().digest);
}

#[test]
fn every_wrong_value_is_named_with_what_was_expected() {
    let wrong = json!({
        "flor": 1, "floor": 2_000_000, "share": "x", "keep": ["a", 1], "every": "2h", "mode": "ignor", "flag": 0,
        "label": "x".repeat(2000),
    });
    let said = small().render(&values(wrong)).unwrap_err().to_string();
    for line in [
        "flor: there is no such parameter; expected: one of floor, share, keep, every, mode, label, flag; did you mean \"floor\"?",
        "floor: 2000000 is not allowed; expected: a whole number from 0 to 1000000",
        "share: \"x\" is no number; expected: a number from 0 to 1",
        "keep: 1 is no text; expected: a list of 0 to 1000 texts",
        "every: \"2h\" is not allowed; expected: a duration such as 1m30s, from 1s to 3600s",
        "mode: \"ignor\" is not allowed; expected: one of ignore, propagate",
        "flag: 0 is no boolean; expected: true or false",
        "label: a text of 2000 bytes; expected: at most 1024 bytes",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\nin\n{said}");
    }
}

#[test]
fn a_text_of_a_command_line_becomes_a_value_of_the_parameters_type() {
    let template = small();
    let read = |name: &str, text| template.parameter(name).unwrap().read(text);
    assert_eq!(read("keep", "a, b").unwrap(), json!(["a", "b"]));
    assert_eq!(read("floor", "12").unwrap(), json!(12));
    assert_eq!(read("label", "12").unwrap(), json!("12"));
    assert_eq!(read("flag", "true").unwrap(), json!(true));
    assert!(read("floor", "x").is_err());
}

/// A template with one config and nothing else to it.
fn problems(parameters: &str, config: &str) -> String {
    let text = format!("name: t\ndescription: d\nfor: f\nparameters: {parameters}\nconfig:\n{config}\n");
    Template::parse("t", &text).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_mistake_in_a_template_is_found_when_it_is_parsed() {
    let text = "{ name: { type: string, default: x, description: d } }";
    for (parameters, config, said) in [
        (text, "  a: \"{{ nam }}\"", "t:6:6: unknown parameter \"nam\""),
        (text, "  a: \"x {{ name }}\"", "text within a text"),
        (text, "  a: \"{{ name\"", "t:6:6: "),
        (text, "  a: \"{% if name %}b{% endif %}\"", "t:6:6: a statement in a template"),
        (text, "  a: \"{{ name | safe }}\"", "safe"),
        (text, "  a: \"{{ name.x }}\"", "undefined"),
        (text, "  a: !other x", "t:6:13: the tag !other means nothing here"),
        (text, "  \"{{ name }}\": x", "t:6:3: an expression in a key"),
        (text, "  a: !each { of: name, as: x, give: y }", "t:6:18: \"name\" is no list"),
        (text, "  a: !each { of: name, as: x }", "\"give\" is missing"),
        ("{ n: { type: integer, min: 3, default: 2, description: d } }", "  a: b", "n: 2 is not allowed"),
        ("{ n: { type: whole, description: d } }", "  a: b", "unknown type of parameter \"whole\""),
        ("{ N: { type: integer, description: d } }", "  a: b", "no name of a parameter"),
        ("{ n: { type: string, pattern: \"(\", description: d } }", "  a: b", "no regular expression"),
    ] {
        let problems = problems(parameters, config);
        assert!(problems.contains(said), "{config}: {problems}");
    }
}

/// The shape of a tree: everything but what its scalars say.
fn shape(node: &Node) -> String {
    match &node.kind {
        Kind::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|Entry { key, value }| format!("{}:{}", key.text, shape(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        _ => "-".to_owned(),
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "\"",
        "'",
        "\n",
        "\r",
        "\u{2028}",
        "\u{85}",
        "\0",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "&a",
        "*a",
        "<<: *a",
        "!!str",
        "${env:X}",
        "$$",
        "$",
        "${",
        "}",
        "\\",
        "\\\"",
        ": ",
        "- ",
        "#",
        " #",
        "|",
        ">",
        "---",
        "...",
        "\t",
        " ",
        "x",
        "\") or true or (\"",
        "null",
        "1",
        "~",
        "é",
        "\u{feff}",
        "[",
        "]",
        "{",
        ",",
        "%",
        "@",
        "`",
    ]);
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_hostile_value_is_a_literal_and_never_structure(label in hostile(), name in hostile()) {
        let benign = rendered(json!({ "label": "x", "keep": ["x"] }));
        let node = rendered(json!({ "label": label, "keep": [name] }));
        prop_assert_eq!(shape(&node), shape(&benign));
        prop_assert_eq!(text(&node, "processors.attributes/label.actions.0.value"), label.clone());
        // OTTL reads the literal as the text again, and nothing follows it that was not there.
        let condition = crate::ottl::syntax::parse::condition(&text(&node, "processors.filter/small.metrics.datapoint.1"));
        let Ok(Boolean::Comparison(comparison)) = condition else { panic!("{condition:?}") };
        prop_assert!(matches!(&comparison.right.kind, ValueKind::Text(text) if *text == name.clone().into_bytes()));
        let rendered = small().render(&values(json!({ "label": label, "keep": [name] }))).unwrap();
        let file = CollectorFile::parse("rendered", &rendered.text, &|_| panic!("a variable")).unwrap();
        file.check("metrics").unwrap_or_else(|problems| panic!("{problems}"));
    }

    #[test]
    fn what_is_emitted_is_read_as_the_same_tree(label in hostile(), number in any::<f64>()) {
        let text = "name: t\ndescription: d\nfor: f\nparameters: {}\nconfig: { a: 1 }\n";
        let template = Template::parse("t", text).unwrap();
        prop_assert_eq!(template.render(&Map::new()).unwrap().text, "a: 1\n");
        let at = crate::yaml::Location::START;
        let scalar = |kind| Node::new(at, kind);
        let list = Node::new(at, Kind::List(vec![
            scalar(Kind::Text(crate::yaml::Located::new(label.clone(), at))),
            scalar(Kind::Float(number)),
            scalar(Kind::List(vec![scalar(Kind::Null), scalar(Kind::Int(-1))])),
        ]));
        let written = emit::yaml(&list);
        let read = crate::yaml::read_written("t", &written, &[]).unwrap();
        prop_assert_eq!(get(&read, "0").text().unwrap(), label);
        match get(&read, "1").kind {
            Kind::Float(read) => prop_assert!(read.to_bits() == number.to_bits() || read.is_nan() && number.is_nan()),
            ref other => prop_assert!(false, "{:?} of {}", other, number),
        }
        prop_assert_eq!(&get(&read, "2.1").kind, &Kind::Int(-1));
    }
}
