use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;

use super::*;

fn text(value: &str) -> Any {
    Any::StringValue(value.to_owned())
}

fn attr(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn number(state: &str, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attr("state", text(state))],
        start_time_unix_nano: 5,
        time_unix_nano: 9,
        value: Some(number_data_point::Value::AsDouble(value)),
        flags: 0,
        exemplars: vec![],
    }
}

fn process(pid: i64, name: &str) -> ResourceMetrics {
    let cpu = Metric {
        name: "process.cpu.time".into(),
        description: "Total CPU seconds".into(),
        unit: "s".into(),
        metadata: vec![attr("origin", text("proc"))],
        data: Some(metric::Data::Sum(Sum {
            data_points: vec![number("user", 1.5), number("system", 0.25)],
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
    };
    let memory = Metric {
        name: "process.memory.usage".into(),
        unit: "By".into(),
        data: Some(metric::Data::Gauge(Gauge { data_points: vec![number("", 4096.0)] })),
        ..Default::default()
    };
    let latency = Metric {
        name: "latency".into(),
        data: Some(metric::Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint {
                count: 3,
                bucket_counts: vec![1, 2],
                explicit_bounds: vec![0.5],
                attributes: vec![attr("route", text("/"))],
                ..Default::default()
            }],
            aggregation_temporality: 1,
        })),
        ..Default::default()
    };
    ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![
                attr("process.pid", Any::IntValue(pid)),
                attr("process.executable.name", text(name)),
            ],
            ..Default::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "scraper".into(),
                version: "1".into(),
                ..Default::default()
            }),
            metrics: vec![cpu, memory, latency],
            schema_url: "https://schema".into(),
        }],
        schema_url: "https://resource".into(),
    }
}

fn request(resources: Vec<ResourceMetrics>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest { resource_metrics: resources }
}

fn parse(request: &ExportMetricsServiceRequest) -> Batch {
    let mut batch = Batch::parse(request.encode_to_vec().into()).unwrap();
    batch.identify();
    batch
}

fn decode(encoded: &Encoded) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(encoded.bytes.clone()).unwrap()
}

fn identities(batch: &Batch) -> Vec<u128> {
    batch.all_points().iter().map(|point| batch.identity(point)).collect()
}

fn output_of(input: &Batch) -> Batch {
    let mut output = Batch::default();
    output.copy_from(input);
    output
}

#[test]
fn an_index_reads_what_was_sent() {
    let batch = parse(&request(vec![process(7, "nginx")]));
    let resource = &batch.resources()[0];
    assert_eq!(batch.attribute(resource.attrs, b"process.pid"), Some(Value::Int(7)));
    assert_eq!(batch.attribute(resource.attrs, b"process.executable.name").unwrap().as_text(), Some("nginx"));
    let scope = &batch.scopes(resource)[0];
    assert_eq!((batch.text(scope.name), batch.text(scope.version)), ("scraper", "1"));
    let metrics = batch.metrics(scope);
    assert_eq!(batch.text(metrics[0].name), "process.cpu.time");
    assert!(metrics[0].monotonic && metrics[0].kind == MetricKind::Sum && metrics[0].temporality == 2);
    let points = batch.points(&metrics[0]);
    assert_eq!((points[1].value, points[1].start, points[1].time), (Number::Double(0.25), 5, 9));
    assert_eq!(batch.attribute(points[1].attrs, b"state"), Some(Value::Text(b"system")));
    assert_eq!(batch.inputs(&points[1]), Inputs::One(1));
    assert_eq!(batch.point_count(), 4);
}

#[test]
fn an_untouched_batch_is_the_received_bytes() {
    let batch = parse(&request(vec![process(7, "nginx")]));
    let encoded = batch.encode(Keep::All);
    assert_eq!(encoded.bytes.as_ptr(), batch.source().as_ptr());
    assert_eq!(encoded.points, 4);
}

