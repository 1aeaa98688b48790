//! Rows of an experiment's results: by step, by horizon, or by agent.
//!
//! What is of a step or of a horizon rests on the reports of its own stretch alone. What is of an agent is all that it has
//! measured, of all its processes, as the experiment's total is.

use std::collections::{BTreeMap, HashMap};

use observe::Measured;
use proto::Findings;

use super::findings::{self, AgentFindings};
use crate::clock::UnixMillis;
use crate::evidence::Baselines;
use crate::experiment::{Figures, Horizons};
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::merges::{Grain, Stretch};
use crate::store::windows::{self, Body, Covered};
use crate::store::{Connection, StoreError};
use crate::store::{merges, sums};

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
    /// Begin and end of the horizons that distinct things and lenses are of, the last of each agent, by our clock; nothing where they
    /// are of all that it covers.
    pub last: Option<[UnixMillis; 2]>,
    /// Time that it is of, if its horizons were merged.
    pub grain: Option<Grain>,
    /// Reports of horizons in it, over all agents.
    pub horizons: u32,
    /// Those of them that the figures rest on.
    pub kept: u32,
    /// Figures.
    pub figures: Figures,
}

/// Rows, and what they do not have.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<ResultsRow>,
    /// Horizons that were reported and not read, over all agents.
    pub unread: u32,
    /// Points that came in by the total and that no row of steps or of horizons has.
    pub points_apart: u64,
}

/// Rows of the results, the earliest first; those of agents by uid. `found` is what the agents found, as the same connection sees it.
///
/// # Errors
/// The store's.
pub async fn rows(
    reader: &mut Connection,
    experiment: &Experiment,
    by: By,
    found: &[AgentFindings],
) -> Result<Rows, StoreError> {
    let covered = sums::covered(reader, (experiment.tenant_id, experiment.id)).await?;
    if by == By::Agent {
        return Ok(Rows { rows: agents(&covered, found), ..Rows::default() });
    }
    let baselines = Baselines::of(reader, experiment).await?;
    let (mut rows, mut read) = match by {
        By::Step => steps(reader, experiment, &covered, &baselines).await?,
        By::Horizon | By::Agent => horizons(reader, experiment, &covered, &baselines).await?,
    };
    rows.sort_by_key(|row| row.stretch);
    let overlap = findings::overlap(found);
    for row in &mut rows {
        let figures = std::mem::take(&mut row.figures);
        let of_several = figures.agents > 1;
        row.figures = figures.overlapping(overlap && of_several);
    }
    let reported: u32 = covered.iter().map(|one| one.horizons).sum();
    read = read.min(reported);
    // What is measured where a pipeline is compared with itself is no part of the total.
    let of_total = rows.iter().filter(|row| row.step.as_deref() != Some("aa"));
    let points: u64 = of_total.map(|row| row.figures.points_in).sum();
    let points_apart = findings::total(found).points_in.saturating_sub(points);
    Ok(Rows { rows, unread: reported - read, points_apart })
}

/// Number of horizons that are read of each agent in each step: the latest ones.
fn latest(covered: usize) -> usize {
    (READ / covered.max(1)).clamp(1, KEPT)
}

fn millis(nanos: i64) -> UnixMillis {
    UnixMillis(nanos.div_euclid(MILLI))
}

/// Adds what an agent covers to a row.
fn cover(row: &mut ResultsRow, ends: [i64; 2], horizons: u32) {
    let [from, to] = ends.map(millis);
    let [begun, ended] = if row.horizons == 0 { [from, to] } else { row.stretch };
    row.stretch = [begun.min(from), ended.max(to)];
    row.horizons += horizons;
}

/// Reports of an agent in a step, as far as they are read.
struct Told<'a> {
    of: &'a Covered,
    /// Horizons that are kept one by one, oldest first.
    horizons: Vec<Body>,
    /// Merges of those before.
    stretches: Vec<Stretch>,
    /// Time after which a horizon ends that counts: what was measured with an earlier baseline does not add to that of the present
    /// one.
    since: i64,
}

impl<'a> Told<'a> {
    async fn read(
        reader: &mut Connection,
        experiment: &Experiment,
        of: &'a Covered,
        baselines: &Baselines,
        all: usize,
    ) -> Result<Self, StoreError> {
        let most = u32::try_from(latest(all)).unwrap_or(u32::MAX);
        let (tenant, id, agent) = (experiment.tenant_id, experiment.id, of.agent);
        let horizons = windows::latest_of_step(reader, (tenant, id), agent, &of.step, most).await?;
        let merged = merges::Of { tenant, experiment: id, agent, step: of.step.clone() };
        // Of few agents there is room for all merges of a long step.
        let rest = u32::try_from(READ / all.max(1)).unwrap_or(u32::MAX).max(most);
        let stretches = merges::latest(reader, &merged, rest).await?;
        let since = baselines.since(agent).unwrap_or(i64::MIN);
        Ok(Self { of, horizons, stretches, since })
    }

