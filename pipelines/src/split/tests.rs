//! Golden vectors, and the laws of an assignment.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use serde_json::Value as Json;

use crate::Batch;

use super::{Split, Splitter, Unit, Weight};

fn batch(resources: Vec<Vec<(String, impl Into<Option<Any>>)>>) -> Batch {
    let resource_metrics = resources.into_iter().map(|attributes| {
        let attributes = attributes.into_iter().map(|(key, value)| {
            let value = Some(AnyValue { value: value.into() });
            KeyValue { key, value, ..Default::default() }
        });
        let resource = Some(Resource { attributes: attributes.collect(), ..Default::default() });
        ResourceMetrics { resource, ..Default::default() }
    });
    let request = ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() };
    Batch::parse(request.encode_to_vec().into()).expect("legal")
}

fn any(value: &Json) -> Option<Any> {
    if value.is_null() {
        return None;
    }
    let (kind, value) = value.as_object().and_then(|map| map.iter().next()).expect("one kind");
    let text = || value.as_str().expect("text").to_owned();
    Some(match kind.as_str() {
        "text" => Any::StringValue(text()),
        "bool" => Any::BoolValue(value.as_bool().expect("bool")),
        "int" => Any::IntValue(text().parse().expect("int")),
        "double" => Any::DoubleValue(value.as_f64().expect("double")),
        "bytes" => {
            let text = text();
            let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex");
            Any::BytesValue((0..text.len() / 2).map(byte).collect())
        }
        "list" => Any::ArrayValue(ArrayValue::default()),
        other => panic!("unknown kind {other}"),
    })
}

#[test]
fn the_golden_vectors_of_version_1_hold() {
    hold(include_str!("../../../proto/testdata/split-v1.json"), 1, 28);
}

#[test]
fn the_golden_vectors_of_version_2_hold() {
    let text = include_str!("../../../proto/testdata/split-v2.json");
    hold(text, 2, 35);
}

fn hold(text: &str, version: u8, least: usize) {
    let vectors: Json = serde_json::from_str(text).expect("json");
    assert_eq!(vectors["version"], version);
    let cases = vectors["cases"].as_array().expect("cases");
    assert!(cases.len() >= least);
    for case in cases {
        let name = &case["name"];
        let unit = match &case["unit"] {
            Json::String(word) => Unit::WORDS.into_iter().find(|(known, _)| known == word).expect("a word").1,
            list => Unit::Attributes(serde_json::from_value(list.clone()).expect("names")),
        };
        assert_eq!(unit.version(), version, "{name}");
        let resource = case["resource"].as_object().expect("resource");
        let batch = batch(vec![resource.iter().map(|(key, value)| (key.clone(), any(value))).collect()]);
        let salt = case["salt"].as_str().expect("salt").to_owned();
        let split = Split { unit, weight: Weight::NONE, salt };
        let mut splitter = Splitter::new(split, case["agent_uid"].as_str().expect("uid"));
        let hash = splitter.unit(&batch, &batch.resources()[0]);
        assert_eq!(hash.map(|hash| format!("{hash:016x}")).as_deref(), case["hash"].as_str(), "{name}");
        let Some(hash) = hash else { continue };
        let smallest = case["smallest_weight_bp"].as_u64().expect("weight");
        assert!(Weight::from_bp(smallest).expect("weight").takes(hash), "{name}");
        assert!(!Weight::from_bp(smallest - 1).expect("weight").takes(hash), "{name}");
    }
}

proptest! {
    #[test]
    fn raising_the_weight_only_moves_units_towards_the_candidate(hash: u64, low in 0..=10_000u64, high in 0..=10_000u64) {
        let (low, high) = (low.min(high), low.max(high));
        let takes = |bp| Weight::from_bp(bp).expect("weight").takes(hash);
        prop_assert!(!takes(low) || takes(high));
        prop_assert!(!takes(0));
        prop_assert!(takes(10_000));
    }

    #[test]
    fn a_unit_is_sticky_whatever_travels_with_it(pid in 1..100_000i64, others in proptest::collection::vec(1..100_000i64, 0..20)) {
        let resource = |pid: i64| vec![
            ("process.pid".to_owned(), Any::IntValue(pid)),
            ("host.name".to_owned(), Any::StringValue("web-1".into())),
            ("process.executable.name".to_owned(), Any::StringValue("nginx".into())),
        ];
        let split = Split { unit: Unit::Process, weight: Weight::NONE, salt: "s".into() };
        let mut splitter = Splitter::new(split, "");
        let alone = batch(vec![resource(pid)]);
        let expected = splitter.unit(&alone, &alone.resources()[0]);
        let mut crowd: Vec<_> = others.into_iter().map(resource).collect();
        // The same unit with its attributes in another order, and one more.
        let mut same = resource(pid);
        same.reverse();
        same.push(("process.owner".to_owned(), Any::StringValue("root".into())));
        crowd.push(same);
        let crowd = batch(crowd);
        let last = crowd.resources().last().expect("one");
        prop_assert_eq!(splitter.unit(&crowd, last), expected);
    }
}

