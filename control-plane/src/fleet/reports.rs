//! ReportService: takes results in, each once, and says what became of it.

use std::pin::Pin;
use std::time::Duration;

use proto::generation::hex;
use proto::v1::report_service_server::{ReportService, ReportServiceServer};
use proto::v1::{ReportAck, ReportKey, ReportRequest, ReportStatus};
use proto::{Findings, Invalid};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::actions::enroll::{self, AgentIdentity, EnrolError};
use crate::experiment::{ExperimentId, Quantity};
use crate::state::AppState;
use crate::store::windows::{self, Filed, Key};
use crate::store::{StoreError, experiments, generations};

/// Acknowledgements that wait to be read.
const ACKS: usize = 16;
/// Time by which an agent's clock may be ahead of ours, besides its window.
const AHEAD: Duration = Duration::from_secs(5);
/// The longest a boot id may be: a UUID's text.
const BOOT_ID: usize = 36;

/// See the module.
#[derive(Debug, Clone)]
pub struct Reports {
    state: AppState,
}

/// The service.
pub fn service(state: AppState) -> ReportServiceServer<Reports> {
    ReportServiceServer::new(Reports { state })
        .accept_compressed(CompressionEncoding::Zstd)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(proto::MAX_BODY + 4_096)
}

type Acks = Pin<Box<dyn tokio_stream::Stream<Item = Result<ReportAck, Status>> + Send>>;

#[tonic::async_trait]
impl ReportService for Reports {
    type ReportStream = Acks;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Acks>, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.ok_or_else(|| Status::unauthenticated("a valid bearer token is needed"))?;
        let agent = enroll::authenticate(&self.state, bearer).await.map_err(|error| match error {
            EnrolError::Store(_) => Status::unavailable("the store failed"),
            error => Status::unauthenticated(error.to_string()),
        })?;
        let (sender, acks) = mpsc::channel(ACKS);
        tokio::spawn(take(self.state.clone(), agent, request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(acks))))
    }
}

async fn take(
    state: AppState,
    agent: AgentIdentity,
    mut reports: Streaming<ReportRequest>,
    acks: mpsc::Sender<Result<ReportAck, Status>>,
) {
    loop {
        let report = tokio::select! {
            report = reports.message() => report,
            () = state.stopped() => return,
        };
        let report = match report {
            Ok(Some(report)) => report,
            Ok(None) => return,
            Err(status) => {
                unreadable(&state, &acks, status).await;
                return;
            }
        };
        let key = report.key.clone();
        let (status, reason) = match file(&state, &agent, report).await {
            Ok(()) => (ReportStatus::Accepted, String::new()),
            Err(Refusal::Known) => (ReportStatus::Duplicate, String::new()),
            Err(Refusal::Never(why, reason)) => {
                state.metrics.rejected_report(why);
                tracing::warn!(agent = %agent.uid, why, reason, "a report is rejected");
                (ReportStatus::Rejected, reason)
            }
            Err(Refusal::NotNow(error)) => {
                tracing::error!(%error, "a report could not be filed");
                (ReportStatus::Retry, "the store failed".to_owned())
            }
        };
        state.metrics.reported(status.as_str_name());
        if acks.send(Ok(ReportAck { key, status: status.into(), reason })).await.is_err() {
            return;
        }
    }
}

/// Bytes that are no message of ours, or too many for one, end the stream: where the next one begins is not known. A stream
/// that the agent's end broke off is nothing that anybody has to be told.
async fn unreadable(state: &AppState, acks: &mpsc::Sender<Result<ReportAck, Status>>, status: Status) {
    if matches!(
        status.code(),
        Code::OutOfRange | Code::ResourceExhausted | Code::Internal | Code::InvalidArgument
    ) {
        state.metrics.rejected_report("encoding");
        // It may be gone already.
        let _ = acks.send(Err(status)).await;
    }
}

/// Reason for which a report is not filed.
enum Refusal {
    Known,
    /// In a word that it is counted by, and for a person.
    Never(&'static str, String),
    NotNow(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::NotNow(error)
    }
}

fn never<T>(why: &'static str, reason: &str) -> Result<T, Refusal> {
    Err(Refusal::Never(why, reason.to_owned()))
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Never(invalid.word(), invalid.to_string())
    }
}

/// Figures that vary by chance, as relative errors: time for a point, and what 99 of 100 batches wait.
fn varying(horizon: &observe::Comparison) -> [Option<f64>; 2] {
    [Quantity::NanosPerPoint, Quantity::LatencyP99]
        .map(|quantity| quantity.of(None, horizon).filter(|error| error.is_finite()))
}

async fn file(state: &AppState, agent: &AgentIdentity, report: ReportRequest) -> Result<(), Refusal> {
    let Some(ReportKey { boot_id, experiment, generation, window_start }) = report.key else {
        return never("key", "the key is missing");
    };
    let findings = Findings::decode(&report.body, &report.digest)?;
    let Ok(id) = experiment.parse::<ExperimentId>() else {
        return never("key", "the experiment is no UUID");
    };
    if boot_id.is_empty() || boot_id.len() > BOOT_ID {
        return never("key", "boot_id is no UUID");
    }
    let (Ok(generation), Ok(start), Ok(end)) =
        (i64::try_from(generation), i64::try_from(window_start), i64::try_from(findings.window_end))
    else {
        return never("key", "a number is out of range");
    };
    let now = state.clock.now();
    let mut tx = state.store.begin().await?;
    let Some(experiment) = experiments::get(&mut tx, agent.tenant_id, id).await? else {
        return never("experiment", "there is no such experiment");
    };
    let ahead = now.plus(experiment.spec.window + AHEAD).0.saturating_mul(1_000_000);
    if end <= start || end > ahead {
        return never("time", "the window lies in the future, or ends before it begins");
    }
    let offered = generations::get(&mut tx, agent.tenant_id, agent.uid, generation).await?;
    let step = offered.filter(|offered| offered.experiment_id == Some(id)).and_then(|offered| offered.step);
    let Some(step) = step else {
        return never("generation", "this agent runs no such generation of this experiment");
    };
    let key = Key {
        tenant_id: agent.tenant_id,
        experiment_id: id,
        agent: agent.uid,
        boot_id: &boot_id,
        generation,
        window_start: start,
    };
    let digest = hex(&report.digest);
    match windows::insert(
        &mut tx,
        &key,
        (end, &step),
        (&digest, &report.body),
        varying(&findings.horizon),
        now,
    )
    .await?
    {
        Filed::New => {
            tx.commit().await?;
            state.hub.analyse.notify_one();
            state.hub.happened();
            Ok(())
        }
        Filed::Again => Err(Refusal::Known),
        Filed::Other => never("content", "another content was reported under this key"),
        Filed::Overlaps => never("overlap", "a part of this stretch was reported already, under another key"),
    }
}
