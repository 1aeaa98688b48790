//! Points that are told apart, sent and found again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use e2e::reporter::now;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use recount::Arrival;
use recount::point::points;
use recount::series::Series;
use tonic::transport::Channel;

/// The metric of the numbered points.
const NUMBERED: &str = "test.numbered";
/// Points of a request.
const EACH: i64 = 10;

/// A sender of points that are numbered from 0.
#[derive(Debug)]
pub struct Numbered {
    client: MetricsServiceClient<Channel>,
    /// Number of points that were accepted.
    pub sent: i64,
}

impl Numbered {
    /// A sender to a gRPC receiver.
    pub async fn to(endpoint: String) -> Result<Self> {
        Ok(Self { client: e2e::traffic::client(&endpoint).await?, sent: 0 })
    }

    /// Sends as many requests, each of which must be accepted.
    pub async fn send(&mut self, requests: usize) -> Result<()> {
        for _ in 0..requests {
            let points = (self.sent..self.sent + EACH).map(point).collect();
            let data = Some(metric::Data::Gauge(Gauge { data_points: points }));
            let metrics = vec![Metric { name: NUMBERED.to_owned(), data, ..Default::default() }];
            let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
            let attributes = vec![text("service.name", "numbered")];
            let resource = Some(Resource { attributes, ..Default::default() });
            let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
            self.client.export(ExportMetricsServiceRequest { resource_metrics }).await?;
            self.sent += EACH;
        }
        Ok(())
    }
}

fn point(number: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![text("number", &number.to_string())],
        time_unix_nano: now(),
        value: Some(number_data_point::Value::AsInt(number)),
        ..Default::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

/// How often each point arrived, by its series and time.
pub fn counted(arrivals: &[Arrival]) -> BTreeMap<(Arc<Series>, u64), usize> {
    let mut counts = BTreeMap::new();
    for (_, request) in arrivals {
        for point in points(request) {
            *counts.entry((point.series, point.time)).or_default() += 1;
        }
    }
    counts
}

/// Number of the numbered points among them.
pub fn numbered(counts: &BTreeMap<(Arc<Series>, u64), usize>) -> i64 {
    let found = counts.keys().filter(|(series, _)| series.metric == NUMBERED);
    i64::try_from(found.count()).unwrap_or(i64::MAX)
}
