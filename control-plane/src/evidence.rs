//! Evidence: all that the agents of a step have reported, as the store has it.

mod baselines;

pub use baselines::Baselines;

use std::collections::HashMap;
use std::time::Duration;

use observe::Comparison;
use proto::Findings;

use crate::clock::UnixMillis;
use crate::experiment::wave;
use crate::experiment::{AgentEvidence, Evidence, RefusedReports, Run, Step, Stretch};
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError, refusals, slices, sums, trials, windows};
use crate::walks::{OfStep, Walks, most};

/// Hours from Monday 00:00 to Thursday 00:00, where the epoch's week begins.
const MONDAY_TO_EPOCH: i64 = 72;
const HOURS_OF_A_WEEK: i64 = 168;

/// Time at which evidence is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time that each wave takes.
    pub trial: Duration,
    /// Start of this process.
    pub started: UnixMillis,
    /// Now.
    pub now: UnixMillis,
}

impl Moment {
    /// The present one.
    pub fn now(state: &AppState) -> Self {
        Self { trial: state.trial, started: state.nodes.started, now: state.clock.now() }
    }
}

/// Findings of the agents of a step; with `since`, only those after it.
///
/// # Errors
/// The store's.
pub async fn evidence(
    reader: &mut Connection,
    walks: &Walks,
    experiment: &Experiment,
    run: &Run,
    since: Option<UnixMillis>,
    moment: Moment,
) -> Result<Evidence, StoreError> {
    let Moment { trial, started, now } = moment;
    let members = sessions::of_tenant(reader, experiment.tenant_id).await?;
    let waves: HashMap<AgentUid, u8> =
        trials::waves(reader, experiment.tenant_id).await?.into_iter().collect();
    let waits = run.agents.iter().any(|uid| waves.get(uid) == Some(&wave::WAITING));
    let offers =
        generations::offers(reader, (experiment.tenant_id, experiment.id), &run.step.to_string()).await?;
    let begun = if waits { Some(now) } else { offers.map(|[_, last]| last) };
    let delay = begun.map_or(Duration::ZERO, |at| run.since.until(at)).min(wave::delay(trial));
    // What some agents told while others still waited for their wave is shown, and no horizon of the step.
    let in_waves = waits || offers.is_some_and(|[first, last]| first < last);
    let counted = since.max(in_waves.then(|| run.since.plus(delay)));
    let mut baselines = Baselines::of(reader, experiment).await?;
    let mut refused = refused(reader, experiment).await?;
    let mut read = walks.reads.of(experiment.id, &run.step.to_string()).await;
    let asked = experiment.spec.policy.min_horizons;
    let known = Known {
        latest: generations::latest_of(reader, experiment.tenant_id, &run.agents).await?,
        sums: sums::All::of(reader, (experiment.tenant_id, experiment.id)).await?,
        most: most(run.agents.len(), asked),
    };
    let members: HashMap<AgentUid, &Member> = members.iter().map(|member| (member.uid, member)).collect();
    let mut agents = Vec::with_capacity(run.agents.len());
    for uid in &run.agents {
        let member = members.get(uid).copied();
        let wave = waves.get(uid).copied();
        let of = (experiment, run, &known);
        let found =
            agent(reader, of, [since, counted], (*uid, member, wave), &mut baselines, &mut read).await?;
        let refused = refused.remove(uid).unwrap_or_default();
        let last_seen = found.last_seen.max(refused.last_at);
        // Before its start this process could hear nobody.
        let heard = found.heard.max(started).max(refused.last_at.unwrap_or(started));
        agents.push(AgentEvidence { refused, last_seen, heard, ..found });
    }
    let mut totals =
        read.totals(reader, experiment, (&run.agents, &known.sums), |uid| baselines.since(uid)).await?;
    drop(read);
    let with_totals = |agent: AgentEvidence| {
        let whole = AgentEvidence { totals: totals.remove(&agent.uid).unwrap_or_default(), ..agent };
        if whole.in_conflict { whole.without_findings() } else { whole }
    };
    let mut agents: Vec<AgentEvidence> = agents.into_iter().map(with_totals).collect();
    let compared = |uid| baselines.since(uid).unwrap_or(0);
    let walked = walks.measure(reader, experiment, &mut agents, compared).await?;
    let stretch = stretch(reader, (experiment, run), &baselines).await?;
    let whole_hours = u8::try_from(experiment.spec.report_every.as_secs() / 3_600).unwrap_or(u8::MAX);
    let stretch = stretch.map(|stretch| Stretch::from(stretch).lengthened(whole_hours));
    let across = slices::across(reader, (experiment.tenant_id, experiment.id)).await?;
    Ok(Evidence { agents, since, stretch, across, delay, walked })
}

impl From<windows::Stretch> for Stretch {
    fn from(windows::Stretch { from, to, hours }: windows::Stretch) -> Self {
        let at = |nanos: i64| UnixMillis(nanos / 1_000_000);
        let of_week =
            |hour: i64| u8::try_from((hour + MONDAY_TO_EPOCH).rem_euclid(HOURS_OF_A_WEEK)).unwrap_or(0);
        Self { from: at(from), to: at(to), hours: hours.into_iter().map(of_week).collect() }
    }
}

