//! The three OTLP services: each request is failed as injected, or counted and answered with full success.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_server::LogsService,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse, metrics_service_server::MetricsService,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, trace_service_server::TraceService,
};
use prost::Message;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::failures::{Failure, Failures, refusal};
use super::tally::{Metrics, OriginCounts, Tally};
use super::{Origin, SinkOptions};
use crate::live::Live;

#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub tally: Live<Tally>,
    pub failures: Live<Failures>,
    options: SinkOptions,
    stopping: watch::Receiver<bool>,
}

impl Receiver {
    pub fn new(options: SinkOptions, stopping: watch::Receiver<bool>) -> Self {
        let tally = Live::new(Tally::new(options.clone()));
        Self { tally, failures: Live::default(), options, stopping }
    }

    /// Fails the request as injected, or counts it with `count`.
    async fn receive(&self, count: impl FnOnce(&mut Tally)) -> Result<(), Status> {
        let failure = self.failures.update(Failures::next);
        match failure {
            None => self.tally.update(count),
            Some(Failure::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                self.tally.update(count);
            }
            Some(Failure::AcceptThenStall) => {
                self.tally.update(|tally| {
                    count(tally);
                    tally.count_failed_request();
                });
                return self.stall().await;
            }
            Some(failure) => {
                self.tally.update(Tally::count_failed_request);
                match refusal(failure) {
                    Some(status) => return Err(status),
                    None => return self.stall().await,
                }
            }
        }
        Ok(())
    }

    async fn stall(&self) -> Result<(), Status> {
        let _ = self.stopping.clone().wait_for(|stop| *stop).await;
        Err(Status::unavailable("stopping"))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let origin = Origin::of(request.metadata());
        let metrics = Metrics::of(request.get_ref(), &self.options);
        self.receive(|tally| tally.add_metrics(origin, &metrics)).await?;
        Ok(Response::new(ExportMetricsServiceResponse { partial_success: None }))
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let origin = Origin::of(request.metadata());
        let request = request.get_ref();
        let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
        let counts = OriginCounts {
            requests: 1,
            spans: scopes.map(|scope| scope.spans.len() as u64).sum(),
            bytes: request.encoded_len() as u64,
            ..OriginCounts::default()
        };
        self.receive(|tally| tally.add(origin, &counts)).await?;
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let origin = Origin::of(request.metadata());
        let request = request.get_ref();
        let scopes = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
        let counts = OriginCounts {
            requests: 1,
            log_records: scopes.map(|scope| scope.log_records.len() as u64).sum(),
            bytes: request.encoded_len() as u64,
            ..OriginCounts::default()
        };
        self.receive(|tally| tally.add(origin, &counts)).await?;
        Ok(Response::new(ExportLogsServiceResponse { partial_success: None }))
    }
}
