//! Reports of a fleet: all agents send theirs, each on a stream of its own, and wait for the acknowledgement.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use observe::{Comparison, NamedCount, Slice, SliceEntry, Slices, Volume};
use proto::Findings;
use proto::v1::report_service_client::ReportServiceClient;
use proto::v1::{ReportAck, ReportKey, ReportRequest, ReportStatus};
use tokio::sync::{Barrier, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Streaming};
use uuid::Uuid;

use super::loopback::source;
use crate::server::Server;

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// Length of a horizon, seconds.
const HORIZON: u64 = 60;
/// Rows of names in both halves of a report, and their length: with the rest they make 8 kB.
const ROWS: u64 = 12;
const ROW: usize = 260;
/// Entries of a report about who writes an identity.
const ENTRIES: u64 = 64;

/// A stream of reports of one agent.
struct Stream {
    reports: mpsc::Sender<ReportRequest>,
    acks: Streaming<ReportAck>,
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A fleet that reports.
pub struct Fleet<'a> {
    pub server: &'a Server,
    pub agents: &'a [(Uuid, String)],
    /// Numbers of the generations that the agents run.
    pub running: &'a HashMap<Uuid, u64>,
    pub experiment: &'a str,
}

/// Outcome of a report of each agent.
pub struct Sent {
    /// Seconds from the first report to the last acknowledgement.
    pub took: f64,
    /// Those of the control plane's CPU.
    pub cpu: f64,
    /// Reports that were sent again.
    pub again: u32,
    /// Bytes of a report.
    pub bytes: usize,
}

impl Fleet<'_> {
    /// All agents report the horizon that ends then, Unix seconds: at once, or spread over a time that ends then, each the one that
    /// ends as it sends it. Streams are open before.
    pub async fn send(&self, ends: u64, spread: Duration) -> Result<Sent> {
        let (mut bytes, number) = (0, self.agents.len());
        let ready = Arc::new(Barrier::new(number + 1));
        let mut all = tokio::task::JoinSet::new();
        for (at, (uid, credential)) in self.agents.iter().enumerate() {
            let generation = *self.running.get(uid).context("an agent runs nothing")?;
            let left = spread.mul_f64((number - at) as f64 / number as f64);
            let report = report(*uid, (generation, self.experiment.to_owned()), ends - left.as_secs());
            bytes += report.body.len();
            let (fleet, credential, ready) = (self.server.fleet, credential.clone(), Arc::clone(&ready));
            all.spawn(async move {
                let opened = open(fleet, at, &credential).await;
                ready.wait().await;
                let mut stream = opened?;
                tokio::time::sleep(spread.saturating_sub(left)).await;
                let mut again = 0_u32;
                loop {
                    stream.reports.send(ReportRequest { sent_at: now() * SECOND, ..report.clone() }).await?;
                    let ack = stream.acks.message().await?.context("the stream ended")?;
                    match ack.status() {
                        ReportStatus::Accepted => return Ok(again),
                        ReportStatus::Retry => again += 1,
                        other => bail!("{}: {}", other.as_str_name(), ack.reason),
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        ready.wait().await;
        let (began, cpu) = (Instant::now(), self.server.cpu_seconds()?);
        let mut again = 0;
        while let Some(one) = all.join_next().await {
            again += one??;
        }
        let (took, cpu) = (began.elapsed().as_secs_f64(), self.server.cpu_seconds()? - cpu);
        Ok(Sent { took, cpu, again, bytes: bytes / number.max(1) })
    }
}

/// Opens a stream, a second later where many come at once, as agents do.
async fn open(fleet: std::net::SocketAddr, at: usize, credential: &str) -> Result<Stream> {
    let endpoint = Endpoint::from_shared(format!("http://{fleet}"))?.local_address(Some(source(at)));
    loop {
        let channel = endpoint.connect().await?;
        let (reports, receiver) = mpsc::channel(1);
        let mut request = tonic::Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse()?);
        match ReportServiceClient::new(channel).report(request).await {
            Ok(acks) => return Ok(Stream { reports, acks: acks.into_inner() }),
            // Also where the connection broke.
            Err(refusal) if matches!(refusal.code(), Code::Unavailable | Code::Unknown) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

/// A report as large as any, of the agent's own identities; horizons follow each other without a gap.
fn report(agent: Uuid, (generation, experiment): (u64, String), ends: u64) -> ReportRequest {
    let began = ends - HORIZON;
    let salt = agent.as_u128() as u64;
    let mut slice = Slice::of(1);
    for entry in 0..ENTRIES {
        let key = salt.wrapping_add(entry).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        slice.insert(SliceEntry { key, writer: 1, baseline: 1, began, last: ends });
    }
    let lost = |row: u64| NamedCount {
        metric: format!("{row:>ROW$}"),
        executable: String::new(),
        series: 1_000 - row,
    };
    let found = Comparison {
        windows: 6,
        seconds: HORIZON as f64,
        input: Volume { requests: 6, points: 37_800, bytes: 4_000_000 },
        lost: (0..ROWS).map(lost).collect(),
        ..Comparison::default()
    };
    let findings = Findings {
        window_end: ends * SECOND,
        made_at: ends * SECOND,
        horizon: found.clone(),
        total: found,
        slices: Slices([(began / 60, slice)].into()),
        ..Findings::default()
    };
    let (body, digest) = findings.encode();
    let key = ReportKey { boot_id: agent.to_string(), experiment, generation, window_start: began * SECOND };
    ReportRequest { key: Some(key), digest: digest.to_vec(), body, ..ReportRequest::default() }
}
