//! Preview: what agents answered of a candidate that none of them runs, added up. It describes, and decides nothing.

use std::cmp::Ordering;

use observe::offline::{Answer as Checked, Check, OfflinePolicy};
use observe::{Comparison, FleetGroup, FleetLens, LensReport};
use proto::preview::{Previewed, Stretch};

use super::{Answer, Figures};
use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// The most groups of a lens that are named.
const MAX_GROUPS: usize = 10;
/// The most hosts of a check that are named.
const MAX_HOSTS: usize = 20;

/// Outcome of it on one agent.
#[derive(Clone, Debug, PartialEq)]
pub enum PreviewOutcome {
    /// It has answered, about these requests.
    Answered(Stretch, Previewed),
    /// It did not answer in time.
    Unanswered(String),
    /// It is not connected, and was not asked.
    Away,
}

impl PreviewOutcome {
    /// Reason of an agent that was not asked.
    pub const AWAY: &str = "it is not connected, and was not asked";
}

/// One agent that was meant.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewedAgent {
    /// Its uid.
    pub uid: AgentUid,
    /// Name of its host.
    pub host: String,
    /// Time at which it was last heard of.
    pub last_seen: Option<UnixMillis>,
    /// Outcome of it.
    pub outcome: PreviewOutcome,
}

/// Fates of the baseline's series over all agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SummedFates {
    /// Series that stay as they are.
    pub as_it_is: u64,
    /// Renamed ones.
    pub renamed: u64,
    /// Those with fewer attributes.
    pub fewer_attributes: u64,
    /// Those of which aggregates are made.
    pub merged: u64,
    /// Those of which several are made.
    pub split: u64,
    /// Those of which nothing is made.
    pub lost: u64,
    /// Those of which nothing can be said.
    pub not_followed: u64,
}

/// A lens over all agents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreviewLens {
    /// It, with the groups that differ most.
    pub fleet: FleetLens,
    /// Reason for which it was not measured.
    pub not_measured: Option<String>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Evidence that it rests on, in a sentence.
    pub sentence: String,
    /// Agents whose figures are in it.
    pub measured: u32,
    /// Requests of which they are.
    pub requests: u64,
    /// Time from the first to the last of them, seconds: the shortest of any agent, and the longest.
    pub seconds: [f64; 2],
    /// Sums over agents; nothing where nothing was measured.
    pub figures: Option<PreviewFigures>,
    /// Questions of a policy, in the order in which a comparison of captures has them; none where nothing was measured.
    pub checks: Vec<PreviewCheck>,
    /// Sentences of what it does not tell.
    pub not_measured: Vec<String>,
    /// Each agent that was meant.
    pub agents: Vec<PreviewedAgent>,
}

/// Question of a policy, and its answer on all agents: the worst of any.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewCheck {
    /// The key of the policy.
    pub rule: String,
    /// Answer.
    pub answer: Answer,
    /// In a sentence.
    pub sentence: String,
    /// Hosts with that answer, so many as are named.
    pub hosts: Vec<String>,
}

/// Sums over agents.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewFigures {
    /// Counts and savings.
    pub figures: Figures,
    /// Fates.
    pub fates: SummedFates,
    /// Points that do not measure the same in both, and the series that they are of.
    pub changed: [u64; 2],
    /// Lenses.
    pub lenses: Vec<PreviewLens>,
}

impl PreviewedAgent {
    /// Requests that it compared both pipelines on, and the comparison, if there is one.
    #[must_use]
    pub fn measured(&self) -> Option<(&Stretch, &Comparison)> {
        match &self.outcome {
            PreviewOutcome::Answered(stretch, Previewed::Measured(comparison)) => Some((stretch, comparison)),
            _ => None,
        }
    }
}

