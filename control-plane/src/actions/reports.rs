//! Reports: the findings of an agent over one horizon, each filed once.

use std::time::Duration;

use observe::{Comparison, Slices};
use proto::Invalid;

use super::enroll::AgentIdentity;
use super::slices;
use crate::experiment::{ExperimentId, Quantity};
use crate::state::AppState;
use crate::store::windows::{self, Content, Filed, Key};
use crate::store::{StoreError, experiments, generations, refusals};

/// Time by which a report may end later than we know, besides a window: its agent's clock is measured by what it sends.
const AHEAD: Duration = Duration::from_secs(5);
/// Nanoseconds of a millisecond.
const NANOS: i64 = 1_000_000;
/// Name of the step in which the baseline is compared with itself.
const AA: &str = "aa";

/// A report that has been read.
#[derive(Debug)]
pub struct Report {
    /// Id of the agent's process.
    pub boot_id: String,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Number of the generation that it was measured under.
    pub generation: i64,
    /// The agent's clock when it was sent, in nanoseconds since the epoch; nothing if it does not say.
    pub sent_at: Option<i64>,
    /// Start of its first window and end of its last, in nanoseconds since the epoch by the agent's clock.
    pub window: (i64, i64),
    /// Figures.
    pub horizon: Comparison,
    /// Who writes a share of the candidate's output.
    pub slices: Slices,
    /// Name of the two plans that are compared.
    pub plans: String,
    /// Digest of the body, in hexadecimal.
    pub digest: String,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// Reason for which a report is not filed.
#[derive(Debug)]
pub enum FilingError {
    /// It has been filed before.
    Known,
    /// It never will be: a word that it is counted by, and a sentence for a person.
    Rejected(&'static str, String),
    /// The store failed; it may be sent again.
    Store(StoreError),
}

impl From<StoreError> for FilingError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Invalid> for FilingError {
    fn from(invalid: Invalid) -> Self {
        Self::Rejected(invalid.word(), invalid.to_string())
    }
}

/// A report that will never be filed: a word that it is counted by, and a sentence for a person.
///
/// # Errors
/// [`FilingError::Rejected`], always.
pub fn rejected<T>(why: &'static str, reason: &str) -> Result<T, FilingError> {
    Err(FilingError::Rejected(why, reason.to_owned()))
}

/// Figures that vary by chance, as relative errors: time for a point, and what 99 of 100 batches wait.
fn varying(horizon: &Comparison) -> [Option<f64>; 2] {
    [Quantity::NanosPerPoint, Quantity::LatencyP99]
        .map(|quantity| quantity.of(horizon).filter(|error| error.is_finite()))
}

/// Counts a report that was refused for good as such, so that a verdict can say why nothing is heard of its agent. One of an
/// experiment that is not the tenant's is nobody's.
///
/// # Errors
/// The store's.
pub async fn refused(
    state: &AppState,
    agent: &AgentIdentity,
    experiment: ExperimentId,
    (cause, reason): (&'static str, &str),
) -> Result<(), StoreError> {
    let mut tx = state.store.begin(agent.tenant_id).await?;
    if experiments::get(&mut tx, agent.tenant_id, experiment).await?.is_none() {
        return Ok(());
    }
    let key = (agent.tenant_id, experiment, agent.uid);
    refusals::count(&mut tx, key, cause, reason, state.clock.now()).await?;
    tx.commit().await?;
    state.hub.wake_analyze();
    Ok(())
}

/// Length of a turn of slices, nanoseconds.
fn turn_nanos(report_every: Duration) -> u64 {
    let report_nanos = u64::try_from(report_every.as_nanos()).unwrap_or(u64::MAX);
    observe::turn_nanos(report_nanos)
}

/// Tells whether every slice is of a turn that the report's stretch touches.
fn slices_lie_within(report: &Report, turn_nanos: u64) -> bool {
    let turn_of = |nanos: i64| nanos.unsigned_abs() / turn_nanos;
    let touched = turn_of(report.window.0)..=turn_of(report.window.1);
    report.slices.0.keys().all(|turn| touched.contains(turn))
}

/// Files a report under its key, and wakes whoever looks at evidence. Returns the keys of identities that the agent is to
/// name.
///
/// # Errors
/// [`FilingError`].
pub async fn file(state: &AppState, agent: &AgentIdentity, report: Report) -> Result<Vec<u64>, FilingError> {
    let now = state.clock.now();
    let (id, (start, end)) = (report.experiment, report.window);
    let mut tx = state.store.begin(agent.tenant_id).await?;
    let Some(experiment) = experiments::get(&mut tx, agent.tenant_id, id).await? else {
        return rejected("experiment", "there is no such experiment");
    };
    let offered = generations::get(&mut tx, agent.tenant_id, agent.uid, report.generation).await?;
    let step = offered.filter(|offered| offered.experiment_id == Some(id)).and_then(|offered| offered.step);
    let Some(step) = step else {
        return rejected("generation", "this agent runs no such generation of this experiment");
    };
    let key = Key {
        tenant_id: agent.tenant_id,
        experiment_id: id,
        agent: agent.uid,
        boot_id: &report.boot_id,
        generation: report.generation,
        window_start: start,
    };
    let clock_ahead = report.sent_at.map(|sent| (sent / NANOS).saturating_sub(now.0));
    let frozen = windows::frozen_offset(&mut tx, &key).await?;
    let clock_offset = frozen.unwrap_or(clock_ahead.unwrap_or(0).saturating_mul(NANOS));
    let latest = now.plus(experiment.spec.window + AHEAD).0.saturating_mul(NANOS);
    if end <= start || end.saturating_sub(clock_offset) > latest {
        return rejected("time", "the window lies in the future, or ends before it begins");
    }
    let turn = turn_nanos(experiment.spec.report_every);
    if !slices_lie_within(&report, turn) {
        return rejected("slices", "a slice is of a time that the report does not cover");
    }
    let content = Content {
        window_end: end,
        clock_ahead,
        clock_offset,
        step: &step,
        digest: &report.digest,
        body: &report.body,
        points_in: i64::try_from(report.horizon.input.points).unwrap_or(i64::MAX),
        plans: &report.plans,
        varied: varying(&report.horizon),
    };
    match windows::insert(&mut tx, &key, &content, now).await? {
        Filed::New => {
            // A pipeline that is compared with itself writes over nothing that it does not write over anyway.
            // A clock that is more than a turn off tells another turn's slice.
            let compared = step != AA && clock_offset.unsigned_abs() <= turn;
            let told = if compared { &report.slices } else { &Slices::default() };
            let told = slices::Told { slices: told, clock_offset };
            let unnamed = slices::file(&mut tx, agent, &experiment, told, now).await?;
            tx.commit().await?;
            state.hub.wake_analyze();
            state.hub.happened();
            Ok(unnamed)
        }
        Filed::Again => Err(FilingError::Known),
        Filed::Other => rejected("content", "another content was reported under this key"),
        Filed::Overlaps => {
            rejected("overlap", "a part of this stretch was reported already, under another key")
        }
    }
}
