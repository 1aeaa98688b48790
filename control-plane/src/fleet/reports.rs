//! ReportService: takes results in, each once, and says what became of it.

use std::pin::Pin;
use std::time::Duration;

use proto::v1::report_service_server::{ReportService, ReportServiceServer};
use proto::v1::{ReportAck, ReportKey, ReportRequest, ReportStatus};
use proto::{Findings, INSTANCE_UID};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::actions::enroll::{self, AgentIdentity, EnrollError};
use crate::actions::reports::{self, rejected};
use crate::actions::slices;
use crate::auth::Certificate;
use crate::experiment::ExperimentId;
use crate::http::{Shown, stream};
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::reports::{FilingError, Report};

/// Acknowledgements that wait to be read.
const ACKS: usize = 16;
/// The most characters that are kept of the reason of a refusal.
const REASON: usize = 200;
/// The longest a boot id may be: a UUID's text.
const BOOT_ID: usize = 36;
/// Time between two looks at whether the agent is still enrolled, where nothing wakes the stream.
const PERIOD: Duration = Duration::from_secs(30);

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
        let proof = Proof::of(&request)?;
        let agent = proof.holder(&self.state).await.map_err(|error| match error {
            EnrollError::Store(_) => Status::unavailable("the store failed"),
            error => Status::unauthenticated(error.to_string()),
        })?;
        let place = stream(request.extensions())?;
        let (sender, acks) = mpsc::channel(ACKS);
        let (state, last) = (self.state.clone(), sender.clone());
        tokio::spawn(async move {
            let _until_it_ends = place;
            tokio::select! {
                () = take(state.clone(), agent, request.into_inner(), sender) => {}
                // It may be gone already.
                ended = enrolled(&state, &proof) => drop(last.try_send(Err(ended))),
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(acks))))
    }
}

/// Proof of who reports.
enum Proof {
    Credential(String),
    Certificate(Certificate, AgentUid),
}

impl Proof {
    fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let text = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        if let Some(bearer) = text("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            return Ok(Self::Credential(bearer.to_owned()));
        }
        let Some(Shown(certificate)) = request.extensions().get() else {
            return Err(Status::unauthenticated("a valid bearer token is needed"));
        };
        let certificate = certificate.clone().map_err(|error| Status::unauthenticated(error.to_string()))?;
        let uid = text(INSTANCE_UID).and_then(|uid| uid.parse().ok()).map(AgentUid);
        let uid = uid.ok_or_else(|| {
            Status::unauthenticated(format!("{INSTANCE_UID} names the agent that comes by a certificate"))
        })?;
        Ok(Self::Certificate(certificate, uid))
    }

    async fn holder(&self, state: &AppState) -> Result<AgentIdentity, EnrollError> {
        match self {
            Self::Credential(bearer) => enroll::authenticate(state, bearer).await,
            Self::Certificate(certificate, _) if certificate.until <= state.clock.now() => {
                Err(EnrollError::Refused)
            }
            Self::Certificate(certificate, uid) => enroll::certified(state, certificate, *uid).await,
        }
    }
}

/// Returns when the proof is good no more. A store that fails for a moment says nothing of it.
async fn enrolled(state: &AppState, proof: &Proof) -> Status {
    let mut departures = state.hub.departures.subscribe();
    loop {
        // The hub lives as long as the state.
        let _woken_or_time = tokio::time::timeout(PERIOD, departures.changed()).await;
        if let Err(
            EnrollError::Unknown
            | EnrollError::Refused
            | EnrollError::Tenant(_)
            | EnrollError::Replaced { .. },
        ) = proof.holder(state).await
        {
            return Status::unauthenticated("the agent is enrolled no more");
        }
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
        let filed = if report.names.is_empty() {
            match read(report) {
                Ok(report) => reports::file(&state, &agent, report).await,
                Err(unfiled) => Err(unfiled),
            }
        } else {
            name(&state, &agent, report).await
        };
        let mut names_wanted = Vec::new();
        let (status, reason) = match filed {
            Ok(unnamed) => {
                names_wanted = unnamed;
                (ReportStatus::Accepted, String::new())
            }
            Err(FilingError::Known) => (ReportStatus::Duplicate, String::new()),
            Err(FilingError::Rejected(why, reason)) => {
                state.metrics.rejected_report(why);
                tracing::warn!(agent = %agent.uid, why, reason, "a report is rejected");
                refuse(&state, &agent, key.as_ref(), (why, &reason)).await;
                (ReportStatus::Rejected, reason)
            }
            Err(FilingError::Full) => {
                (ReportStatus::Retry, "too many reports wait to be stored; send it again".to_owned())
            }
            Err(FilingError::Store(error)) => {
                tracing::error!(%error, "a report could not be filed");
                (ReportStatus::Retry, "the store failed".to_owned())
            }
        };
        state.metrics.reported(status.as_str_name());
        if acks.send(Ok(ReportAck { key, status: status.into(), reason, names_wanted })).await.is_err() {
            return;
        }
    }
}