impl Preview {
    /// Adds up what agents answered, and holds each comparison against a policy.
    #[must_use]
    pub fn of(agents: Vec<PreviewedAgent>, policy: &OfflinePolicy) -> Self {
        let with_figures = agents.iter().filter(|agent| agent.measured().is_some());
        let hosts: Vec<&str> = with_figures.map(|agent| agent.host.as_str()).collect();
        let measured: Vec<_> = agents.iter().filter_map(PreviewedAgent::measured).collect();
        let requests = measured.iter().map(|(stretch, _)| stretch.batches).sum();
        let times = measured.iter().map(|(stretch, _)| stretch.seconds);
        let shortest = times.clone().min_by(f64::total_cmp).unwrap_or(0.0);
        let seconds = [shortest, times.max_by(f64::total_cmp).unwrap_or(0.0)];
        let comparisons: Vec<&Comparison> = measured.iter().map(|(_, comparison)| *comparison).collect();
        Self {
            sentence: sentence([comparisons.len(), agents.len()], requests, seconds),
            measured: u32::try_from(comparisons.len()).unwrap_or(u32::MAX),
            requests,
            seconds,
            figures: (!comparisons.is_empty()).then(|| PreviewFigures::of(&comparisons)),
            checks: checks(&hosts, &comparisons, policy),
            not_measured: not_measured(&comparisons),
            agents,
        }
    }
}

fn sentence([measured, all]: [usize; 2], requests: u64, [shortest, longest]: [f64; 2]) -> String {
    let agents = if all == 1 { "agent" } else { "agents" };
    if measured == 0 {
        return format!("Nothing was measured: none of {all} {agents} has compared both pipelines.");
    }
    let seconds = |time: f64| if time < 1.0 { "less than 1 s".to_owned() } else { format!("{time:.0} s") };
    let time = if longest - shortest < 1.0 {
        seconds(longest)
    } else {
        format!("{} to {} an agent", seconds(shortest), seconds(longest))
    };
    if requests == 1 {
        return format!(
            "It rests on the latest request of {measured} of {all} {agents}, and decides nothing."
        );
    }
    format!(
        "It rests on {requests} of the latest requests ({time}) of {measured} of {all} {agents}, and decides nothing."
    )
}

/// Each check with the worst answer of any agent, and a sentence of one that has it.
fn checks(hosts: &[&str], comparisons: &[&Comparison], policy: &OfflinePolicy) -> Vec<PreviewCheck> {
    let of_agents: Vec<Vec<Check>> =
        comparisons.iter().map(|comparison| policy.check_comparison(comparison)).collect();
    let mut rules: Vec<&str> = Vec::new();
    for check in of_agents.iter().flatten() {
        if !rules.contains(&check.rule.as_str()) {
            rules.push(&check.rule);
        }
    }
    let check = |rule: &str| {
        let of_rule = || {
            let checks = of_agents.iter().map(|all| all.iter().find(|check| check.rule == rule));
            hosts.iter().zip(checks).filter_map(|(host, check)| Some((*host, check?)))
        };
        let (_, worst) = of_rule().max_by_key(|(_, check)| severity(check.answer))?;
        let answer = worst.answer;
        let having: Vec<(&str, &Check)> = of_rule().filter(|(_, check)| check.answer == answer).collect();
        let (first, said) = having.first().map(|(host, check)| (*host, &check.sentence))?;
        let (many, all) = (having.len(), comparisons.len());
        let sentence = match all {
            1 => said.clone(),
            _ => format!("{many} of {all} agents, the first on {first}: {said}"),
        };
        let hosts = having.iter().take(MAX_HOSTS).map(|(host, _)| (*host).to_owned()).collect();
        Some(PreviewCheck { rule: rule.to_owned(), answer: answer_of(answer), sentence, hosts })
    };
    rules.into_iter().filter_map(check).collect()
}

fn severity(answer: Checked) -> u8 {
    match answer {
        Checked::NotApplicable => 0,
        Checked::Met => 1,
        Checked::NotMeasured => 2,
        Checked::Violated => 3,
    }
}

fn answer_of(answer: Checked) -> Answer {
    match answer {
        Checked::Met => Answer::Met,
        Checked::Violated => Answer::Violated,
        Checked::NotMeasured => Answer::NotMeasured,
        Checked::NotApplicable => Answer::NotApplicable,
    }
}

/// Sentences of what no preview tells, and of what this one does not.
fn not_measured(comparisons: &[&Comparison]) -> Vec<String> {
    let mut all = Vec::new();
    if comparisons.is_empty() {
        return all;
    }
    if comparisons.len() > 1 {
        all.push(
            "Agents were not compared with each other: identities that two of them write are no collisions here, and a series that \
             comes through several counts for each."
                .to_owned(),
        );
    }
    all.push("Nothing was delivered: what destinations make of it, and how long units would wait, is not measured.".to_owned());
    let sampled = comparisons.iter().filter(|comparison| comparison.sample.is_some()).count();
    if sampled > 0 {
        all.push(format!(
            "{sampled} of {} agents had more series than they follow one by one: their counts are estimates from a sample.",
            comparisons.len()
        ));
    }
    let held: u64 = comparisons.iter().map(|comparison| comparison.changed.held_series).sum();
    if held > 0 {
        all.push(format!("Values of {held} series were not compared: a stage holds their points back."));
    }
    let other: u64 = comparisons.iter().map(|comparison| comparison.changed.not_compared_series).sum();
    if other > 0 {
        all.push(format!(
            "Values of {other} series were not compared: they have another unit, type or temporality."
        ));
    }
    all
}

