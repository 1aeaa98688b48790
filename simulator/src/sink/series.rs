//! Tells series apart, independently of the code under test.
//!
//! Two points belong to one series iff their resource attributes, scope (name, version, attributes), metric
//! name, unit, type, temporality and monotonicity, and point attributes are equal, as sets and with their
//! types. These keys are the sink's own: they name the same classes as the contract's identities, by other
//! numbers, so that a mistake in one cannot hide in the other.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ScopeMetrics, metric::Data};
use xxhash_rust::xxh3::xxh3_128;

/// One point, told from every other by its series and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointKey {
    /// The series.
    pub series: u128,
    /// The point's `time_unix_nano`.
    pub time_unix_nano: u64,
}

impl PointKey {
    /// Both in 128 bits.
    pub(super) fn digest(self) -> u128 {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.series.to_le_bytes());
        bytes[16..].copy_from_slice(&self.time_unix_nano.to_le_bytes());
        xxh3_128(&bytes)
    }
}

/// The keys of every point of a request, in its order.
pub fn point_keys(request: &ExportMetricsServiceRequest) -> Vec<PointKey> {
    let mut keys = Vec::new();
    for resource_metrics in &request.resource_metrics {
        let mut prefix = Vec::new();
        put_attributes(&mut prefix, resource_metrics.resource.as_ref().map_or(&[][..], |r| &r.attributes));
        for scope_metrics in &resource_metrics.scope_metrics {
            let mut prefix = prefix.clone();
            put_scope(&mut prefix, scope_metrics);
            let scope = xxh3_128(&prefix);
            for metric in &scope_metrics.metrics {
                metric_keys(scope, metric, &mut keys);
            }
        }
    }
    keys
}

/// The five kinds of points share their fields' names, but no trait.
macro_rules! points {
    ($push:ident, $data:ident) => {
        for point in &$data.data_points {
            $push(&point.attributes, point.time_unix_nano);
        }
    };
}

fn metric_keys(scope: u128, metric: &Metric, keys: &mut Vec<PointKey>) {
    let Some(data) = &metric.data else { return };
    let (kind, temporality, monotonic) = match data {
        Data::Gauge(_) => (1, 0, false),
        Data::Sum(sum) => (2, sum.aggregation_temporality, sum.is_monotonic),
        Data::Histogram(histogram) => (3, histogram.aggregation_temporality, false),
        Data::ExponentialHistogram(histogram) => (4, histogram.aggregation_temporality, false),
        Data::Summary(_) => (5, 0, false),
    };
    let mut prefix = scope.to_le_bytes().to_vec();
    put_text(&mut prefix, &metric.name);
    put_text(&mut prefix, &metric.unit);
    prefix.push(kind);
    prefix.extend(temporality.to_le_bytes());
    prefix.push(u8::from(monotonic));
    let shared = prefix.len();
    let mut push = |attributes: &[KeyValue], time_unix_nano| {
        prefix.truncate(shared);
        put_attributes(&mut prefix, attributes);
        keys.push(PointKey { series: xxh3_128(&prefix), time_unix_nano });
    };
    match data {
        Data::Gauge(gauge) => points!(push, gauge),
        Data::Sum(sum) => points!(push, sum),
        Data::Histogram(histogram) => points!(push, histogram),
        Data::ExponentialHistogram(histogram) => points!(push, histogram),
        Data::Summary(summary) => points!(push, summary),
    }
}

fn put_scope(out: &mut Vec<u8>, scope_metrics: &ScopeMetrics) {
    let scope = scope_metrics.scope.as_ref();
    put_text(out, scope.map_or("", |s| &s.name));
    put_text(out, scope.map_or("", |s| &s.version));
    put_attributes(out, scope.map_or(&[][..], |s| &s.attributes));
}

/// Attributes as a set: each written on its own, then sorted.
fn put_attributes(out: &mut Vec<u8>, attributes: &[KeyValue]) {
    put_length(out, attributes.len());
    if let [only] = attributes {
        // Most points have one attribute, and the sink must keep up with what it judges.
        return put_attribute(out, only);
    }
    let write = |attribute| {
        let mut written = Vec::with_capacity(64);
        put_attribute(&mut written, attribute);
        written
    };
    let mut written: Vec<Vec<u8>> = attributes.iter().map(write).collect();
    written.sort_unstable();
    written.iter().for_each(|bytes| out.extend(bytes));
}

fn put_attribute(out: &mut Vec<u8>, attribute: &KeyValue) {
    put_text(out, &attribute.key);
    put_value(out, attribute.value.as_ref());
}

fn put_value(out: &mut Vec<u8>, value: Option<&AnyValue>) {
    match value.and_then(|v| v.value.as_ref()) {
        None => out.push(0),
        Some(Value::StringValue(text)) => {
            out.push(1);
            put_text(out, text);
        }
        Some(Value::BoolValue(value)) => out.extend([2, u8::from(*value)]),
        Some(Value::IntValue(value)) => {
            out.push(3);
            out.extend(value.to_le_bytes());
        }
        Some(Value::DoubleValue(value)) => {
            out.push(4);
            out.extend(value.to_bits().to_le_bytes());
        }
        Some(Value::ArrayValue(array)) => {
            out.push(5);
            put_length(out, array.values.len());
            array.values.iter().for_each(|value| put_value(out, Some(value)));
        }
        Some(Value::KvlistValue(list)) => {
            out.push(6);
            put_attributes(out, &list.values);
        }
        Some(Value::BytesValue(bytes)) => {
            out.push(7);
            put_length(out, bytes.len());
            out.extend(bytes);
        }
        Some(Value::StringValueStrindex(index)) => {
            out.push(8);
            out.extend(index.to_le_bytes());
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend(text.as_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u64).to_le_bytes());
}
