//! Merges: horizons that no verdict looks at any more are put together, five minutes first, hours after a while, and all of a step
//! once the experiment is over.
//!
//! Whoever decides does it. Each agent and step is one transaction: a process that dies in the midst of it has done nothing. Who
//! reads horizons one by one reads those that were merged last, and drops those that it has seen, so that a look in the midst of
//! it sees each once.

use std::collections::BTreeMap;
use std::time::Duration;

use observe::Measured;
use proto::Findings;

use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::TenantId;
use crate::state::AppState;
use crate::store::merges::{self, Grain, Merge, Of, Stretch, Waiting};
use crate::store::{Across, StoreError, Tx, fingerprints};

/// Time after which the horizons of a step that is over are merged, and those of an experiment.
const SETTLED: Duration = Duration::from_secs(3_600);
/// Number of horizons that are merged together as a rule: what is left waits for more, and not for longer than this.
const TOGETHER: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(600);
/// Agents and steps that are merged in one round, and the most horizons of each.
const AT_ONCE: u32 = 64;
const HORIZONS: u32 = 256;
/// Nanoseconds of a millisecond.
const MILLI: i64 = 1_000_000;

/// Merges what is to be merged, a part of it. `under_way` are the experiments that are, each with its step. Returns whether it was
/// all.
///
/// # Errors
/// The store's.
pub async fn once(
    state: &AppState,
    under_way: &[(TenantId, ExperimentId, String)],
) -> Result<bool, StoreError> {
    let now = state.clock.now();
    let mut reader = state.store.read(Across::Reconcile).await?;
    let waiting = merges::waiting(&mut reader, TOGETHER, now.before(PATIENCE), AT_ONCE).await?;
    let aged = now.before(state.merge_by_hour_after).0.saturating_mul(MILLI);
    // Hours go over as a whole.
    let aged = Grain::Hour.start(aged.saturating_add(1));
    let old = merges::old(&mut reader, Grain::Minutes, aged, AT_ONCE).await?;
    let ended = merges::ended(&mut reader, now.before(SETTLED), AT_ONCE).await?;
    drop(reader);
    for of in &waiting {
        go_on(of, merge_waiting(state, of).await)?;
    }
    for of in &old {
        go_on(of, coarsen(state, of, (&[Grain::Minutes], Grain::Hour), aged).await)?;
    }
    for (tenant, experiment, step) in under_way {
        take_fingerprint(state, (*tenant, *experiment)).await?;
        let_wait(state, (*tenant, *experiment), Some(step), now).await?;
    }
    for of in &ended {
        finish(state, *of, now).await?;
    }
    let most = AT_ONCE as usize;
    Ok(waiting.len() < most && old.len() < most && ended.len() < most)
}

/// Goes on with the others where the horizons of one agent cannot be merged: they stay as they are.
fn go_on(of: &Of, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    let Err(error) = outcome else { return Ok(()) };
    if error.is_busy() || error.is_away() || error.unwritable().is_some() {
        return Err(error);
    }
    tracing::error!(agent = %of.agent, experiment = %of.experiment, step = of.step, %error, "horizons were not merged");
    Ok(())
}

async fn merge_waiting(state: &AppState, of: &Of) -> Result<(), StoreError> {
    let mut tx = state.store.begin(of.tenant).await?;
    if state.decides(&mut tx).await? {
        merge(&mut tx, of).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Takes a fingerprint of what came, where that is much, so that the next decision has little of it to read.
async fn take_fingerprint(state: &AppState, of: (TenantId, ExperimentId)) -> Result<(), StoreError> {
    if !fingerprints::is_due(&mut *state.store.read(of.0).await?, of).await? {
        return Ok(());
    }
    let mut tx = state.store.begin(of.0).await?;
    if state.decides(&mut tx).await? {
        fingerprints::take(&mut tx, of).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn let_wait(
    state: &AppState,
    of: (TenantId, ExperimentId),
    step: Option<&str>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let mut reader = state.store.read(of.0).await?;
    let is_any = merges::is_any_over(&mut reader, of, step, now.before(SETTLED)).await?;
    drop(reader);
    if !is_any {
        return Ok(());
    }
    let mut tx = state.store.begin(of.0).await?;
    if state.decides(&mut tx).await? {
        merges::let_wait(&mut tx, of, step, now.before(SETTLED)).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Merges all of an experiment that is over, a part of it.
async fn finish(state: &AppState, of: (TenantId, ExperimentId), now: UnixMillis) -> Result<(), StoreError> {
    let_wait(state, of, None, now).await?;
    let mut reader = state.store.read(of.0).await?;
    let unfinished = merges::unfinished(&mut reader, of, AT_ONCE).await?;
    drop(reader);
    for of in &unfinished {
        let grains: (&[Grain], _) = (&[Grain::Minutes, Grain::Hour], Grain::Step);
        go_on(of, coarsen(state, of, grains, i64::MAX).await)?;
    }
    let mut tx = state.store.begin(of.0).await?;
    if state.decides(&mut tx).await? {
        merges::finish(&mut tx, of, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Merges horizons of an agent in a step that wait for it, the earliest ones.
///
/// # Errors
/// The store's.
pub async fn merge(tx: &mut Tx, of: &Of) -> Result<(), StoreError> {
    fingerprints::take_before_merge(tx, of).await?;
    let boots = merges::boots(tx, of).await?;
    let mut stretches: BTreeMap<i64, Merge> = BTreeMap::new();
    for waiting in merges::take(tx, of, HORIZONS).await? {
        if merges::take_back(tx, of, &waiting).await? {
            continue;
        }
        let Waiting { process, horizon, body, .. } = waiting;
        let end = horizon.end.saturating_sub(process.clock_offset);
        let merge = stretches.entry(Grain::Minutes.start(end)).or_default();
        let is_first = boots.get(&process.boot_id) == Some(&horizon.start);
        let others = || boots.iter().filter(|(boot, _)| **boot != process.boot_id);
        let after_restart = is_first && others().any(|(_, first)| *first < horizon.start);
        if let Some(findings) = read(&body, after_restart) {
            merge.figures.add(end, findings.horizon);
        }
        merge.add(&process, horizon);
    }
    for (start, merge) in stretches {
        merges::add(tx, of, Stretch { grain: Grain::Minutes, start, merge }).await?;
    }
    Ok(())
}

/// Findings of a horizon that counts: nothing of one that is void or was forgotten.
fn read(body: &[u8], after_restart: bool) -> Option<Findings> {
    let mut findings = Findings::decode(body, &proto::generation::config_hash(body)).ok()?;
    if after_restart {
        // A panel still shows what this process has not seen.
        let lenses = findings.horizon.lenses.iter_mut();
        lenses
            .filter(|lens| lens.measured.is_measured())
            .for_each(|lens| lens.measured = Measured::NoInstant);
    }
    (findings.horizon.missing.count == 0).then_some(findings)
}

async fn coarsen(
    state: &AppState,
    of: &Of,
    grains: (&[Grain], Grain),
    before: i64,
) -> Result<(), StoreError> {
    let mut tx = state.store.begin(of.tenant).await?;
    if state.decides(&mut tx).await? {
        merges::coarsen(&mut tx, of, grains, before).await?;
        tx.commit().await?;
    }
    Ok(())
}