impl PreviewFigures {
    fn of(comparisons: &[&Comparison]) -> Self {
        let mut fates = SummedFates::default();
        let mut changed = [0; 2];
        for comparison in comparisons {
            fates.add(comparison);
            changed[0] += comparison.changed.points;
            changed[1] += comparison.changed.series;
        }
        let figures = Figures::of(comparisons.iter().copied());
        Self { figures, fates, changed, lenses: lenses(comparisons) }
    }
}

impl SummedFates {
    fn add(&mut self, comparison: &Comparison) {
        let of = &comparison.fates;
        self.as_it_is += of.as_it_is;
        self.renamed += of.renamed;
        self.fewer_attributes += of.fewer_attributes;
        self.merged += of.merged;
        self.split += of.split;
        self.lost += of.lost;
        self.not_followed += of.not_followed;
    }
}

/// Lenses by name, each over the agents that have it.
fn lenses(comparisons: &[&Comparison]) -> Vec<PreviewLens> {
    let reports = || comparisons.iter().flat_map(|comparison| &comparison.lenses);
    let mut names: Vec<&str> = Vec::new();
    for report in reports() {
        if !names.contains(&report.name.as_str()) {
            names.push(&report.name);
        }
    }
    names.into_iter().map(|name| lens(reports().filter(|report| report.name == name).enumerate())).collect()
}

fn lens<'a>(reports: impl Iterator<Item = (usize, &'a LensReport)>) -> PreviewLens {
    let reports: Vec<(usize, &LensReport)> = reports.collect();
    let longest = reports.iter().map(|(_, report)| length(report)).fold(0.0, f64::max);
    let stretched: Vec<LensReport> = reports.iter().map(|(_, report)| stretched(report, longest)).collect();
    let mut fleet = FleetLens::of(stretched.iter().enumerate());
    let reason = |measured: &observe::Measured| {
        let (_, report) = reports.iter().find(|(_, report)| report.measured == *measured)?;
        measured.reason(report)
    };
    let not_measured = fleet.not_measured.as_ref().and_then(reason);
    fleet.groups.retain(|group| group.figures.differs());
    fleet.groups.sort_by(furthest);
    fleet.groups.truncate(MAX_GROUPS);
    PreviewLens { fleet, not_measured }
}

/// Length of what a report is of: seconds of increases, else instants.
fn length(report: &LensReport) -> f64 {
    if report.increases { report.seconds } else { report.total.instants as f64 }
}

/// A report as it would be of a stretch of this length. Agents keep different numbers of requests, and each is to count for what
/// it shows, not for how long it has shown it.
fn stretched(report: &LensReport, longest: f64) -> LensReport {
    let mut report = report.clone();
    let length = length(&report);
    if !report.measured.is_measured() || length <= 0.0 || length >= longest {
        return report;
    }
    let by = longest / length;
    let count = |number: &mut u64| *number = (*number as f64 * by).round() as u64;
    let named = report.worst.iter_mut().chain(&mut report.largest);
    for figures in named.chain([&mut report.total]) {
        figures.sums = figures.sums.map(|sum| sum * by);
        figures.members.iter_mut().chain(&mut figures.shown).for_each(count);
        count(&mut figures.instants);
        count(&mut figures.gaps);
    }
    report.seconds *= by;
    report
}

/// The order of groups: the furthest from the baseline first, those that the baseline does not have behind all others.
fn furthest(one: &FleetGroup, other: &FleetGroup) -> Ordering {
    let is_new = |group: &FleetGroup| group.figures.relative_error.is_none();
    let order = is_new(one).cmp(&is_new(other));
    if order != Ordering::Equal {
        return order;
    }
    let difference = |group: &FleetGroup| group.figures.difference().abs();
    difference(other).total_cmp(&difference(one)).then_with(|| one.figures.group.cmp(&other.figures.group))
}

#[cfg(test)]
mod tests;
