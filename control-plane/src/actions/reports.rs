//! Reports: the findings of agents, a horizon each, gathered while the store is busy and filed together, each once.
//!
//! A report is acknowledged once the transaction that has it is committed. A transaction has all that came while the one before
//! ran and a moment after it, so that with few agents each report has its own, and with many its price is shared. What is wrong
//! with one report is told of it alone. Past a number and a size of those that wait, a report is to be sent again.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use observe::Comparison;
use tokio::time::Instant;

use super::enroll::AgentIdentity;
use super::slices;
use crate::clock::UnixMillis;
use crate::experiment::{ExperimentId, Quantity};
use crate::gather::{Brought, Gathered};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};
use crate::store::reports::{self, Come, Content, Filed, FilingError, Kept, Key, Outcome, Report};
use crate::store::{StoreError, Tx, generations, refusals};

/// Those that may wait to be filed; their bytes have a bound besides ([`BYTES`](crate::gather::BYTES)).
pub const WAITING: usize = 8_192;
/// The most that are filed together.
const TOGETHER: usize = 256;
/// Least and most time between the beginnings of two transactions, unless as many wait as are filed together: agents that report
/// once a minute seldom come at the same moment, and a transaction costs about the same for one report and for ten.
const APART: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// Time from the beginning of a transaction to that of the next one within [`APART`], in times that the first one took.
const SPACING: u32 = 5;
/// Time by which a report may end later than we know, besides a window: its agent's clock is measured by what it sends.
const AHEAD: Duration = Duration::from_secs(5);
/// The longest time that a report is on its way, nanoseconds: a clock that is further ahead than that and the one before has jumped.
const ON_ITS_WAY: i64 = 120_000 * NANOS;
/// Nanoseconds of a millisecond.
const NANOS: i64 = 1_000_000;
/// Name of the step in which the baseline is compared with itself.
const AA: &str = "aa";

/// A report that will never be filed: a word that it is counted by, and a sentence for a person.
///
/// # Errors
/// [`FilingError::Rejected`], always.
pub fn rejected<T>(why: &'static str, reason: &str) -> Result<T, FilingError> {
    Err(FilingError::Rejected(why, reason.to_owned()))
}

/// Figures that vary by chance, as relative errors: time for a point, and what 99 of 100 batches wait.
#[must_use]
pub fn varying(horizon: &Comparison) -> [Option<f64>; 2] {
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

/// Files a report under its key with those that came at the same time. Returns, once it is stored, the keys of identities that
/// the agent is to name.
///
/// # Errors
/// [`FilingError`].
pub async fn file(state: &AppState, agent: &AgentIdentity, report: Report) -> Outcome {
    let bytes = report.body.len();
    let come = Come { tenant: agent.tenant_id, agent: agent.uid, at: state.clock.now(), report };
    state.reports.try_bring(come, bytes).await?
}

/// Files what was brought, until the process ends.
pub async fn run(state: AppState, mut gathered: Gathered<Come, Outcome>) {
    loop {
        let all = tokio::select! {
            all = gathered.take(TOGETHER) => all,
            () = state.stopped() => return,
        };
        let began = Instant::now();
        let mut tenants: BTreeMap<TenantId, Vec<Brought<Come, Outcome>>> = BTreeMap::new();
        for one in all {
            tenants.entry(one.0.tenant).or_default().push(one);
        }
        for (tenant, all) in tenants {
            let (all, waiting): (Vec<Come>, Vec<_>) = all.into_iter().unzip();
            for (waiting, outcome) in waiting.into_iter().zip(filed(&state, tenant, &all).await) {
                waiting.tell(outcome);
            }
        }
        let [least, most] = APART;
        let next = began + (began.elapsed() * SPACING).clamp(least, most);
        if gathered.waiting() < TOGETHER {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = state.stopped() => return,
            }
        }
    }
}