    /// Number of horizons.
    fn len(&self) -> u32 {
        let merged: usize = self.stretches.iter().map(|stretch| stretch.merge.len()).sum();
        u32::try_from(self.horizons.len() + merged).unwrap_or(u32::MAX)
    }

    /// Begin of the earliest that was read, if some before it were not.
    fn cut(&self) -> Option<i64> {
        let kept = self.horizons.iter().map(|one| one.stretch[0]);
        let merged = self.stretches.iter().filter_map(|one| Some(one.merge.ends()?[0]));
        kept.chain(merged).min().filter(|_| self.len() < self.of.horizons)
    }
}

impl Horizons {
    /// Adds a horizon, unless it ended by then, or is void: the split lost a unit in it, or batches were left out of it.
    fn adds(&mut self, body: &Body, since: i64) {
        let Some(findings) = read(body).filter(|_| body.stretch[1] > since) else { return };
        if findings.horizon.missing.count == 0 {
            self.add(body.stretch[1], findings.horizon);
        }
    }

    /// Adds a merge, unless it began before then.
    fn adds_merged(&mut self, stretch: Stretch, since: i64) {
        if stretch.merge.ends().is_some_and(|[from, _]| from >= since) {
            self.merge(stretch.merge.figures);
        }
    }
}

fn read(body: &Body) -> Option<Findings> {
    let digest = proto::generation::config_hash(&body.bytes);
    let mut findings = Findings::decode(&body.bytes, &digest).ok()?;
    if body.after_restart {
        // A panel still shows what this process has not seen.
        let lenses = findings.horizon.lenses.iter_mut();
        lenses
            .filter(|lens| lens.measured.is_measured())
            .for_each(|lens| lens.measured = Measured::NoInstant);
    }
    Some(findings)
}

async fn steps(
    reader: &mut Connection,
    experiment: &Experiment,
    covered: &[Covered],
    baselines: &Baselines,
) -> Result<(Vec<ResultsRow>, u32), StoreError> {
    let mut steps: BTreeMap<&str, Together> = BTreeMap::new();
    let mut number = 0;
    for one in covered {
        let Together { row, agents } = steps.entry(&one.step).or_default();
        cover(row, [one.from, one.to], one.horizons);
        let told = Told::read(reader, experiment, one, baselines, covered.len()).await?;
        number += told.len();
        let own = agents.entry(one.agent).or_default();
        told.horizons.iter().for_each(|body| own.adds(body, told.since));
        told.stretches.into_iter().for_each(|stretch| own.adds_merged(stretch, told.since));
    }
    Ok((steps.into_iter().map(|(step, of)| of.whole(step)).collect(), number))
}

/// Row that is being made, and the horizons of each agent in it.
#[derive(Default)]
struct Together {
    row: ResultsRow,
    agents: BTreeMap<AgentUid, Horizons>,
}

impl Together {
    fn whole(self, step: &str) -> ResultsRow {
        let Self { row, agents } = self;
        let last = agents.values().filter_map(Horizons::last);
        let last = last.reduce(|[from, to], [begun, ended]| [from.min(begun), to.max(ended)]);
        ResultsRow {
            last: last.map(|ends| ends.map(millis)),
            step: Some(step.to_owned()),
            kept: agents.values().map(Horizons::kept).sum(),
            figures: Figures::over_horizons(agents.values()),
            ..row
        }
    }
}

async fn horizons(
    reader: &mut Connection,
    experiment: &Experiment,
    covered: &[Covered],
    baselines: &Baselines,
) -> Result<(Vec<ResultsRow>, u32), StoreError> {
    let mut steps: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    for one in covered {
        let told = Told::read(reader, experiment, one, baselines, covered.len()).await?;
        steps.entry(&one.step).or_default().push(told);
    }
    let least = i64::try_from(experiment.spec.report_every.as_nanos()).unwrap_or(i64::MAX).max(1);
    let (mut rows, mut number) = (Vec::new(), 0);
    for (step, told) in steps {
        let of_step = one_by_one(step, told, least);
        number += of_step.iter().map(|row| row.horizons).sum::<u32>();
        rows.extend(of_step);
    }
    Ok((rows, number))
}

