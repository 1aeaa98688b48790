//! OTLP/JSON to protobuf, by a table of OTLP's fields, and what makes two requests equal.

use base64::Engine as _;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use serde_json::Value;

type Fields = &'static [(&'static str, u32, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Message(fn() -> Fields),
    Text,
    Bool,
    Varint,
    Zigzag,
    Fixed64,
    Double,
    Bytes,
    Hex,
}

use Kind::{Bool, Bytes, Double, Fixed64, Hex, Message, Text, Varint, Zigzag};

fn request() -> Fields {
    &[("resourceMetrics", 1, Message(resource_metrics))]
}
fn resource_metrics() -> Fields {
    &[("resource", 1, Message(resource)), ("scopeMetrics", 2, Message(scope_metrics)), ("schemaUrl", 3, Text)]
}
fn resource() -> Fields {
    &[("attributes", 1, Message(key_value)), ("droppedAttributesCount", 2, Varint)]
}
fn scope_metrics() -> Fields {
    &[("scope", 1, Message(scope)), ("metrics", 2, Message(metric)), ("schemaUrl", 3, Text)]
}
fn scope() -> Fields {
    &[
        ("name", 1, Text),
        ("version", 2, Text),
        ("attributes", 3, Message(key_value)),
        ("droppedAttributesCount", 4, Varint),
    ]
}
fn metric() -> Fields {
    &[
        ("name", 1, Text),
        ("description", 2, Text),
        ("unit", 3, Text),
        ("gauge", 5, Message(numbers)),
        ("sum", 7, Message(numbers)),
        ("histogram", 9, Message(histogram)),
        ("exponentialHistogram", 10, Message(exponential_histogram)),
        ("summary", 11, Message(summary)),
        ("metadata", 12, Message(key_value)),
    ]
}
fn numbers() -> Fields {
    &[("dataPoints", 1, Message(number)), ("aggregationTemporality", 2, Varint), ("isMonotonic", 3, Bool)]
}
fn histogram() -> Fields {
    &[("dataPoints", 1, Message(histogram_point)), ("aggregationTemporality", 2, Varint)]
}
fn exponential_histogram() -> Fields {
    &[("dataPoints", 1, Message(exponential_point)), ("aggregationTemporality", 2, Varint)]
}
fn summary() -> Fields {
    &[("dataPoints", 1, Message(summary_point))]
}
fn number() -> Fields {
    &[
        ("attributes", 7, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed64),
        ("timeUnixNano", 3, Fixed64),
        ("asDouble", 4, Double),
        ("asInt", 6, Fixed64),
        ("exemplars", 5, Message(exemplar)),
        ("flags", 8, Varint),
    ]
}
fn histogram_point() -> Fields {
    &[
        ("attributes", 9, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed64),
        ("timeUnixNano", 3, Fixed64),
        ("count", 4, Fixed64),
        ("sum", 5, Double),
        ("bucketCounts", 6, Fixed64),
        ("explicitBounds", 7, Double),
        ("exemplars", 8, Message(exemplar)),
        ("flags", 10, Varint),
        ("min", 11, Double),
        ("max", 12, Double),
    ]
}
fn exponential_point() -> Fields {
    &[
        ("attributes", 1, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed64),
        ("timeUnixNano", 3, Fixed64),
        ("count", 4, Fixed64),
        ("sum", 5, Double),
        ("scale", 6, Zigzag),
        ("zeroCount", 7, Fixed64),
        ("positive", 8, Message(buckets)),
        ("negative", 9, Message(buckets)),
        ("flags", 10, Varint),
        ("exemplars", 11, Message(exemplar)),
        ("min", 12, Double),
        ("max", 13, Double),
        ("zeroThreshold", 14, Double),
    ]
}
fn buckets() -> Fields {
    &[("offset", 1, Zigzag), ("bucketCounts", 2, Varint)]
}
fn summary_point() -> Fields {
    &[
        ("attributes", 7, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed64),
        ("timeUnixNano", 3, Fixed64),
        ("count", 4, Fixed64),
        ("sum", 5, Double),
        ("quantileValues", 6, Message(quantile)),
        ("flags", 8, Varint),
    ]
}
fn quantile() -> Fields {
    &[("quantile", 1, Double), ("value", 2, Double)]
}
fn exemplar() -> Fields {
    &[
        ("filteredAttributes", 7, Message(key_value)),
        ("timeUnixNano", 2, Fixed64),
        ("asDouble", 3, Double),
        ("asInt", 6, Fixed64),
        ("spanId", 4, Hex),
        ("traceId", 5, Hex),
    ]
}
fn key_value() -> Fields {
    &[("key", 1, Text), ("value", 2, Message(any_value))]
}
fn any_value() -> Fields {
    &[
        ("stringValue", 1, Text),
        ("boolValue", 2, Bool),
        ("intValue", 3, Varint),
        ("doubleValue", 4, Double),
        ("arrayValue", 5, Message(array)),
        ("kvlistValue", 6, Message(key_values)),
        ("bytesValue", 7, Bytes),
    ]
}
fn array() -> Fields {
    &[("values", 1, Message(any_value))]
}
fn key_values() -> Fields {
    &[("values", 1, Message(key_value))]
}