/// Outcomes of a tenant's reports, in order. Those that cannot be stored together are tried one by one, if the store answers:
/// what is wrong may be wrong with one of them.
async fn filed(state: &AppState, tenant: TenantId, all: &[Come]) -> Vec<Outcome> {
    let error = match write(state, tenant, all).await {
        Ok(outcomes) => return outcomes,
        Err(error) => Arc::new(error),
    };
    let of_all = error.is_busy() || error.is_away() || error.unwritable().is_some() || all.len() == 1;
    let mut outcomes = Vec::with_capacity(all.len());
    for one in all {
        outcomes.push(if of_all {
            Err(FilingError::Store(StoreError::Together(Arc::clone(&error))))
        } else {
            match write(state, tenant, std::slice::from_ref(one)).await {
                Ok(mut own) => own.pop().unwrap_or(Err(FilingError::Store(StoreError::Ended))),
                Err(error) => Err(error.into()),
            }
        });
    }
    outcomes
}

/// Files the reports of a tenant's agents in one transaction, and wakes whoever looks at evidence.
async fn write(state: &AppState, tenant: TenantId, all: &[Come]) -> Result<Vec<Outcome>, StoreError> {
    let mut filing = Filing {
        tx: state.store.begin(tenant).await?,
        tenant,
        experiments: HashMap::new(),
        now: state.clock.now(),
    };
    let mut outcomes = BTreeMap::new();
    let mut rest: Vec<(usize, &Come)> = all.iter().enumerate().collect();
    while !rest.is_empty() {
        // An agent's own are filed one after the other: the second may be the first once more.
        let mut agents = HashSet::new();
        let (round, later): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(_, one)| agents.insert(one.agent));
        rest = later;
        let (places, round): (Vec<usize>, Vec<&Come>) = round.into_iter().unzip();
        outcomes.extend(places.into_iter().zip(filing.file(&round).await?));
    }
    if outcomes.values().any(Result::is_ok) {
        filing.tx.commit().await?;
        state.hub.wake_analyze();
        state.hub.happened();
    }
    Ok(outcomes.into_values().collect())
}

/// A transaction that files reports of one tenant.
struct Filing {
    tx: Tx,
    tenant: TenantId,
    /// Those that reports are about; nothing where there is none.
    experiments: HashMap<ExperimentId, Option<Experiment>>,
    now: UnixMillis,
}

/// A report that is to be filed.
type Fresh<'a> = (&'a Experiment, Key<'a>, Content<'a>);

impl Filing {
    /// Files reports, one of each agent. Returns their outcomes, in order.
    async fn file(&mut self, all: &[&Come]) -> Result<Vec<Outcome>, StoreError> {
        let (tx, tenant) = (&mut self.tx, self.tenant);
        for come in all {
            let id = come.report.experiment;
            if let Entry::Vacant(place) = self.experiments.entry(id) {
                place.insert(experiments::get(tx, tenant, id).await?);
            }
        }
        let offered: Vec<_> = all.iter().map(|come| (come.agent, come.report.generation)).collect();
        let steps = generations::steps(tx, tenant, &offered).await?;
        let keys: Vec<_> = all.iter().map(|come| (key(come), come.report.window.1)).collect();
        let kept = reports::kept(tx, tenant, &keys).await?;
        let looked: Vec<Result<Fresh<'_>, FilingError>> = all
            .iter()
            .zip(&kept)
            .map(|(come, kept)| {
                let step = steps.get(&(come.agent, come.report.generation));
                fresh(come, self.experiments[&come.report.experiment].as_ref(), step, kept)
            })
            .collect();
        let new: Vec<_> = looked.iter().flatten().map(|(_, key, content)| (key.clone(), *content)).collect();
        reports::insert(tx, tenant, &new).await?;
        let wanted = compared(tx, all, &looked, self.now).await?;
        let outcome = |looked: Result<Fresh<'_>, FilingError>| {
            let (experiment, key, _) = looked?;
            Ok(wanted.get(&(experiment.id, key.agent)).cloned().unwrap_or_default())
        };
        Ok(looked.into_iter().map(outcome).collect())
    }
}