#[test]
fn each_share_holds_its_homes_and_together_they_are_the_whole() {
    let sent = request((0..5).map(|pid| process(pid, "x")).collect());
    let batch = parse(&sent);
    let first = batch.encode(Keep::Homes(&[true, false, true, false, false]));
    let second = batch.encode(Keep::Homes(&[false, true, false, true, true]));
    let pick = |homes: &[usize]| request(homes.iter().map(|&i| sent.resource_metrics[i].clone()).collect());
    assert_eq!(decode(&first), pick(&[0, 2]));
    assert_eq!(decode(&second), pick(&[1, 3, 4]));
    assert_eq!((first.points, second.points), (8, 12));
}

#[test]
fn dropping_points_leaves_everything_else_as_it_was() {
    let mut sent = request(vec![process(1, "a"), process(2, "b")]);
    let input = parse(&sent);
    let mut output = output_of(&input);
    output.retain_points(|batch, path, decisions| {
        let stays = |row: &PointRow| batch.attribute(row.attrs, b"state") != Some(Value::Text(b"system"));
        let points = batch.points(&batch.metrics[path.metric]).iter();
        decisions.extend(points.map(|row| path.resource == 1 || stays(row)));
    });
    if let Some(metric::Data::Sum(sum)) = &mut sent.resource_metrics[0].scope_metrics[0].metrics[0].data {
        sum.data_points.pop();
    }
    let encoded = output.encode(Keep::All);
    assert_eq!(decode(&encoded), sent);
    assert_eq!(encoded.points, 7);
    assert_eq!(output.encoded_len(), encoded.bytes.len());
}

#[test]
fn an_edited_attribute_changes_the_identity_and_nothing_else() {
    let mut sent = request(vec![process(1, "a"), process(2, "b")]);
    let input = parse(&sent);
    let mut output = output_of(&input);
    let path = Path { resource: 1, scope: 1, metric: 3, point: 4 };
    let key = output.intern(b"state");
    let value = output.intern(b"idle");
    let mut list = AttributeList::default();
    output.rewrite_attributes(Owner::Point(path), &mut list, |batch, list| {
        list.set(batch, key, Cell::Text(value));
    });
    output.rewrite_attributes(Owner::Resource(0), &mut list, |batch, list| {
        list.remove(|attr| batch.bytes(attr.key) == b"process.pid");
    });
    output.identify();
    if let Some(metric::Data::Sum(sum)) = &mut sent.resource_metrics[1].scope_metrics[0].metrics[0].data {
        sum.data_points[0].attributes[0] = attr("state", text("idle"));
    }
    if let Some(resource) = &mut sent.resource_metrics[0].resource {
        resource.attributes.remove(0);
    }
    assert_eq!(decode(&output.encode(Keep::All)), sent);
    assert_eq!(identities(&output), identities(&parse(&sent)), "an edit and a fresh parse agree on identity");
    assert_eq!(output.inputs(&output.points[4]), Inputs::One(4));
}

#[test]
fn identity_ignores_order_start_time_description_and_schema() {
    let mut other = process(7, "nginx");
    let base = identities(&parse(&request(vec![other.clone()])));
    other.schema_url.clear();
    other.scope_metrics[0].schema_url.clear();
    other.resource.as_mut().unwrap().attributes.reverse();
    other.scope_metrics[0].metrics[0].description = "other".into();
    if let Some(metric::Data::Sum(sum)) = &mut other.scope_metrics[0].metrics[0].data {
        sum.data_points[0].start_time_unix_nano = 77;
        sum.data_points[0].value = Some(number_data_point::Value::AsInt(3));
    }
    assert_eq!(identities(&parse(&request(vec![other]))), base);
}

