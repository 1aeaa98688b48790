//! Decision: evidence × policy × step → a table of criteria, and a verdict with its reasons. Pure.
//!
//! In this order: harm that acts at once, on any stretch of any agent (roll back); an A/A step that differs (hold:
//! nothing else can be believed); time that is up (hold, or roll back); a baseline that has changed (hold); evidence that is
//! missing (hold) or still to come (continue); what the policy sends back for (roll back); what it holds for, and what was not
//! measured (hold); who has to be asked and when (hold); else advance. Nothing advances on silence: advancing needs every
//! criterion that has a consequence to be met, or to speak of nothing that came in. What only observes is judged by `observed`.

mod aa;
mod across;
mod added_up;
mod approval;
mod arrivals;
mod baseline;
mod between;
mod beyond_mirror;
mod delivery;
mod guardrails;
mod harm;
mod lost_groups;
mod more;
mod not_yet;
mod observed;
mod pending;
mod sampled;
mod savings;
mod series;
mod shown;
mod shown_in_sample;
mod start;

pub use baseline::rebased;
pub use start::decide_start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::Findings;
use serde::{Deserialize, Serialize};

use super::basis::is_missing;
use super::guardrail::OfHost;
use super::{
    AgentEvidence, Answer, Basis, Criterion, Effect, Evidence, Figures, Goal, Policy, Reason, Run, Spec, Step,
};
use crate::clock::UnixMillis;

/// Kind of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Wait for more evidence.
    Continue,
    /// Take the next step.
    Advance,
    /// Put the candidate in charge.
    Promote,
    /// Stay in this step.
    Hold,
    /// Put the baseline back in charge.
    RollBack,
    /// End what only observes: every criterion is met.
    WouldPromote,
    /// End what only observes: a criterion is violated.
    WouldNot,
    /// End what only observes: not everything that was asked for was measured.
    NotMeasured,
}

impl Verb {
    /// Its name in labels of metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Advance => "advance",
            Self::Promote => "promote",
            Self::Hold => "hold",
            Self::RollBack => "roll_back",
            Self::WouldPromote => "would_promote",
            Self::WouldNot => "would_not",
            Self::NotMeasured => "not_measured",
        }
    }
}

/// Decision, its reasons, and all that was looked at for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Kind of the decision.
    pub verb: Verb,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
    /// Every criterion with its answer.
    #[serde(default)]
    pub criteria: Vec<Criterion>,
    /// Agents, units and stretch that it rests on.
    #[serde(default)]
    pub basis: Basis,
}

impl Verdict {
    /// Tells whether it is about harm that acts at once.
    #[must_use]
    pub fn is_harm(&self) -> bool {
        self.criteria.iter().any(|one| one.is_violated_with(Effect::RollBackAtOnce))
    }

    /// Tells whether time that is up is its first reason.
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        let limits = ["max_duration", "max_step_duration"];
        self.reasons
            .first()
            .is_some_and(|one| one.layer == "audit" && limits.contains(&one.quantity.as_str()))
    }

    /// A verdict of which nothing but the reasons is told.
    #[must_use]
    pub fn of(verb: Verb, reasons: Vec<Reason>) -> Self {
        Self { verb, reasons, criteria: Vec::new(), basis: Basis::default() }
    }
}

/// Everything that a criterion looks at.
struct Subject<'a> {
    evidence: &'a Evidence,
    spec: &'a Spec,
    run: &'a Run,
    goal: Option<Goal>,
    now: UnixMillis,
    /// Horizons that each agent must have in the step.
    needed: u32,
    /// What all processes of all agents have measured since the experiment began.
    figures: Figures,
}

