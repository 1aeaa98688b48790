//! The report stream: sends what is in the outbox, and settles what is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::v1::report_service_client::ReportServiceClient;
use proto::v1::{ReportAck, ReportRequest, ReportStatus};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::service_fn;

use super::credential::Proof;
use super::{Fleet, RETRY, pause};
use crate::engine::now;
use crate::net::{Backoff, Connector};

/// Reports on their way and not acknowledged; the stream's own flow control bounds the rest.
const IN_FLIGHT: usize = 8;
/// Time between two pings of a connection without traffic.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Keeps a stream open while there is something to tell, under the proof that was let in last.
pub async fn keep(fleet: Arc<Fleet>, mut let_in: watch::Receiver<Option<Proof>>) {
    let mut backoff = Backoff::new(RETRY);
    loop {
        // Nothing to tell: no stream.
        while fleet.outbox.counts().0 == 0 {
            fleet.outbox.filled.notified().await;
        }
        let proof = match let_in.wait_for(Option::is_some).await {
            Ok(proof) => proof.clone(),
            Err(_) => return,
        };
        let Some(proof) = proof else { continue };
        if let Err(status) = stream(&fleet, &proof, &mut backoff).await {
            // The session tells why, and finds out what to do about it.
            tracing::debug!(%status, "the report stream broke");
        }
        pause(&mut backoff, None).await;
    }
}

async fn stream(fleet: &Fleet, proof: &Proof, backoff: &mut Backoff) -> Result<(), Status> {
    let mut client =
        ReportServiceClient::new(connect(fleet).await?).send_compressed(CompressionEncoding::Zstd);
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let mut request = Request::new(ReceiverStream::new(receiver));
    let mut headers = http::HeaderMap::new();
    proof.put(&mut headers).map_err(|_| Status::internal("the credential is no header"))?;
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    let mut acks = client.report(request).await?.into_inner();
    fleet.outbox.restart();
    loop {
        // A place in the stream first: what is taken from the outbox is on its way.
        let ready = async {
            let place = sender.reserve().await.map_err(|_| Status::unavailable("the stream ended"))?;
            loop {
                if let Some(report) = fleet.outbox.next() {
                    return Ok::<_, Status>((place, report));
                }
                fleet.outbox.filled.notified().await;
            }
        };
        tokio::select! {
            sending = ready => {
                let (place, report) = sending?;
                place.send(ReportRequest { sent_at: now(), ..report });
            }
            ack = acks.message() => match ack? {
                Some(ack) => {
                    settle(fleet, &ack)?;
                    *backoff = Backoff::new(RETRY);
                }
                None => return Ok(()),
            },
        }
    }
}

fn settle(fleet: &Fleet, ack: &ReportAck) -> Result<(), Status> {
    let Some(key) = &ack.key else { return Ok(()) };
    if !ack.names_wanted.is_empty() {
        fleet.outbox.ask(&key.experiment, ack.names_wanted.clone());
    }
    match ack.status() {
        ReportStatus::Accepted | ReportStatus::Duplicate => fleet.outbox.settle(key, false),
        ReportStatus::Rejected => {
            tracing::warn!(generation = key.generation, reason = ack.reason, "a report was rejected");
            fleet.outbox.settle(key, true);
        }
        ReportStatus::Retry | ReportStatus::Unspecified => {
            return Err(Status::unavailable(ack.reason.clone()));
        }
    }
    Ok(())
}

async fn connect(fleet: &Fleet) -> Result<Channel, Status> {
    let unavailable = |error: String| Status::unavailable(error);
    let connector = Connector::new(fleet.control_plane.endpoint.clone(), "h2");
    let connector = Arc::new(connector.map_err(|error| unavailable(error.to_string()))?);
    // TLS is the connector's business; to tonic it is a plain stream.
    let origin = format!("http://{}", connector.authority());
    let endpoint = Endpoint::from_shared(origin).map_err(|error| unavailable(error.to_string()))?;
    let endpoint = endpoint
        .connect_timeout(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let dial = move |_| {
        let connector = Arc::clone(&connector);
        async move { connector.connect().await.map(TokioIo::new) }
    };
    endpoint.connect_with_connector(service_fn(dial)).await.map_err(|error| unavailable(error.to_string()))
}
