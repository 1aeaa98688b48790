//! Reports: the findings of an agent over one horizon, each filed once.

use std::time::Duration;

use observe::Comparison;
use proto::Invalid;

use super::enroll::AgentIdentity;
use crate::experiment::{ExperimentId, Quantity};
use crate::state::AppState;
use crate::store::windows::{self, Content, Filed, Key};
use crate::store::{StoreError, experiments, generations};

/// Time by which an agent's clock may be ahead of ours, besides its window.
const AHEAD: Duration = Duration::from_secs(5);

/// A report that has been read.
#[derive(Debug)]
pub struct Report {
    /// Id of the agent's process.
    pub boot_id: String,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Number of the generation that it was measured under.
    pub generation: i64,
    /// Start of its first window and end of its last, in nanoseconds since the epoch.
    pub window: (i64, i64),
    /// Figures.
    pub horizon: Comparison,
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
        .map(|quantity| quantity.of(None, horizon).filter(|error| error.is_finite()))
}

/// Files a report under its key, and wakes whoever looks at evidence.
///
/// # Errors
/// [`FilingError`].
pub async fn file(state: &AppState, agent: &AgentIdentity, report: Report) -> Result<(), FilingError> {
    let now = state.clock.now();
    let (id, (start, end)) = (report.experiment, report.window);
    let mut tx = state.store.begin().await?;
    let Some(experiment) = experiments::get(&mut tx, agent.tenant_id, id).await? else {
        return rejected("experiment", "there is no such experiment");
    };
    let ahead = now.plus(experiment.spec.window + AHEAD).0.saturating_mul(1_000_000);
    if end <= start || end > ahead {
        return rejected("time", "the window lies in the future, or ends before it begins");
    }
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
    let content = Content {
        window_end: end,
        step: &step,
        digest: &report.digest,
        body: &report.body,
        points_in: i64::try_from(report.horizon.input.points).unwrap_or(i64::MAX),
        plans: &report.plans,
        varied: varying(&report.horizon),
    };
    match windows::insert(&mut tx, &key, &content, now).await? {
        Filed::New => {
            tx.commit().await?;
            state.hub.analyze.notify_one();
            state.hub.happened();
            Ok(())
        }
        Filed::Again => Err(FilingError::Known),
        Filed::Other => rejected("content", "another content was reported under this key"),
        Filed::Overlaps => {
            rejected("overlap", "a part of this stretch was reported already, under another key")
        }
    }
}