#[test]
fn identity_tells_apart_what_makes_a_series() {
    let change: Vec<fn(&mut ResourceMetrics)> = vec![
        |r| r.resource.as_mut().unwrap().attributes[0] = attr("process.pid", text("7")),
        |r| r.scope_metrics[0].scope.as_mut().unwrap().version = "2".into(),
        |r| r.scope_metrics[0].scope.as_mut().unwrap().attributes.push(attr("a", text("b"))),
        |r| r.scope_metrics[0].metrics[0].name = "other".into(),
        |r| r.scope_metrics[0].metrics[0].unit = "ms".into(),
        |r| {
            if let Some(metric::Data::Sum(sum)) = &mut r.scope_metrics[0].metrics[0].data {
                sum.is_monotonic = false;
            }
        },
        |r| {
            if let Some(metric::Data::Sum(sum)) = &mut r.scope_metrics[0].metrics[0].data {
                sum.aggregation_temporality = 1;
            }
        },
    ];
    let base = identities(&parse(&request(vec![process(7, "nginx")])))[0];
    for (which, change) in change.iter().enumerate() {
        let mut other = process(7, "nginx");
        change(&mut other);
        assert_ne!(identities(&parse(&request(vec![other])))[0], base, "change {which}");
    }
}

#[test]
fn nested_values_hash_by_content_and_not_by_the_order_of_a_map() {
    let map = |keys: &[&str]| {
        let values = keys.iter().map(|key| attr(key, Any::IntValue(1))).collect();
        Any::KvlistValue(KeyValueList { values })
    };
    let list = |items: Vec<Any>| {
        let values = items.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
        Any::ArrayValue(ArrayValue { values })
    };
    let identity = |value: Any| {
        let mut resource = process(1, "a");
        resource.resource.as_mut().unwrap().attributes.push(attr("nested", value));
        identities(&parse(&request(vec![resource])))[0]
    };
    let deep = |value| list(vec![value, text("x")]);
    assert_eq!(identity(deep(map(&["a", "b"]))), identity(deep(map(&["b", "a"]))));
    assert_ne!(identity(deep(map(&["a"]))), identity(deep(map(&["b"]))));
    assert_ne!(identity(list(vec![text("a"), text("b")])), identity(list(vec![text("b"), text("a")])));
}

#[test]
fn an_entry_without_a_key_has_the_identity_of_one_with_an_empty_key() {
    let identity = |entry: KeyValue| {
        let map = Any::KvlistValue(KeyValueList { values: vec![entry] });
        let mut sent = process(1, "a");
        sent.resource.get_or_insert_default().attributes.push(attr("map", map));
        let mut batch = parse(&request(vec![sent]));
        batch.identify();
        identities(&batch)
    };
    let empty = KeyValue { value: Some(AnyValue::default()), ..KeyValue::default() };
    assert_eq!(identity(KeyValue::default()), identity(empty));
}

fn nested_lists(depth: usize) -> Bytes {
    let mut value = AnyValue { value: Some(Any::IntValue(1)) };
    for _ in 0..depth {
        value = AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    let mut resource = process(1, "a");
    let deep = KeyValue { key: "deep".into(), value: Some(value), ..Default::default() };
    resource.resource.as_mut().unwrap().attributes.push(deep);
    request(vec![resource]).encode_to_vec().into()
}

#[test]
fn malformed_bytes_are_refused_with_their_offset() {
    let whole = request(vec![process(7, "nginx")]).encode_to_vec();
    let cut = Batch::parse(Bytes::copy_from_slice(&whole[..whole.len() - 1])).unwrap_err();
    assert_eq!((cut.offset, cut.what), (1, "a length reaches past the end of its message"));
    let group = Batch::parse(Bytes::from_static(&[0x0b])).unwrap_err();
    assert_eq!((group.offset, group.what), (0, "a protobuf group; OTLP has none"));
    let huge =
        Batch::parse(Bytes::from_static(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]));
    assert_eq!(huge.unwrap_err().what, "a varint of more than 64 bits");
    let not_text = Batch::parse(Bytes::from_static(&[0x0a, 5, 0x1a, 3, b'a', 0xff, b'b'])).unwrap_err();
    assert_eq!((not_text.offset, not_text.what), (5, "text that is not UTF-8"));
    assert!(Batch::parse(nested_lists(MAX_DEPTH as usize)).is_ok());
    let deep = Batch::parse(nested_lists(MAX_DEPTH as usize + 1)).unwrap_err();
    assert_eq!(deep.what, "a value nested more than 32 levels deep");
}