impl Subject<'_> {
    fn policy(&self) -> &Policy {
        &self.spec.policy
    }

    /// Tells whether anything came in on any agent.
    fn came_in(&self) -> bool {
        self.figures.points_in > 0
    }

    /// The step, as far as horizons of it are looked at: once the last one is being collected, those since then.
    fn step(&self) -> String {
        match self.evidence.since {
            None => self.run.step.to_string(),
            Some(since) => format!("{} since {since}", self.run.step),
        }
    }

    /// Words after what there is none of: of horizons that are void, something may have come in.
    fn that_counts(&self) -> &'static str {
        let is_void = |agent: &AgentEvidence| agent.voided > 0 || !agent.void.is_empty();
        if self.evidence.agents.iter().any(is_void) { " that counts" } else { "" }
    }

    /// Adds a figure, its limit, and the number of agents that have traffic.
    fn measured(&self, finding: Reason, observed: f64, limit: f64) -> Reason {
        finding.measured(observed, limit, self.evidence.counted().count())
    }

    /// Horizons of the step by time, the latest first: the comparisons, by host, of those that ended within one `report_every` by
    /// our clock, and of each other agent the horizon that covers this time, if it has one. Of the `fleet` together, a time of
    /// which an agent with traffic is still to tell is left out: without it, the others are not the fleet.
    fn horizons(&self, fleet: bool) -> Vec<Vec<OfHost<'_>>> {
        let length = u64::try_from(self.spec.report_every.as_nanos()).unwrap_or(u64::MAX).max(1);
        let agents = || self.evidence.agents.iter().filter(|agent| !agent.horizons.is_empty());
        let ends = agents().flat_map(|agent| agent.horizons.iter().map(|found| found.window_end));
        let mut times: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
        for end in ends {
            let of_its_time = times.entry(end / length).or_insert([end; 2]);
            *of_its_time = [of_its_time[0].min(end), of_its_time[1].max(end)];
        }
        let at = |(slot, time): (&u64, &[u64; 2])| {
            let mut all = Vec::new();
            for agent in agents() {
                let host = agent.host.as_str();
                let before = all.len();
                let own = agent.horizons.iter().filter(|found| found.window_end / length == *slot);
                all.extend(own.map(|found| (host, &found.horizon)));
                if all.len() > before {
                    continue;
                }
                match covering(&agent.horizons, *time, length) {
                    Some(found) => all.push((host, &found.horizon)),
                    None if fleet && self.is_to_tell(agent, time[0]) => return None,
                    None => {}
                }
            }
            Some(all)
        };
        times.iter().rev().filter_map(at).collect()
    }

    /// Tells whether an agent that was there will tell of this time.
    fn is_to_tell(&self, agent: &AgentEvidence, time: u64) -> bool {
        let is_over = agent.last().is_some_and(|last| last.window_end < time);
        let comes = agent.is_waited_for(self.spec, self.now) && !is_missing(agent, self.spec, self.now);
        is_over && comes && !agent.is_idle()
    }

    /// Comparisons of all agents, by host: all that each of their processes has measured.
    fn totals(&self) -> impl Iterator<Item = (&str, &observe::Comparison)> {
        let agents = self.evidence.agents.iter();
        agents.flat_map(|agent| agent.totals.iter().map(|total| (agent.host.as_str(), total.as_ref())))
    }
}

/// The horizon that is nearest to a stretch of ends, of those that end less than `length` from it or reach over it.
fn covering(horizons: &[Arc<Findings>], [from, to]: [u64; 2], length: u64) -> Option<&Findings> {
    let apart = |found: &&Arc<Findings>| {
        let end = found.window_end;
        from.saturating_sub(end).max(end.saturating_sub(to))
    };
    let nearest = horizons.iter().min_by_key(apart)?;
    let reaches = |found: &&Arc<Findings>| {
        let seconds = found.horizon.seconds.max(0.0);
        let begin = found.window_end.saturating_sub((seconds * 1e9) as u64);
        begin < to && found.window_end > from
    };
    let found = if apart(&nearest) < length { Some(nearest) } else { horizons.iter().find(reaches) };
    found.map(Arc::as_ref)
}

/// Looks at the evidence of a step under way. `goal` is set once the last horizon is being collected.
#[must_use]
pub fn decide(evidence: &Evidence, spec: &Spec, run: &Run, goal: Option<Goal>, now: UnixMillis) -> Verdict {
    // A last horizon is one more than those of the step; what only observes has no others.
    let needed = if goal.is_some_and(|goal| goal != Goal::Judge) { 1 } else { spec.policy.min_horizons };
    let looked = Subject { evidence, spec, run, goal, now, needed, figures: figures(evidence) };
    let basis = Basis::of(evidence, &looked.figures, spec, now);
    let (pending, wait) = pending::criterion(&looked);
    let mut criteria = vec![pending, baseline::criterion(&looked)];
    criteria.extend(harm::criteria(&looked));
    if run.step == Step::Aa {
        let mut compared = vec![aa::criterion(&looked)];
        sampled::say(&looked, &mut compared);
        criteria.extend(compared);
    } else {
        criteria.push(across::criterion(&looked));
        let mut of_series = series::criteria(&looked);
        of_series.extend(shown::criteria(&looked));
        of_series.push(more::criterion(&looked));
        of_series.extend(savings::criteria(&looked));
        sampled::say(&looked, &mut of_series);
        criteria.extend(of_series);
        criteria.extend(delivery::criteria(&looked));
        criteria.extend(guardrails::criteria(&looked));
    }
    not_yet::say(&looked, &mut criteria);
    let verdict = if spec.is_observe_only() {
        let beyond = if run.step == Step::Aa { Vec::new() } else { beyond_mirror::criteria(&looked) };
        let verdict = observed::judge(&looked, [&criteria, &beyond], wait, goal);
        criteria.extend(beyond);
        verdict
    } else {
        judge(&looked, &criteria, wait, goal)
    };
    Verdict { criteria, basis, ..verdict }
}

