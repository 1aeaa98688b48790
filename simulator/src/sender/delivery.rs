//! Brings one request to its end: acknowledged, refused, or given up with its fate unknown.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::codec::EncodedRequests;
use super::retry::{Backoff, FailedAttempt};
use super::{SenderConfig, SenderCounts, SenderError};
use crate::live::Live;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const WINDOW_BYTES: u32 = 16 << 20;

#[derive(Debug)]
pub(super) struct Delivery {
    client: Grpc<Channel>,
    backoff: Backoff,
    counts: Live<SenderCounts>,
    endpoint: String,
    told: Told,
}

/// The failure that was told last: it is not repeated while it comes faster than people read.
#[derive(Debug)]
struct Told {
    tell: fn(&str),
    last: Option<(String, Instant)>,
}

/// Time within which a failure for the same reason is not told again.
const QUIET: Duration = Duration::from_secs(1);

impl Told {
    /// `wait` is the time before the next try, and the one until the last.
    fn failure(&mut self, endpoint: &str, why: &str, wait: Option<[Duration; 2]>) {
        let now = Instant::now();
        if self.last.as_ref().is_some_and(|(last, at)| last == why && now < *at + QUIET) {
            return;
        }
        let next = match wait {
            Some([wait, left]) => format!(
                "trying again in {:.1} s, and for {:.0} s at most",
                wait.as_secs_f64(),
                left.as_secs_f64()
            ),
            None => "given up".to_owned(),
        };
        (self.tell)(&format!("{endpoint} did not take a request: {why}; {next}"));
        self.last = Some((why.to_owned(), now));
    }
}

impl Delivery {
    pub fn new(config: &SenderConfig, counts: Live<SenderCounts>) -> Result<Self, SenderError> {
        let failed = |source| SenderError::Endpoint { endpoint: config.endpoint.clone(), source };
        let endpoint = Endpoint::from_shared(config.endpoint.clone()).map_err(failed)?;
        let channel = endpoint
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            // Before the attempt's own time-out, so that no connection is told from no answer.
            .connect_timeout(config.retry.attempt_timeout / 2)
            .connect_lazy();
        let mut client = Grpc::new(channel);
        if config.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let (backoff, endpoint) = (Backoff::new(config.retry.clone()), config.endpoint.clone());
        Ok(Self { client, backoff, counts, endpoint, told: Told { tell: config.tell, last: None } })
    }

    /// Sends until there is a final answer, the policy gives up, or, between two attempts, `stop` turns true
    /// or `end` comes before the next.
    pub async fn deliver(
        &mut self,
        request: Bytes,
        points: u64,
        end: Option<Instant>,
        stop: &mut watch::Receiver<bool>,
    ) {
        let start = Instant::now();
        let (mut sent, mut doubtful) = (false, false);
        self.counts.update(|counts| counts.bytes += request.len() as u64);
        for retry in 0.. {
            let answer = self.attempt(request.clone()).await;
            let connected = answer.as_ref().map_or_else(|failed| failed.connected, |_| true);
            self.counts.update(|counts| {
                counts.attempts += 1;
                counts.retries += u64::from(retry > 0);
                counts.sent += if connected && !sent { points } else { 0 };
            });
            sent |= connected;
            let failed = match answer {
                Ok(response) => return self.acknowledge(&response, points, doubtful),
                Err(failed) => failed,
            };
            doubtful |= failed.ambiguous;
            self.count_failure(&failed);
            let wait =
                self.backoff.wait(retry, failed.throttle, start.elapsed()).filter(|_| failed.retryable);
            let in_time = |wait: &Duration| end.is_none_or(|end| Instant::now() + *wait < end);
            let wait = wait.filter(in_time);
            let left = self.backoff.left(start.elapsed());
            let left = end.map_or(left, |end| left.min(end.saturating_duration_since(Instant::now())));
            self.told.failure(&self.endpoint, &failed.why, wait.map(|wait| [wait, left]));
            match wait {
                Some(wait) if pause(wait, stop).await => {}
                _ => return self.give_up(points, doubtful),
            }
        }
    }

    async fn attempt(&mut self, request: Bytes) -> Result<ExportMetricsServiceResponse, FailedAttempt> {
        let client = &mut self.client;
        let call = async {
            let not_ready = |error| Status::from_error(Box::new(error));
            client.ready().await.map_err(not_ready)?;
            let path = PathAndQuery::from_static(EXPORT);
            client.unary(Request::new(request), path, EncodedRequests).await
        };
        match tokio::time::timeout(self.backoff.attempt_timeout(), call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(FailedAttempt::of(&status)),
            Err(_) => Err(FailedAttempt::timeout()),
        }
    }

    /// A partial success is final too: what it rejects must not be sent again.
    fn acknowledge(&self, response: &ExportMetricsServiceResponse, points: u64, doubtful: bool) {
        let rejected =
            response.partial_success.as_ref().map_or(0, |p| p.rejected_data_points.max(0).unsigned_abs());
        let rejected = rejected.min(points);
        self.counts.update(|counts| {
            counts.acknowledged += points - rejected;
            counts.maybe_doubled += if doubtful { points - rejected } else { 0 };
        });
        self.give_up(rejected, doubtful);
    }

    fn give_up(&self, points: u64, doubtful: bool) {
        self.counts.update(|counts| {
            let fate = if doubtful { &mut counts.ambiguous } else { &mut counts.refused };
            *fate += points;
        });
    }

    fn count_failure(&self, failed: &FailedAttempt) {
        self.counts.update(|counts| {
            counts.ambiguous_attempts += u64::from(failed.ambiguous);
            *counts.failures.entry(failed.reason.clone()).or_default() += 1;
        });
    }
}

/// Waits before a retry; false when the sender is being stopped.
async fn pause(wait: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(wait) => true,
    }
}