#[test]
fn a_request_of_empty_messages_does_not_cost_more_rows_than_its_size_allows() {
    let empty_resources = [0x0a, 0].repeat(1 << 20);
    let refused = Batch::parse(empty_resources.into()).unwrap_err();
    assert_eq!(refused.what, "too many nearly empty messages for the request's size");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(mut batch) = Batch::parse(bytes.into()) {
            batch.identify();
            prop_assert!(batch.encode(Keep::All).points as usize == batch.point_count());
        }
    }

    #[test]
    fn a_flipped_byte_is_read_as_prost_reads_it_or_refused(at in 0_usize..900, to in any::<u8>()) {
        let mut bytes = request(vec![process(7, "nginx"), process(8, "b")]).encode_to_vec();
        let at = at % bytes.len();
        bytes[at] = to;
        let bytes = Bytes::from(bytes);
        if let (Ok(batch), Ok(decoded)) = (Batch::parse(bytes.clone()), ExportMetricsServiceRequest::decode(bytes)) {
            let homes = vec![true; batch.resources().len()];
            let all: Vec<_> = batch.encode(Keep::Homes(&homes)).bytes.to_vec();
            // Compared as text: a NaN does not equal itself.
            prop_assert_eq!(format!("{:?}", ExportMetricsServiceRequest::decode(&all[..]).unwrap()), format!("{decoded:?}"));
        }
    }
}

/// All that is read of a resource, its points' identities included.
fn rows_in_words(batch: &Batch, resource: &ResourceRow) -> Vec<String> {
    let attributes = |rows: Rows| {
        let rows = batch.attributes(rows).iter();
        rows.map(|row| format!("{:?}={:?}", batch.bytes(row.key), batch.value(row.value))).collect::<Vec<_>>()
    };
    let texts = |spans: &[Span]| spans.iter().map(|span| batch.text(*span).to_owned()).collect::<Vec<_>>();
    let mut words = vec![format!("{:?}", attributes(resource.attrs))];
    for scope in batch.scopes(resource) {
        let own = texts(&[scope.name, scope.version, scope.schema_url]);
        words.push(format!("{own:?} {:?} {:?}", attributes(scope.attrs), batch.bytes(scope.own)));
        for metric in batch.metrics(scope) {
            let own = texts(&[metric.name, metric.description, metric.unit]);
            let MetricRow { kind, temporality, monotonic, data, .. } = *metric;
            words.push(format!("{own:?} {kind:?} {temporality} {monotonic} {:?}", batch.bytes(data)));
            for point in batch.points(metric) {
                let PointRow { time, start, value, flags, identity, home, .. } = *point;
                let own = (time, start, value, flags, identity, batch.bytes(point.raw));
                let home = &batch.resources()[home as usize];
                words.push(format!("{own:?} {:?} {:?}", attributes(point.attrs), attributes(home.attrs)));
            }
        }
    }
    words
}

#[test]
fn a_scope_that_repeats_the_one_before_but_for_times_and_values_is_not_read_again() {
    let mut later = process(8, "b");
    if let Some(metric::Data::Sum(sum)) = &mut later.scope_metrics[0].metrics[0].data {
        (sum.data_points[1].time_unix_nano, sum.data_points[1].start_time_unix_nano) = (10, 6);
        sum.data_points[1].value = Some(number_data_point::Value::AsDouble(-7.0));
    }
    let batch = parse(&request(vec![process(7, "nginx"), later]));
    let repetitions: Vec<bool> = batch.scopes.iter().map(|scope| scope.touched.is_repetition()).collect();
    assert_eq!(repetitions, [false, true]);
    let point = &batch.points(&batch.metrics(&batch.scopes[1])[0])[1];
    assert_eq!((point.time, point.start, point.value), (10, 6, Number::Double(-7.0)));
    assert_eq!((batch.inputs(point), point.home), (Inputs::One(5), 1));
}

