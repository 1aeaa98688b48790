//! An OTLP/gRPC server that records what it gets and answers as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Answer of the sink to a metrics request.
#[derive(Clone, Debug)]
pub enum Script {
    Fail(Status),
    Reject(i64),
    Hang,
}

#[derive(Clone, Default)]
pub struct Sink {
    pub metrics: Arc<Mutex<Vec<(MetadataMap, ExportMetricsServiceRequest)>>>,
    pub traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    pub logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    script: Arc<Mutex<VecDeque<Script>>>,
    attempts: Arc<Mutex<usize>>,
}

impl Sink {
    /// Serves on a port of its own.
    pub async fn start() -> (Self, SocketAddr) {
        let sink = Self::default();
        let address = sink.serve("127.0.0.1:0".parse().expect("address"));
        (sink, address)
    }

    pub fn serve(&self, address: SocketAddr) -> SocketAddr {
        let incoming = TcpIncoming::bind(address).expect("bind");
        let address = incoming.local_addr().expect("address");
        macro_rules! both {
            ($service:expr) => {
                $service
                    .accept_compressed(CompressionEncoding::Gzip)
                    .accept_compressed(CompressionEncoding::Zstd)
            };
        }
        let server = Server::builder()
            .add_service(both!(MetricsServiceServer::new(self.clone())))
            .add_service(both!(TraceServiceServer::new(self.clone())))
            .add_service(both!(LogsServiceServer::new(self.clone())));
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }

    /// The next metrics requests are answered like this, those after them with success.
    pub fn script(&self, script: impl IntoIterator<Item = Script>) {
        self.script.lock().expect("lock").extend(script);
    }

    pub fn attempts(&self) -> usize {
        *self.attempts.lock().expect("lock")
    }

    /// Arrivals, as (variant, generation, process, value) of every point.
    pub fn points(&self) -> Vec<(String, u64, i64, i64)> {
        let mut points = Vec::new();
        for (metadata, request) in self.metrics.lock().expect("lock").iter() {
            let text = |key| metadata.get(key).and_then(|value| value.to_str().ok()).expect("metadata");
            let (variant, generation) =
                (text("x-phoenix-variant"), text("x-phoenix-generation").parse().expect("number"));
            for resource in &request.resource_metrics {
                let pid = pid(resource);
                for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                    let data_points = match &metric.data {
                        Some(Data::Gauge(gauge)) => &gauge.data_points,
                        Some(Data::Sum(sum)) => &sum.data_points,
                        other => panic!("expected a gauge or a sum, got {other:?}"),
                    };
                    points.extend(data_points.iter().map(|point| {
                        let Some(Number::AsInt(value)) = point.value else { panic!("expected an int") };
                        (variant.to_owned(), generation, pid, value)
                    }));
                }
            }
        }
        points
    }

    pub fn received(&self) -> usize {
        self.metrics.lock().expect("lock").len()
    }
}

fn pid(resource: &ResourceMetrics) -> i64 {
    let attributes = resource.resource.as_ref().map(|resource| resource.attributes.as_slice());
    let mut attributes = attributes.unwrap_or_default().iter();
    let pid = attributes.find(|attribute| attribute.key == "process.pid").and_then(|pid| pid.value.clone());
    match pid.and_then(|pid| pid.value) {
        Some(Value::IntValue(pid)) => pid,
        other => panic!("expected a pid, got {other:?}"),
    }
}

#[tonic::async_trait]
impl MetricsService for Sink {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        *self.attempts.lock().expect("lock") += 1;
        let scripted = self.script.lock().expect("lock").pop_front();
        let mut response = ExportMetricsServiceResponse::default();
        match scripted {
            Some(Script::Fail(status)) => return Err(status),
            Some(Script::Hang) => std::future::pending().await,
            Some(Script::Reject(rejected_data_points)) => {
                let error_message = "too old".into();
                response.partial_success =
                    Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
            }
            None => {}
        }
        let (metadata, _, message) = request.into_parts();
        self.metrics.lock().expect("lock").push((metadata, message));
        Ok(Response::new(response))
    }
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Sink {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}