fn key(come: &Come) -> Key<'_> {
    let report = &come.report;
    Key {
        experiment_id: report.experiment,
        agent: come.agent,
        boot_id: &report.boot_id,
        generation: report.generation,
        window_start: report.window.0,
    }
}

/// Looks whether a report is one to be filed.
fn fresh<'a>(
    come: &'a Come,
    experiment: Option<&'a Experiment>,
    step: Option<&'a (ExperimentId, String)>,
    kept: &Kept,
) -> Result<Fresh<'a>, FilingError> {
    let (report, (start, end)) = (&come.report, come.report.window);
    let Some(experiment) = experiment else {
        return rejected("experiment", "there is no such experiment");
    };
    let Some((_, step)) = step.filter(|(id, _)| *id == experiment.id) else {
        return rejected("generation", "this agent runs no such generation of this experiment");
    };
    let clock_ahead = report.sent_at.map(|sent| (sent / NANOS).saturating_sub(come.at.0));
    let clock_offset = kept.clock_offset.unwrap_or(clock_ahead.unwrap_or(0).saturating_mul(NANOS));
    let latest = come.at.plus(experiment.spec.window + AHEAD).0.saturating_mul(NANOS);
    // An offset that was measured by a report which was long on its way is too low by that time; one that was not tells.
    let most = clock_offset.saturating_add(ON_ITS_WAY);
    let measured = clock_ahead.unwrap_or(0).saturating_mul(NANOS).min(most).max(clock_offset);
    if end <= start || end.saturating_sub(measured) > latest {
        return rejected("time", "the window lies in the future, or ends before it begins");
    }
    if !slices_lie_within(report, turn_nanos(experiment.spec.report_every)) {
        return rejected("slices", "a slice is of a time that the report does not cover");
    }
    match kept.filed(start, &report.digest) {
        Filed::New => {}
        Filed::Again => return Err(FilingError::Known),
        Filed::Other => return rejected("content", "another content was reported under this key"),
        Filed::Overlaps => {
            return rejected("overlap", "a part of this stretch was reported already, under another key");
        }
    }
    let content = Content {
        window_end: end,
        step,
        digest: &report.digest,
        body: &report.body,
        received_at: come.at,
        clock_ahead,
        clock_offset,
        points_in: report.points_in,
        plans: &report.plans,
        baseline: &report.baseline,
        varied: report.varied,
    };
    Ok((experiment, key(come), content))
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

/// Compares what filed reports tell of identities. Returns the keys of those that each agent is to name, by experiment.
async fn compared(
    tx: &mut Tx,
    all: &[&Come],
    looked: &[Result<Fresh<'_>, FilingError>],
    now: UnixMillis,
) -> Result<HashMap<(ExperimentId, AgentUid), Vec<u64>>, StoreError> {
    let mut told: BTreeMap<ExperimentId, (&Experiment, Vec<slices::Told<'_>>)> = BTreeMap::new();
    for (come, looked) in all.iter().zip(looked) {
        let Ok((experiment, _, content)) = looked else { continue };
        let (_, told) = told.entry(experiment.id).or_insert((experiment, Vec::new()));
        // A pipeline that is compared with itself writes over nothing that it does not write over anyway.
        // A clock that is more than a turn off tells another turn's slice.
        let turn = turn_nanos(experiment.spec.report_every);
        if content.step != AA && content.clock_offset.unsigned_abs() <= turn {
            let (agent, clock_offset) = (come.agent, content.clock_offset);
            told.push(slices::Told { agent, slices: &come.report.slices, clock_offset });
        }
    }
    let mut wanted = HashMap::new();
    for (id, (experiment, told)) in told {
        slices::file(tx, experiment, &told, now).await?;
        let keys = slices::unnamed(tx, (experiment.tenant_id, id)).await?;
        wanted.extend(keys.into_iter().map(|(agent, keys)| ((id, agent), keys)));
    }
    Ok(wanted)
}
