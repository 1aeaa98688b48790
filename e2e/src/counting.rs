//! Counters that are sent, and a destination that remembers each number that arrives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::{Request, Response, Status};

/// Time of the first scrape, Unix nanoseconds.
const FIRST: u64 = 1_767_225_600_000_000_000;

/// A scrape of so many processes, the `number`th, in which the counter of each stands at `value`. They began long before.
pub fn counters(processes: u64, number: u64, value: u64) -> ExportMetricsServiceRequest {
    let text = |key: &str, text: String| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(text)) }),
        ..Default::default()
    };
    let process = |pid: u64| {
        let point = NumberDataPoint {
            start_time_unix_nano: 1,
            time_unix_nano: FIRST + number * 10_000_000_000,
            value: Some(number_data_point::Value::AsInt(value as i64)),
            ..Default::default()
        };
        let sum = Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true };
        let metric = Metric { name: "counter".into(), data: Some(Data::Sum(sum)), ..Default::default() };
        let attributes =
            vec![text("process.executable.name", "counts".into()), text("process.pid", pid.to_string())];
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }
    };
    ExportMetricsServiceRequest { resource_metrics: (0..processes).map(process).collect() }
}

/// Number that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Attributes of its resource.
    pub series: String,
    /// Begin of what it counts, Unix nanoseconds.
    pub start: u64,
    /// End of it.
    pub time: u64,
    /// The number.
    pub value: i64,
}

/// A destination over gRPC that takes everything.
#[derive(Clone, Debug)]
pub struct Listener {
    address: SocketAddr,
    heard: Heard,
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Delta>>>);

impl Listener {
    /// Serves at a port of its own.
    pub async fn bind() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let (address, heard) = (listener.local_addr()?, Heard::default());
        let service = MetricsServiceServer::new(heard.clone()).max_decoding_message_size(64 << 20);
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Ok(Self { address, heard })
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All numbers so far, in the order in which they came.
    pub fn deltas(&self) -> Vec<Delta> {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl MetricsService for Heard {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_metrics {
            let series = format!("{:?}", resource.resource.unwrap_or_default().attributes);
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let Some(Data::Sum(sum)) = metric.data else { continue };
                heard.extend(sum.data_points.into_iter().map(|point| Delta {
                    series: series.clone(),
                    start: point.start_time_unix_nano,
                    time: point.time_unix_nano,
                    value: match point.value {
                        Some(number_data_point::Value::AsInt(value)) => value,
                        Some(number_data_point::Value::AsDouble(value)) => value as i64,
                        None => 0,
                    },
                }));
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