fn figures(evidence: &Evidence) -> Figures {
    let last = Figures::of(evidence.agents.iter().filter_map(|agent| agent.totals.last().map(Arc::as_ref)));
    let restarted = evidence.agents.iter().any(|agent| agent.totals.len() > 1);
    let all = evidence.agents.iter().flat_map(|agent| agent.totals.iter().map(Arc::as_ref));
    Figures::over_processes(last, all, restarted).overlapping(evidence.across.overlaps())
}

/// Findings of the criteria of which something is true.
fn findings(criteria: &[Criterion], which: impl Fn(&Criterion) -> bool) -> Vec<Reason> {
    criteria.iter().filter(|one| which(one)).map(|one| one.finding.clone()).collect()
}

fn judge(looked: &Subject<'_>, criteria: &[Criterion], wait: Option<Verb>, goal: Option<Goal>) -> Verdict {
    let of = |which: &dyn Fn(&Criterion) -> bool| findings(criteria, which);
    let (policy, run) = (looked.policy(), looked.run);
    let fatal = of(&|one| one.is_violated_with(Effect::RollBackAtOnce));
    if !fatal.is_empty() {
        return Verdict::of(Verb::RollBack, fatal);
    }
    let differs = of(&aa::differs);
    if !differs.is_empty() {
        return Verdict::of(Verb::Hold, differs);
    }
    if goal != Some(Goal::Stop)
        && let Some(over) = approval::out_of_time(policy, run, looked.now)
    {
        return over;
    }
    let overdue = overdue(looked.spec, run, looked.evidence, looked.now);
    let waits = |verdict: Verdict| match overdue {
        Some(limit) => give_up(limit, verdict.reasons),
        None => verdict,
    };
    let rebased = of(&baseline::changed);
    if !rebased.is_empty() {
        return waits(Verdict::of(Verb::Hold, rebased));
    }
    if let (Some(verb), Some(pending)) = (wait, criteria.first()) {
        return waits(Verdict::of(verb, vec![pending.finding.clone()]));
    }
    let broken = of(&|one| one.is_violated_with(Effect::RollBack));
    if !broken.is_empty() {
        return Verdict::of(Verb::RollBack, broken);
    }
    let told = of(&|one| one.effect == Effect::Tell && one.answer != Answer::NotApplicable);
    let holding = of(&Criterion::holds);
    if !holding.is_empty() {
        return waits(Verdict::of(Verb::Hold, holding.into_iter().chain(told).collect()));
    }
    let kept = of(&|one| one.answer == Answer::Met || one.effect == Effect::Tell);
    let kept: Vec<Reason> = lost_groups::reason(looked).into_iter().chain(kept).collect();
    let asked = approval::permission(policy, run, goal, looked.now);
    if goal != Some(Goal::Stop) && !asked.is_empty() {
        return Verdict::of(Verb::Hold, asked.into_iter().chain(kept).collect());
    }
    match goal {
        Some(Goal::Promote) => {
            Verdict::of(Verb::Promote, kept.into_iter().chain(approval::approval(run)).collect())
        }
        Some(Goal::Stop | Goal::Judge) | None => Verdict::of(Verb::Advance, kept),
    }
}

/// Time that the step was given, if that is over.
fn overdue(spec: &Spec, run: &Run, evidence: &Evidence, now: UnixMillis) -> Option<Duration> {
    spec.policy.max_step_duration.filter(|limit| run.since.plus(evidence.delay).plus(*limit) < now)
}

fn give_up(limit: Duration, reasons: Vec<Reason>) -> Verdict {
    let reasons = reasons.into_iter().map(Reason::at_the_end);
    Verdict::of(Verb::RollBack, std::iter::once(no_further(limit)).chain(reasons).collect())
}

fn no_further(limit: Duration) -> Reason {
    let limit = humantime::format_duration(limit);
    let sentence = format!("The step was given {limit} and did not get further.");
    Reason::new("audit", "max_step_duration", sentence)
}