/// Stretch in which something came in that counts.
async fn stretch(
    reader: &mut Connection,
    (experiment, run): (&Experiment, &Run),
    baselines: &Baselines,
) -> Result<Option<windows::Stretch>, StoreError> {
    let (of, aa) = ((experiment.tenant_id, experiment.id), run.step == Step::Aa);
    if !baselines.have_changed() {
        return sums::stretch(reader, of, aa, None).await;
    }
    let mut all: Option<windows::Stretch> = None;
    for uid in &run.agents {
        let since = baselines.since(*uid).unwrap_or(0);
        let Some(own) = sums::stretch(reader, of, aa, Some((*uid, since))).await? else { continue };
        let all = all.get_or_insert_with(|| own.clone());
        (all.from, all.to) = (all.from.min(own.from), all.to.max(own.to));
        all.hours.extend(own.hours);
    }
    Ok(all)
}

/// Everything that each process of each agent has measured with its present baseline, oldest first: in the step `aa`, or in
/// all others.
///
/// # Errors
/// The store's.
pub async fn totals(
    reader: &mut Connection,
    experiment: &Experiment,
    aa: bool,
    baselines: &Baselines,
) -> Result<HashMap<AgentUid, Vec<Comparison>>, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let mut totals: HashMap<AgentUid, Vec<Comparison>> = HashMap::new();
    for (uid, end, body) in windows::last_of_processes(reader, of, aa, None).await? {
        if baselines.since(uid).is_some_and(|since| end <= since) {
            continue;
        }
        totals.entry(uid).or_default().extend(read(&body).map(|findings| findings.total));
    }
    Ok(totals)
}

/// Refused reports of each agent.
async fn refused(
    reader: &mut Connection,
    experiment: &Experiment,
) -> Result<HashMap<AgentUid, RefusedReports>, StoreError> {
    let mut refused: HashMap<AgentUid, RefusedReports> = HashMap::new();
    for row in refusals::of(reader, (experiment.tenant_id, experiment.id)).await? {
        let of = refused.entry(row.agent).or_default();
        of.reports = of.reports.saturating_add(row.reports);
        of.reasons.push(row.reason);
        of.last_at = of.last_at.max(Some(row.last_at));
    }
    Ok(refused)
}

/// Findings of a body that was checked when it came.
fn read(body: &[u8]) -> Option<Findings> {
    Findings::decode(body, &proto::generation::config_hash(body)).ok()
}

/// Knowledge of all agents of a step.
struct Known {
    latest: HashMap<AgentUid, Offered>,
    sums: sums::All,
    /// Number of horizons of each that are looked at.
    most: u32,
}

async fn agent(
    reader: &mut Connection,
    (experiment, run, known): (&Experiment, &Run, &Known),
    [since, counted]: [Option<UnixMillis>; 2],
    (uid, member, wave): (AgentUid, Option<&Member>, Option<u8>),
    baselines: &mut Baselines,
    read: &mut OfStep,
) -> Result<AgentEvidence, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let step = run.step.to_string();
    let latest = known.latest.get(&uid);
    let latest =
        latest.filter(|l| l.experiment_id == Some(experiment.id) && l.step.as_deref() == Some(&step));
    let current = member.zip(latest).filter(|(member, latest)| member.generation == latest.generation);
    if let Some((member, _)) = current.filter(|(_, latest)| latest.status == Status::Applied) {
        baselines.in_charge(uid, member.baseline_digest.as_deref().unwrap_or_default());
    }
    let compared = baselines.since(uid).unwrap_or(0);
    let nanos = |at: Option<UnixMillis>| at.map_or(0, |at| at.0.saturating_mul(1_000_000)).max(compared);
    let found = known.sums.counted(reader, of, (uid, &step), nanos(since)).await?;
    let (mut count, mut idle) = (found.counted, found.idle);
    if counted > since {
        let later = known.sums.counted(reader, of, (uid, &step), nanos(counted)).await?;
        (count, idle) = (later.counted, later.idle);
    }
    let which = (nanos(since), known.most);
    let read = read.horizons(reader, experiment, (uid, &known.sums), which).await?;
    // What the split lost of, or what batches were left out of, is no evidence.
    let (horizons, void): (Vec<_>, Vec<_>) =
        read.into_iter().partition(|found| found.horizon.missing.count == 0);
    let counted_from = u64::try_from(nanos(counted)).unwrap_or(0);
    let voided = void.iter().filter(|found| found.window_end > counted_from).count();
    let voided = u32::try_from(voided).unwrap_or(u32::MAX);
    Ok(AgentEvidence {
        // One that was told the step before its version changed waits for nothing.
        wave: wave.filter(|wave| *wave > wave::WAITING || latest.is_none()),
        uid,
        host: member.map_or_else(|| uid.to_string(), |member| member.host.clone()),
        applied: latest.is_some_and(|latest| latest.status == Status::Applied),
        failed: latest
            .filter(|latest| latest.status == Status::Failed)
            .map(|latest| latest.error.clone().unwrap_or_else(|| "it does not say why".to_owned())),
        cut: current.and_then(|(member, _)| member.candidate_cut.clone()),
        last_seen: Some(found.received_at.unwrap_or(run.since).max(counted.unwrap_or(run.since))),
        heard: member.map_or(run.since, |member| member.heard).max(found.received_at.unwrap_or(run.began)),
        connected: member.is_some_and(|member| member.connected.is_some()),
        replaced: member.is_some_and(|member| member.replaced_at.is_some_and(|at| at >= run.began)),
        in_conflict: member.is_some_and(|member| member.in_conflict),
        known: member.is_some_and(|member| !member.refuses_configs),
        horizons,
        count: count.saturating_sub(voided),
        idle,
        voided,
        totals: Vec::new(),
        clock_ahead: found.clock_ahead(),
        refused: RefusedReports::default(),
        void: void.iter().flat_map(|found| found.horizon.missing.names.iter().cloned()).collect(),
        measured: Vec::new(),
        rebased: baselines.change(uid),
    })
}