proptest! {
    #[test]
    fn what_stood_before_changes_nothing_of_how_a_resource_is_read(at in 0_usize..2000, to in any::<u8>()) {
        let mut alone = request(vec![process(8, "b")]).encode_to_vec();
        let at = at % alone.len();
        alone[at] = to;
        let before = request(vec![process(6, "redis"), process(7, "nginx")]).encode_to_vec();
        let together = Batch::parse([before, alone.clone()].concat().into());
        match (Batch::parse(alone.into()), together) {
            (Ok(mut alone), Ok(mut together)) => {
                alone.identify();
                together.identify();
                let words = |batch: &Batch, skipped: usize| -> Vec<_> {
                    batch.resources().iter().skip(skipped).map(|row| rows_in_words(batch, row)).collect()
                };
                prop_assert_eq!(words(&alone, 0), words(&together, 2));
            }
            (alone, together) => prop_assert_eq!(alone.err().map(|e| e.what), together.err().map(|e| e.what)),
        }
    }
}

/// The vectors were derived by `proto/testdata/identity_v1.py`, which shares no code with this crate.
#[test]
fn identities_are_those_of_the_golden_vectors() {
    let golden = include_str!("../../../proto/testdata/identity-v1.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    assert_eq!(golden["version"], identity::VERSION);
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let hex = case["request"].as_str().unwrap();
        let digits = hex.as_bytes().chunks(2);
        let bytes: Vec<u8> =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        let mut batch = Batch::parse(bytes.into()).unwrap();
        batch.identify();
        let found = format!("{:032x}", identities(&batch)[0]);
        assert_eq!(found, case["identity"], "{}", case["name"]);
    }
}

#[test]
fn a_narrowed_batch_is_that_of_the_resources_that_are_kept_and_homes_still_count_in_it() {
    let all = ExportMetricsServiceRequest {
        resource_metrics: (0..6).map(|pid| process(pid, if pid % 2 == 0 { "even" } else { "odd" })).collect(),
    };
    let keeps = [false, true, false, false, true, true];
    let few = all.resource_metrics.iter().zip(keeps).filter(|(_, kept)| *kept).map(|(one, _)| one.clone());
    let few = ExportMetricsServiceRequest { resource_metrics: few.collect() }.encode_to_vec();
    for identified in [false, true] {
        let mut input = Batch::parse(all.encode_to_vec().into()).expect("a request");
        let mut alone = Batch::parse(few.clone().into()).expect("a request");
        alone.identify();
        if identified {
            input.identify();
        }
        let mut whole_output = Batch::default();
        whole_output.copy_from(&input);
        for batch in [&mut input, &mut whole_output] {
            batch.narrow(&keeps);
            batch.identify();
        }
        let mut copy = Batch::default();
        copy.copy_from(&input);
        assert_eq!((input.resources().len(), copy.resources().len()), (6, 3));
        for batch in [&input, &whole_output, &copy] {
            assert_eq!(batch.encode(Keep::All).bytes, few, "identified before: {identified}");
            assert_eq!((batch.encoded_len(), batch.point_count()), (few.len(), alone.point_count()));
            let owned = |batch: &Batch| -> Vec<PointRow> {
                let scopes = batch.resources().iter().flat_map(|resource| batch.scopes(resource));
                let metrics = scopes.flat_map(|scope| batch.metrics(scope));
                metrics.flat_map(|metric| batch.points(metric)).copied().collect()
            };
            let of = |points: &[PointRow]| points.iter().map(|point| point.identity).collect::<Vec<_>>();
            let points = owned(batch);
            assert_eq!(of(&points), of(&owned(&alone)));
            for point in points {
                let Inputs::One(from) = batch.inputs(&point) else { panic!("one input") };
                assert_eq!(input.all_points()[from as usize].identity, point.identity);
                assert!(keeps[point.home as usize]);
            }
        }
    }
}
