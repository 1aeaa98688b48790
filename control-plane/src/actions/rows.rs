//! Rows of an experiment's results: by step, by horizon, or by agent.
//!
//! What is of a step or of a horizon rests on the reports of its own stretch alone. What is of an agent is all that it has
//! measured, of all its processes, as the experiment's total is.

use std::collections::{BTreeMap, HashMap};

use observe::Measured;
use proto::Findings;

use super::findings;
use crate::clock::UnixMillis;
use crate::evidence::Baselines;
use crate::experiment::{Figures, Horizons};
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::merges::Grain;
use crate::store::windows::{self, Body, Covered};
use crate::store::{Connection, StoreError};
use crate::store::{merges, sums};

/// Horizons that are told one by one: the latest ones.
const LATEST: i64 = 64;
/// The most horizons of an agent in a step that are kept in full, and so read.
const KEPT: usize = 64;
/// The most horizons that are read for one answer, unless there are more agents and steps.
const READ: usize = 16_384;
/// Nanoseconds of a millisecond.
const MILLI: i64 = 1_000_000;

/// Thing that a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A step.
    Step,
    /// Horizons that ended together, of one step.
    Horizon,
    /// An agent.
    Agent,
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct ResultsRow {
    /// Step, if it is of one.
    pub step: Option<String>,
    /// Agent and its host, if it is of one.
    pub agent: Option<(AgentUid, String)>,
    /// Begin and end of what it covers, by our clock.
    pub stretch: [UnixMillis; 2],
    /// Time that it is of, if its horizons were merged.
    pub grain: Option<Grain>,
    /// Reports of horizons in it, over all agents.
    pub horizons: u32,
    /// Those of them that the figures rest on.
    pub kept: u32,
    /// Figures.
    pub figures: Figures,
}

/// Rows of the results, the earliest first; those of agents by uid.
///
/// # Errors
/// The store's.
pub async fn rows(state: &AppState, experiment: &Experiment, by: By) -> Result<Vec<ResultsRow>, Refusal> {
    let mut reader = state.store.read(experiment.tenant_id).await?;
    let covered = sums::covered(&mut reader, (experiment.tenant_id, experiment.id)).await?;
    Ok(match by {
        By::Step => steps(&mut reader, experiment, &covered).await?,
        By::Horizon => horizons(&mut reader, experiment, &covered).await?,
        By::Agent => {
            drop(reader);
            agents(state, experiment, &covered).await?
        }
    })
}

/// Number of horizons that are read of each agent in each step: the latest ones.
fn latest(covered: usize) -> usize {
    (READ / covered.max(1)).clamp(1, KEPT)
}

/// Adds what an agent covers to a row.
fn cover(row: &mut ResultsRow, covered: &Covered) {
    let [from, to] = [covered.from, covered.to].map(|at| UnixMillis(at.div_euclid(MILLI)));
    let [begun, ended] = if row.horizons == 0 { [from, to] } else { row.stretch };
    row.stretch = [begun.min(from), ended.max(to)];
    row.horizons += covered.horizons;
}

async fn steps(
    reader: &mut Connection,
    experiment: &Experiment,
    covered: &[Covered],
) -> Result<Vec<ResultsRow>, StoreError> {
    let baselines = Baselines::of(reader, experiment).await?;
    let mut steps: BTreeMap<&str, (ResultsRow, Vec<Horizons>)> = BTreeMap::new();
    for one in covered {
        let (row, agents) = steps.entry(&one.step).or_default();
        cover(row, one);
        let mut own = Horizons::default();
        // What was measured with an earlier baseline does not add to that of the present one.
        let since = baselines.since(one.agent).unwrap_or(i64::MIN);
        let most = latest(covered.len());
        for (end, findings) in bodies(reader, experiment, one, (since, most)).await? {
            own.adds(end, findings);
        }
        for stretch in merged(reader, experiment, one, most).await? {
            let begins = stretch.merge.ends().map(|[from, _]| from);
            if begins.is_some_and(|from| from >= since) {
                own.merge(stretch.merge.figures);
            }
        }
        row.kept += own.kept();
        agents.push(own);
    }
    let whole = |(step, (row, agents)): (&str, (ResultsRow, Vec<Horizons>))| ResultsRow {
        step: Some(step.to_owned()),
        figures: Figures::over_horizons(&agents),
        ..row
    };
    let mut rows: Vec<ResultsRow> = steps.into_iter().map(whole).collect();
    rows.sort_by_key(|row| row.stretch);
    Ok(rows)
}

/// Horizons that ended together.
#[derive(Default)]
struct Together {
    row: ResultsRow,
    agents: BTreeMap<AgentUid, Horizons>,
}

async fn horizons(
    reader: &mut Connection,
    experiment: &Experiment,
    covered: &[Covered],
) -> Result<Vec<ResultsRow>, StoreError> {
    let length = i64::try_from(experiment.spec.report_every.as_nanos()).unwrap_or(i64::MAX).max(1);
    // Clocks differ by less than half a horizon, or a verdict says so.
    let number = |end: i64| end.saturating_sub(length / 2).div_euclid(length);
    let last = covered.iter().map(|one| number(one.to)).max().unwrap_or(0);
    // Of all agents the same ones: a row is of all that reported it.
    let latest = latest(covered.iter().filter(|one| one.to > since(last, LATEST, length)).count());
    let told = LATEST.min(i64::try_from(latest).unwrap_or(LATEST));
    let since = since(last, told, length);
    let mut rows: BTreeMap<(i64, &str), Together> = BTreeMap::new();
    for one in covered.iter().filter(|one| one.to > since) {
        for (end, findings) in bodies(reader, experiment, one, (since, latest)).await? {
            if number(end) <= last - told {
                continue;
            }
            let Together { row, agents } = rows.entry((number(end), &one.step)).or_default();
            let span = (findings.horizon.seconds * 1e9) as i64;
            cover(row, &Covered { from: end.saturating_sub(span), to: end, horizons: 1, ..one.clone() });
            row.kept += agents.entry(one.agent).or_default().adds(end, findings);
        }
    }
    let whole = |((_, step), Together { row, agents }): ((i64, &str), Together)| ResultsRow {
        step: Some(step.to_owned()),
        figures: Figures::over_horizons(agents.values()),
        ..row
    };
    let mut all = before(reader, experiment, covered).await?;
    all.extend(rows.into_iter().map(whole));
    Ok(all)
}

