//! The JSON of `/health`: the condition, and what became of the points.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Audience;
use crate::deliver::StorageStatus;
use crate::delivery_ledger::{DeliveryLedger, Storage};
use crate::telemetry::{CONNECTED, Condition, Health, Phase};

#[derive(Serialize)]
struct Report<'a> {
    status: &'static str,
    #[serde(flatten)]
    condition: &'a Condition,
    /// Exporters whose last attempt failed, each with the reason.
    failing_exporters: BTreeMap<String, String>,
    /// Queues on disk, by exporter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<String, StorageStatus>,
    account: &'a str,
    points: Points,
    /// What the last process lost of what stages held in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_lost: Option<String>,
}

#[derive(Serialize)]
struct Points {
    queued: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    owed: u64,
    owed_on_disk: u64,
    lost_to_shutdowns: u64,
    lost_to_crashes: u64,
    lost_to_the_last_crash: u64,
    /// Accepted and in no queue yet, because stages hold them in memory alone: a crash loses them.
    held_in_memory: u64,
    /// The most that crashes have lost of such.
    held_lost_to_crashes_at_most: u64,
}

/// Takes the place of an error for those who may not read it.
const HIDDEN: &str = "the admin listener's /health says what it is";

/// Takes out of every error what it is: messages may hold what only the owner may read.
fn hide(condition: &mut Condition) {
    condition.quarantined.values_mut().for_each(|words| *words = HIDDEN.to_owned());
    condition.held_damaged.values_mut().for_each(|words| *words = HIDDEN.to_owned());
    for left in &mut condition.held_left {
        (left.directory, left.what_to_do) = (HIDDEN.to_owned(), HIDDEN.to_owned());
    }
    let errors = [&mut condition.config_error, &mut condition.candidate_cut, &mut condition.data_dir];
    for error in errors.into_iter().filter(|error| error.is_some()) {
        *error = Some(HIDDEN.to_owned());
    }
    if let Some(session) = condition.control_plane.as_mut().filter(|session| *session != CONNECTED) {
        "not connected".clone_into(session);
    }
}

/// The JSON of `/health`.
pub fn report(
    health: &Health,
    ledger: &DeliveryLedger,
    mut failing_exporters: BTreeMap<String, String>,
    mut storage: BTreeMap<String, StorageStatus>,
    audience: Audience,
) -> String {
    let mut condition = health.condition();
    if audience == Audience::Anybody {
        hide(&mut condition);
        failing_exporters.values_mut().for_each(|reason| *reason = HIDDEN.to_owned());
        let troubles = storage.values_mut().filter_map(|queue| queue.trouble.as_mut());
        troubles.for_each(|trouble| HIDDEN.clone_into(trouble));
    }
    let unkept = condition.data_dir.is_some() || ledger.storage() == Storage::Failing;
    let degraded = unkept
        || condition.config_error.is_some()
        || condition.candidate_cut.is_some()
        || !failing_exporters.is_empty()
        || storage.values().any(|queue| queue.trouble.is_some())
        || !condition.quarantined.is_empty()
        || !condition.held_left.is_empty()
        || !condition.held_damaged.is_empty();
    let status = match condition.phase {
        Phase::Running if degraded => "degraded",
        Phase::Running => "ok",
        Phase::Starting => "starting",
        Phase::Draining => "draining",
    };
    let totals = ledger.totals();
    let [held_in_memory, held_lost_to_crashes_at_most] = ledger.held_in_memory();
    let points = Points {
        queued: totals.queued,
        delivered: totals.delivered,
        rejected: totals.rejected,
        dropped: totals.dropped,
        owed: totals.owed(),
        owed_on_disk: ledger.on_disk(),
        lost_to_shutdowns: totals.lost_shutdown,
        lost_to_crashes: totals.lost_crash,
        lost_to_the_last_crash: ledger.found_lost(),
        held_in_memory,
        held_lost_to_crashes_at_most,
    };
    serde_json::to_string(&Report {
        status,
        condition: &condition,
        failing_exporters,
        storage,
        account: ledger.storage().as_ref(),
        points,
        held_lost: ledger.held_at_crash().map(|held| held.text()),
    })
    .unwrap_or_default()
}