#[test]
fn a_share_of_the_units_is_about_the_weight() {
    let taken = |bp| {
        let weight = Weight::from_bp(bp).expect("weight");
        let split = Split { unit: Unit::Process, weight, salt: "phoenix".into() };
        let mut splitter = Splitter::new(split, "agent");
        let resources = (0..20_000).map(|pid| {
            vec![
                ("process.pid".to_owned(), Any::IntValue(pid)),
                ("process.executable.name".to_owned(), Any::StringValue("java".into())),
            ]
        });
        let batch = batch(resources.collect());
        let units = batch.resources().iter().filter_map(|resource| splitter.unit(&batch, resource));
        units.filter(|&unit| weight.takes(unit)).count()
    };
    // Five standard deviations of a binomial distribution.
    assert!((4_694..=5_306).contains(&taken(2_500)), "{}", taken(2_500));
    assert!((846..=1_154).contains(&taken(500)), "{}", taken(500));
    assert_eq!(taken(10_000), 20_000);
}

/// Stages, and by which units each may be split.
#[test]
fn a_split_never_cuts_through_what_a_stage_has_to_see_whole() {
    let stages = [
        ("filter: {metrics: {metric: ['name == \"a\"']}}", [true, true, true, true]),
        ("transform: {metric_statements: ['set(metric.unit, \"1\")']}", [true, true, true, true]),
        ("cumulativetodelta: {}", [true, true, true, true]),
        ("interval: {}", [true, true, true, true]),
        ("priority: {classes: [{name: a, above: {m: 1}}]}", [true, true, true, true]),
        ("adaptive: {levels: [{name: a, keep: 1}]}", [true, true, true, true]),
        ("groupbyattrs: {keys: [a]}", [true, false, false, false]),
        ("rollup: {}", [true, false, false, false]),
        ("topk: {k: 1, by: [m]}", [true, false, false, false]),
        ("topk: {k: 1, by: [m], other: true}", [true, false, false, false]),
    ];
    let units = [Unit::Host, Unit::Entity, Unit::Process, Unit::Attributes(vec!["service.name".to_owned()])];
    for (stage, allowed) in stages {
        let kind = stage.split(':').next().expect("a type");
        let text = format!(
            "processors:\n  {stage}\nservice: {{pipelines: {{metrics: {{processors: [{kind}]}}}}}}\n"
        );
        let file = crate::config::CollectorFile::parse("f.yaml", &text, &|_| None).expect("YAML");
        let plan = file.check("metrics").unwrap_or_else(|problems| panic!("{problems}"));
        for (unit, allowed) in units.iter().zip(allowed) {
            for (weight, partial) in [(0, false), (1, true), (2_500, true), (9_999, true), (10_000, false)] {
                let weight = Weight::from_bp(weight).expect("a weight");
                let split = Split { unit: unit.clone(), weight, salt: "s".to_owned() };
                let checked = split.check_scope([&plan, &plan]);
                assert_eq!(checked.is_ok(), allowed || !partial, "{stage}, {unit}, {weight:?}");
                if let Err(refused) = checked {
                    let said = refused.to_string();
                    assert!(said.contains("0%, 100%, or unit") && said.starts_with(kind), "{said}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_resource_has_an_entity_as_its_unit_whatever_it_says(
        names in proptest::collection::vec(0..KEYS.len(), 0..6),
        values in proptest::collection::vec("[a-b]{0,2}", 6),
    ) {
        let attributes: Vec<(String, Any)> = names.iter().zip(&values)
            .map(|(name, value)| (KEYS[*name].to_owned(), Any::StringValue(value.clone()))).collect();
        let split = Split { unit: Unit::Entity, weight: Weight::NONE, salt: "s".into() };
        let mut splitter = Splitter::new(split, "agent");
        let batch = batch(vec![attributes]);
        let resource = &batch.resources()[0];
        prop_assert!(splitter.unit(&batch, resource).is_some());
        prop_assert!(!splitter.name(&batch, resource).is_empty());
    }
}

const KEYS: [&str; 8] = [
    "host.name",
    "process.pid",
    "service.name",
    "service.instance.id",
    "container.id",
    "k8s.pod.uid",
    "rack",
    "",
];

#[test]
fn a_unit_is_called_by_the_name_of_its_entity() {
    let text = |text: &str| Any::StringValue(text.to_owned());
    let pod = [("k8s.pod.name", text("checkout-7d")), ("k8s.namespace.name", text("payments"))];
    let batch = batch(vec![pod.map(|(key, value)| (key.to_owned(), value)).to_vec()]);
    let split = Split { unit: Unit::Entity, weight: Weight::NONE, salt: "s".into() };
    let name = Splitter::new(split, "agent").name(&batch, &batch.resources()[0]);
    assert_eq!(name, "pod payments/checkout-7d");
}
