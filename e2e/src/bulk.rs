//! Requests of one point and many bytes.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The `n`th of them, of about so many bytes.
pub fn request(n: u64, bytes: usize) -> ExportMetricsServiceRequest {
    let text = |key: &str, text: String| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(text)) }),
        ..Default::default()
    };
    let point = NumberDataPoint { time_unix_nano: 1_767_225_600_000_000_000 + n, ..Default::default() };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: "bulk".into(), data, ..Default::default() };
    let attributes = vec![text("number", n.to_string()), text("filler", "x".repeat(bytes))];
    let resource = Some(Resource { attributes, ..Default::default() });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}
