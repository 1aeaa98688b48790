//! Results of the demo: JSON for a machine, tables for a person.
//!
//! It only says what was measured, and what the control plane decided on it.

mod second_act;
mod sides;
mod verdict;

use std::collections::BTreeMap;

use anyhow::Context;
use api::{Criterion, Reason, Results};
use observe::Comparison;
use serde::Serialize;
use simulator::sender::SenderCounts;

use super::configs::Candidate;
use super::counters::{AgentCounters, Counters, OwnCost};
use super::proof::{Equation, tally};
use super::rollout::Ended;
use super::topology::{PARTS, Part};
use crate::report::{self, Measured};

pub use second_act::second_act;

/// Document that `--json` prints.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// True if every equation of the proof holds.
    pub holds: bool,
    /// Duration, seconds.
    pub seconds: f64,
    /// The walk from weight 0 to 100 %.
    pub walk: Act,
    /// Candidates that were only looked at.
    pub second_act: Vec<Trial>,
    /// Equations of both acts.
    pub proof: Vec<Equation>,
}

/// One candidate on all agents, with what it was measured by.
#[derive(Debug, Serialize)]
pub struct Act {
    /// Name of the candidate.
    pub candidate: &'static str,
    /// Description of its work.
    pub about: &'static str,
    /// Outcome, by the control plane's decision.
    pub outcome: String,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
    /// Criteria of the last verdict, each with its answer.
    pub criteria: Vec<Criterion>,
    /// From its start to its end, seconds.
    pub seconds_to_outcome: f64,
    /// From asking for its rollback until every agent ran what it ran before, milliseconds.
    pub rollback_ms: f64,
    /// By agent.
    pub agents: Vec<AgentFacts>,
}

/// Facts about one agent after the walk.
#[derive(Debug, Serialize)]
pub struct AgentFacts {
    /// Its name.
    pub name: String,
    /// Source of its traffic.
    pub fed_from: &'static str,
    /// Both pipelines over the whole walk, as the control plane has it.
    pub comparison: Comparison,
    /// Points that the candidate's rules dropped, by rule.
    pub dropped_by_rule: BTreeMap<String, u64>,
    /// The agent's own cost to its host.
    pub own: OwnCost,
    /// Account of its source's points.
    pub source: SenderCounts,
}

/// A candidate that was only looked at.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Its name.
    pub candidate: &'static str,
    /// Description of its work.
    pub about: &'static str,
    /// Outcome, by the control plane's decision.
    pub outcome: String,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
    /// Criteria of the last verdict, each with its answer.
    pub criteria: Vec<Criterion>,
    /// From its start to its end, seconds.
    pub seconds_to_outcome: f64,
    /// By agent, what it would have done.
    pub agents: Vec<TrialFacts>,
}

/// One agent's part of a [`Trial`].
#[derive(Debug, Serialize)]
pub struct TrialFacts {
    /// Its name.
    pub name: String,
    /// Both pipelines, as the control plane has it.
    pub comparison: Comparison,
}

impl Act {
    /// Puts together what the control plane says of a candidate and what the counters say of the agents.
    ///
    /// # Errors
    /// When an agent's results are missing.
    pub fn of(
        candidate: &Candidate,
        ended: &Ended,
        rollback_ms: f64,
        counters: &Counters,
    ) -> anyhow::Result<Self> {
        let facts = |(book, part): (&AgentCounters, &Part)| {
            Ok(AgentFacts {
                name: book.name.clone(),
                fed_from: part.about,
                comparison: total_of(&ended.results, part)?,
                dropped_by_rule: book.meters.dropped_by_rule.clone(),
                own: book.own,
                source: book.source.clone(),
            })
        };
        let agents = counters.agents.iter().zip(&PARTS).map(facts).collect::<anyhow::Result<_>>()?;
        let Results { outcome, reasons, .. } = ended.results.clone();
        Ok(Self {
            candidate: candidate.name,
            about: candidate.about,
            outcome: outcome.map(|outcome| outcome.to_string()).unwrap_or_default(),
            reasons,
            criteria: ended.criteria.clone(),
            seconds_to_outcome: ended.seconds,
            rollback_ms,
            agents,
        })
    }

    /// The report of the walk: a paragraph of facts, then tables.
    pub fn text(&self) -> String {
        let agents = self.agents.iter();
        let hosts: Vec<_> = agents.map(|agent| Measured::of(&agent.name, &agent.comparison)).collect();
        [
            title("Report: the candidate against the baseline"),
            wrap(&verdict::of(self)),
            verdict::decision(&self.outcome, self.seconds_to_outcome, &self.criteria),
            wrap(&format!(
                "A promotion can be taken back: {:.0} ms after it was asked for, every agent ran what it ran before.",
                self.rollback_ms
            )),
            report::sides::side_by_side(&hosts),
            report::fates::series(&hosts),
            report::sides::lenses(&hosts),
            sides::agents(self),
        ]
        .join("\n")
    }
}

impl Trial {
    /// Results of a candidate that the control plane refused.
    ///
    /// # Errors
    /// When an agent's results are missing.
    pub fn of(candidate: &Candidate, ended: &Ended) -> anyhow::Result<Self> {
        // One that was offered it in the last wave may not have told anything when it was rolled back.
        let told = |part: &&Part| ended.results.agents.iter().any(|agent| agent.host == part.name);
        let facts = |part: &Part| {
            Ok(TrialFacts { name: part.name.to_owned(), comparison: total_of(&ended.results, part)? })
        };
        let Results { outcome, reasons, .. } = ended.results.clone();
        Ok(Self {
            candidate: candidate.name,
            about: candidate.about,
            outcome: outcome.map(|outcome| outcome.to_string()).unwrap_or_default(),
            reasons,
            criteria: ended.criteria.clone(),
            seconds_to_outcome: ended.seconds,
            agents: PARTS.iter().filter(told).map(facts).collect::<anyhow::Result<_>>()?,
        })
    }
}

fn total_of(results: &Results, part: &Part) -> anyhow::Result<Comparison> {
    let found = results.agents.iter().find(|agent| agent.host == part.name);
    let found = found.with_context(|| format!("the control plane has no results of {}", part.name))?;
    Ok(found.total.clone())
}

/// All equations with their numbers.
pub fn proof(headline: &str, equations: &[Equation]) -> String {
    let mut text = title(headline);
    for equation in equations {
        text.push_str(&format!("\n  {}", equation.claim));
        for case in &equation.cases {
            let mark = if case.holds { "ok" } else { "DOES NOT HOLD" };
            text.push_str(&format!("\n    {:<28}{:<44} {mark}", case.of, case.numbers()));
        }
    }
    let (cases, holding) = tally(equations);
    text.push_str(&match cases - holding {
        0 => format!("\n  All {cases} equations hold: not one point was lost or doubled."),
        broken => format!("\n  {broken} of {cases} equations DO NOT HOLD."),
    });
    text
}

fn title(text: &str) -> String {
    format!("\n{text}\n{}", "═".repeat(text.chars().count()))
}

/// A paragraph, indented, at most 100 columns wide.
fn wrap(text: &str) -> String {
    report::broken(text, 98).iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