/// Encodes an `ExportMetricsServiceRequest`.
pub fn encode(json: &Value) -> Vec<u8> {
    message(json, request())
}

fn message(json: &Value, fields: Fields) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in json.as_object().expect("an object") {
        let found = fields.iter().find(|(known, ..)| known == name);
        let (_, number, kind) = found.unwrap_or_else(|| panic!("OTLP has no {name} here"));
        match (kind, value) {
            (Message(fields), Value::Array(items)) => {
                items.iter().for_each(|item| delimited(&mut out, *number, &message(item, fields())));
            }
            (Message(fields), one) => delimited(&mut out, *number, &message(one, fields())),
            (_, Value::Array(items)) => items.iter().for_each(|item| scalar(&mut out, *number, *kind, item)),
            (_, one) => scalar(&mut out, *number, *kind, one),
        }
    }
    out
}

fn scalar(out: &mut Vec<u8>, number: u32, kind: Kind, value: &Value) {
    let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let integer = || text().parse::<i128>().expect("an integer");
    match kind {
        Text => delimited(out, number, text().as_bytes()),
        Bytes => delimited(out, number, &base64::prelude::BASE64_STANDARD.decode(text()).expect("base64")),
        Hex => {
            let digits: Vec<u8> = text().bytes().collect();
            let byte =
                |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
            delimited(out, number, &digits.chunks(2).map(byte).collect::<Vec<_>>());
        }
        Bool => tagged(out, number, value.as_bool().expect("a boolean").into()),
        Varint => tagged(out, number, integer() as u64),
        Zigzag => {
            let number_value = integer() as i32;
            tagged(out, number, u64::from(((number_value << 1) ^ (number_value >> 31)) as u32));
        }
        Fixed64 => {
            varint(out, u64::from(number << 3 | 1));
            out.extend((integer() as u64).to_le_bytes());
        }
        Double => {
            varint(out, u64::from(number << 3 | 1));
            let double = match text().as_str() {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                number => number.parse().expect("a number"),
            };
            out.extend(double.to_le_bytes());
        }
        Message(_) => unreachable!("messages are written elsewhere"),
    }
}

fn tagged(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, u64::from(number << 3));
    varint(out, value);
}

fn delimited(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    varint(out, u64::from(number << 3 | 2));
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Decodes a request into the form in which equal ones are equal texts: multisets in order, maps by key.
pub fn canonical(bytes: &[u8]) -> String {
    let mut request = ExportMetricsServiceRequest::decode(bytes).expect("an encoded request");
    for resource in &mut request.resource_metrics {
        if let Some(own) = &mut resource.resource {
            sort_map(&mut own.attributes);
        }
        resource.resource.get_or_insert_default();
        for scope in &mut resource.scope_metrics {
            sort_map(&mut scope.scope.get_or_insert_default().attributes);
            for metric in &mut scope.metrics {
                sort_map(&mut metric.metadata);
                metric.data.iter_mut().for_each(sort_data);
            }
            sort(&mut scope.metrics);
        }
        sort(&mut resource.scope_metrics);
    }
    sort(&mut request.resource_metrics);
    format!("{request:#?}")
}

fn sort_data(data: &mut Data) {
    macro_rules! points {
        ($data:expr $(, $exemplars:ident)?) => {{
            for point in &mut $data.data_points {
                sort_map(&mut point.attributes);
                $(for exemplar in &mut point.$exemplars {
                    sort_map(&mut exemplar.filtered_attributes);
                }
                sort(&mut point.$exemplars);)?
            }
            sort(&mut $data.data_points);
        }};
    }
    match data {
        Data::Gauge(gauge) => points!(gauge, exemplars),
        Data::Sum(sum) => points!(sum, exemplars),
        Data::Histogram(histogram) => points!(histogram, exemplars),
        Data::ExponentialHistogram(histogram) => {
            for point in &mut histogram.data_points {
                // Buckets without a field are as good as none.
                point.positive.get_or_insert_default();
                point.negative.get_or_insert_default();
            }
            points!(histogram, exemplars);
        }
        Data::Summary(summary) => points!(summary),
    }
}

fn sort<T: std::fmt::Debug>(items: &mut [T]) {
    items.sort_by_cached_key(|item| format!("{item:?}"));
}

fn sort_map(map: &mut [KeyValue]) {
    for entry in map.iter_mut() {
        // A missing value and an empty one are the same.
        sort_value(entry.value.get_or_insert_default());
    }
    map.sort_by(|a, b| a.key.cmp(&b.key));
}

fn sort_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Any::KvlistValue(list)) => sort_map(&mut list.values),
        Some(Any::ArrayValue(list)) => list.values.iter_mut().for_each(sort_value),
        _ => {}
    }
}