/// Keeps the cause of a refusal where the report's experiment is known.
async fn refuse(
    state: &AppState,
    agent: &AgentIdentity,
    key: Option<&ReportKey>,
    (why, reason): (&'static str, &str),
) {
    let Some(experiment) = key.and_then(|key| key.experiment.parse::<ExperimentId>().ok()) else { return };
    let reason: String = reason.chars().take(REASON).collect();
    if let Err(error) = reports::refused(state, agent, experiment, (why, &reason)).await {
        tracing::error!(%error, "a refused report could not be counted");
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

/// Takes in names that an acknowledgement asked for.
async fn name(
    state: &AppState,
    agent: &AgentIdentity,
    report: ReportRequest,
) -> Result<Vec<u64>, FilingError> {
    let names = proto::read_names(report.names)?;
    let Ok(experiment) = report.key.unwrap_or_default().experiment.parse::<ExperimentId>() else {
        return rejected("key", "the experiment is no UUID");
    };
    slices::name(state, agent, experiment, names).await?;
    Ok(Vec::new())
}

fn read(report: ReportRequest) -> Result<Report, FilingError> {
    let sent_at = i64::try_from(report.sent_at).ok().filter(|sent_at| *sent_at > 0);
    let Some(ReportKey { boot_id, experiment, generation, window_start }) = report.key else {
        return rejected("key", "the key is missing");
    };
    let findings = Findings::decode(&report.body, &report.digest)?;
    let Ok(experiment) = experiment.parse::<ExperimentId>() else {
        return rejected("key", "the experiment is no UUID");
    };
    if boot_id.is_empty() || boot_id.len() > BOOT_ID || boot_id.contains('\0') {
        return rejected("key", "boot_id is no UUID");
    }
    let (Ok(generation), Ok(start), Ok(end)) =
        (i64::try_from(generation), i64::try_from(window_start), i64::try_from(findings.window_end))
    else {
        return rejected("key", "a number is out of range");
    };
    let (digest, body) = (hex::encode(&report.digest), report.body);
    let plans = format!("{} {}", findings.baseline_digest, findings.candidate_digest);
    // A name of bounded length, whatever was sent.
    let plans = hex::encode(&proto::generation::config_hash(plans.as_bytes())[..16]);
    let baseline = findings.baseline_digest;
    let is_digest = baseline.len() <= 64 && baseline.bytes().all(|byte| byte.is_ascii_hexdigit());
    let baseline = if is_digest { baseline } else { String::new() };
    let points_in = i64::try_from(findings.horizon.input.points).unwrap_or(i64::MAX);
    let varied = reports::varying(&findings.horizon);
    Ok(Report {
        boot_id,
        experiment,
        generation,
        sent_at,
        window: (start, end),
        points_in,
        varied,
        slices: findings.slices,
        plans,
        baseline,
        digest,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_that_no_database_keeps_is_refused_for_good() {
        let (body, digest) = Findings::default().encode();
        let of = |boot_id: &str| {
            let experiment = uuid::Uuid::nil().to_string();
            let key = ReportKey { boot_id: boot_id.to_owned(), experiment, generation: 1, window_start: 1 };
            let (body, digest) = (body.clone(), digest.to_vec());
            read(ReportRequest { key: Some(key), digest, body, ..ReportRequest::default() })
        };
        assert!(of("boot").is_ok());
        for boot_id in ["", "with a \0", &"long".repeat(BOOT_ID)] {
            assert!(matches!(of(boot_id), Err(FilingError::Rejected("key", _))), "{boot_id:?}");
        }
    }
}