/// Rows of the horizons of a step, those that were merged by the time that they are of. `least` is the least length of a horizon:
/// it is longer where the candidate holds points, or where points come seldom.
fn one_by_one(step: &str, told: Vec<Told<'_>>, least: i64) -> Vec<ResultsRow> {
    // A row is of all that reported it: what is before all of some agent's is in none.
    let cut = told.iter().filter_map(Told::cut).max().unwrap_or(i64::MIN);
    let all = || told.iter().flat_map(|told| &told.horizons);
    let length =
        all().map(|one| one.stretch[1].saturating_sub(one.stretch[0])).min().unwrap_or(least).max(least);
    // No two of one process end within the length of the shortest; and clocks differ by less than half of it, or a verdict says so.
    let number = |end: i64| end.saturating_sub(length / 2).div_euclid(length);
    let mut merged: BTreeMap<(Grain, i64), Together> = BTreeMap::new();
    let mut together: BTreeMap<i64, Vec<(AgentUid, i64, Body)>> = BTreeMap::new();
    for Told { of: Covered { agent, .. }, horizons, stretches, since } in told {
        for stretch in stretches {
            let Some(ends) = stretch.merge.ends().filter(|[_, to]| *to > cut) else { continue };
            let Together { row, agents } = merged.entry((stretch.grain, stretch.start)).or_default();
            cover(row, ends, u32::try_from(stretch.merge.len()).unwrap_or(u32::MAX));
            row.grain = Some(stretch.grain);
            agents.entry(*agent).or_default().adds_merged(stretch, since);
        }
        for body in horizons.into_iter().filter(|body| body.stretch[1] > cut) {
            together.entry(number(body.stretch[1])).or_default().push((*agent, since, body));
        }
    }
    // The bodies are smaller than what they say: those of one row are read at once.
    let kept = together.into_values().map(|all| {
        let mut one = Together::default();
        for (agent, since, body) in &all {
            cover(&mut one.row, body.stretch, 1);
            one.agents.entry(*agent).or_default().adds(body, *since);
        }
        one
    });
    merged.into_values().chain(kept).map(|one| one.whole(step)).collect()
}

fn agents(covered: &[Covered], found: &[AgentFindings]) -> Vec<ResultsRow> {
    let mut rows: HashMap<AgentUid, ResultsRow> = HashMap::new();
    // What is measured where a pipeline is compared with itself is no part of the total.
    for one in covered.iter().filter(|one| one.step != "aa") {
        cover(rows.entry(one.agent).or_default(), [one.from, one.to], one.horizons);
    }
    let whole = |found: &AgentFindings| {
        let row = rows.remove(&found.uid)?;
        let agent = Some((found.uid, found.host.clone()));
        let figures = findings::total(std::slice::from_ref(found));
        Some(ResultsRow { agent, kept: row.horizons, figures, ..row })
    };
    found.iter().filter_map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_some_of_its_agents_are_not_read_of_is_left_out() {
        let covered = |agent, horizons| Covered {
            step: "mirror".to_owned(),
            agent: AgentUid(uuid::Uuid::from_u128(agent)),
            horizons,
            from: 0,
            to: 50,
        };
        let body =
            |at: i64| Body { bytes: Vec::new(), after_restart: false, stretch: [at * 10, at * 10 + 10] };
        let (one, other) = (covered(1, 5), covered(2, 3));
        let told = |of, numbers: &[i64]| Told {
            of,
            horizons: numbers.iter().map(|at| body(*at)).collect(),
            stretches: Vec::new(),
            since: i64::MIN,
        };
        let rows = |told| one_by_one("mirror", told, 1);
        let counts = |rows: Vec<ResultsRow>| rows.iter().map(|row| row.horizons).collect::<Vec<_>>();
        assert_eq!(
            counts(rows(vec![told(&one, &[0, 1, 2, 3, 4]), told(&other, &[2, 3, 4])])),
            [1, 1, 2, 2, 2]
        );
        assert_eq!(
            counts(rows(vec![told(&one, &[3, 4]), told(&other, &[2, 3, 4])])),
            [2, 2],
            "three are unread"
        );
        assert_eq!(counts(rows(vec![told(&one, &[0, 1, 2, 3, 4]), told(&other, &[4])])), [2]);
    }

    #[test]
    fn fewer_horizons_are_read_of_each_the_more_agents_there_are_and_one_at_least() {
        let read = [0, 1, 256, 257, 10_000, 16_384, 1_000_000].map(latest);
        assert_eq!(read, [64, 64, 64, 63, 1, 1, 1]);
        assert!([1, 257, 1_000, 16_384].iter().all(|agents| latest(*agents) * agents <= READ));
    }
}
