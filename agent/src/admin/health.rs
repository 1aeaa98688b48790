//! State of the agent, as `/health` and `/ready` show it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::account::Account;

/// In which part of its life the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Built, not serving yet.
    Starting,
    /// Serving.
    Running,
    /// Finishing what is in flight.
    Draining,
}

/// Text by which [`Condition::control_plane`] says that all is well.
pub const CONNECTED: &str = "connected";

/// State that can change while the agent runs.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// Phase of its life.
    pub phase: Phase,
    /// The generation in charge.
    pub generation: u64,
    /// SHA-256 of the config text in charge.
    pub config_digest: String,
    /// Reason for which the last config was not taken, if it was not.
    pub config_error: Option<String>,
    /// Settings that the config asks for and does not get.
    pub config_notes: Vec<String>,
    /// Reason for which the candidate was cut out, if it was.
    pub candidate_cut: Option<String>,
    /// Settings that changed and are read at the start only.
    pub restart_needed_for: Vec<&'static str>,
    /// [`CONNECTED`], or why there is no session with the control plane; nothing where there is to be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<String>,
    /// True if the file's pipelines changed while a pushed generation is in force.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local_override_pending: bool,
    /// Name of the node.
    pub labels: BTreeMap<String, String>,
    /// Moment at which senders are answered.
    pub acknowledge: &'static str,
    /// Reason for it.
    pub acknowledge_why: String,
}

/// The condition, shared.
#[derive(Debug)]
pub struct Health {
    condition: Mutex<Condition>,
    changed: Notify,
}

#[derive(Serialize)]
struct Report<'a> {
    status: &'static str,
    #[serde(flatten)]
    condition: &'a Condition,
    account: &'a str,
    points: Points,
}

#[derive(Serialize)]
struct Points {
    queued: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    owed: u64,
    lost_to_shutdowns: u64,
    lost_to_crashes: u64,
    lost_to_the_last_crash: u64,
}

impl Health {
    /// Starts from `condition`.
    pub fn new(condition: Condition) -> Self {
        Self { condition: Mutex::new(condition), changed: Notify::new() }
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut Condition)) {
        change(&mut self.condition.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// A copy of it.
    pub fn condition(&self) -> Condition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns once it was changed since this was last awaited. One waiter is served: the fleet's session.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells whether senders should come here.
    pub fn is_ready(&self) -> bool {
        self.condition().phase == Phase::Running
    }

    /// The JSON of `/health`.
    pub fn report(&self, account: &Account) -> String {
        let condition = self.condition();
        let degraded = condition.config_error.is_some() || condition.candidate_cut.is_some();
        let status = match condition.phase {
            Phase::Running if degraded => "degraded",
            Phase::Running => "ok",
            Phase::Starting => "starting",
            Phase::Draining => "draining",
        };
        let totals = account.totals();
        let points = Points {
            queued: totals.queued,
            delivered: totals.delivered,
            rejected: totals.rejected,
            dropped: totals.dropped,
            owed: totals.owed(),
            lost_to_shutdowns: totals.lost_shutdown,
            lost_to_crashes: totals.lost_crash,
            lost_to_the_last_crash: account.found_lost(),
        };
        serde_json::to_string(&Report {
            status,
            condition: &condition,
            account: account.keeping().as_ref(),
            points,
        })
        .unwrap_or_default()
    }
}