/// Rows of what was merged before the horizons that are told one by one: of five minutes, of an hour, or of a step.
async fn before(
    reader: &mut Connection,
    experiment: &Experiment,
    covered: &[Covered],
) -> Result<Vec<ResultsRow>, StoreError> {
    let most = latest(covered.len());
    let mut rows: BTreeMap<(Grain, i64, &str), Together> = BTreeMap::new();
    for one in covered {
        for stretch in merged(reader, experiment, one, most).await? {
            let Some([from, to]) = stretch.merge.ends() else { continue };
            let Together { row, agents } = rows.entry((stretch.grain, stretch.start, &one.step)).or_default();
            let horizons = u32::try_from(stretch.merge.len()).unwrap_or(u32::MAX);
            cover(row, &Covered { from, to, horizons, ..one.clone() });
            row.grain = Some(stretch.grain);
            row.kept += stretch.merge.figures.kept();
            agents.entry(one.agent).or_default().merge(stretch.merge.figures);
        }
    }
    let whole = |((_, _, step), Together { row, agents }): ((Grain, i64, &str), Together)| ResultsRow {
        step: Some(step.to_owned()),
        figures: Figures::over_horizons(agents.values()),
        ..row
    };
    let mut rows: Vec<ResultsRow> = rows.into_iter().map(whole).collect();
    rows.sort_by_key(|row| row.stretch);
    Ok(rows)
}

/// Time after which the last so many horizons of this length ended.
fn since(last: i64, told: i64, length: i64) -> i64 {
    (last - told).saturating_mul(length).saturating_add(length / 2)
}

impl Horizons {
    /// Adds a horizon, unless it is void: the split lost a unit in it, or batches were left out of it. Returns the number added.
    fn adds(&mut self, end: i64, findings: Findings) -> u32 {
        let counts = findings.horizon.missing.count == 0;
        if counts {
            self.add(end, findings.horizon);
        }
        u32::from(counts)
    }
}

/// The latest so many merges of what an agent reported in a step.
async fn merged(
    reader: &mut Connection,
    experiment: &Experiment,
    Covered { step, agent, .. }: &Covered,
    most: usize,
) -> Result<Vec<merges::Stretch>, StoreError> {
    let of = merges::Of {
        tenant: experiment.tenant_id,
        experiment: experiment.id,
        agent: *agent,
        step: step.clone(),
    };
    merges::latest(reader, &of, u32::try_from(most).unwrap_or(u32::MAX)).await
}

/// The latest so many findings of an agent in a step that ended after `since`, each with its end by our clock, oldest first.
async fn bodies(
    reader: &mut Connection,
    experiment: &Experiment,
    Covered { step, agent, .. }: &Covered,
    which: (i64, usize),
) -> Result<Vec<(i64, Findings)>, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let found = windows::latest_of_step(reader, of, *agent, step, which).await?;
    let read = |Body { bytes, after_restart, clock_offset }: Body| {
        let mut findings = Findings::decode(&bytes, &proto::generation::config_hash(&bytes)).ok()?;
        if after_restart {
            // A panel still shows what this process has not seen.
            let lenses = findings.horizon.lenses.iter_mut();
            lenses
                .filter(|lens| lens.measured.is_measured())
                .for_each(|lens| lens.measured = Measured::NoInstant);
        }
        let end = i64::try_from(findings.window_end).unwrap_or(i64::MAX).saturating_sub(clock_offset);
        Some((end, findings))
    };
    Ok(found.into_iter().filter_map(read).collect())
}

async fn agents(
    state: &AppState,
    experiment: &Experiment,
    covered: &[Covered],
) -> Result<Vec<ResultsRow>, Refusal> {
    let mut rows: HashMap<AgentUid, ResultsRow> = HashMap::new();
    // What is measured where a pipeline is compared with itself is no part of the total.
    for one in covered.iter().filter(|one| one.step != "aa") {
        cover(rows.entry(one.agent).or_default(), one);
    }
    let found = findings::found(state, experiment).await?;
    let whole = |found: &findings::AgentFindings| {
        let row = rows.remove(&found.uid)?;
        let agent = Some((found.uid, found.host.clone()));
        let figures = findings::total(std::slice::from_ref(found));
        Some(ResultsRow { agent, kept: row.horizons, figures, ..row })
    };
    Ok(found.iter().filter_map(whole).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_horizons_are_read_of_each_the_more_agents_there_are_and_one_at_least() {
        let read = [0, 1, 256, 257, 10_000, 16_384, 1_000_000].map(latest);
        assert_eq!(read, [64, 64, 64, 63, 1, 1, 1]);
        assert!([1, 257, 1_000, 16_384].iter().all(|agents| latest(*agents) * agents <= READ));
    }
}
