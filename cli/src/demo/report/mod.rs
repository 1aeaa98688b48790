//! What the demo found, for a machine as it is and for a person in tables.
//!
//! It only says what was measured. Whether a candidate is good enough is for whoever reads it.

mod fates;
mod second_act;
mod sides;
mod verdict;

use std::collections::BTreeMap;

use observe::Comparison;
use serde::Serialize;
use simulator::sender::SenderCounts;

use super::books::{Books, OwnCost};
use super::cast::PARTS;
use super::configs::Candidate;
use super::proof::{Equation, tally};

pub use second_act::second_act;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Whether every equation of the proof holds.
    pub holds: bool,
    /// How long it took, seconds.
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
    /// What was tried.
    pub candidate: &'static str,
    /// What it does.
    pub about: &'static str,
    /// By agent.
    pub agents: Vec<AgentFacts>,
}

/// What is known of one agent after the walk.
#[derive(Debug, Serialize)]
pub struct AgentFacts {
    /// Its name.
    pub name: String,
    /// What fed it.
    pub fed_from: &'static str,
    /// Both pipelines over the whole walk.
    pub comparison: Comparison,
    /// Points that the candidate's rules dropped, by rule.
    pub dropped_by_rule: BTreeMap<String, u64>,
    /// What the agent cost its host.
    pub own: OwnCost,
    /// What became of its source's points.
    pub source: SenderCounts,
}

/// A candidate that was only looked at.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Its name.
    pub candidate: &'static str,
    /// What it does.
    pub about: &'static str,
    /// By agent, what it would have done.
    pub agents: Vec<TrialFacts>,
}

/// One agent's part of a [`Trial`].
#[derive(Debug, Serialize)]
pub struct TrialFacts {
    /// Its name.
    pub name: String,
    /// Both pipelines in this generation.
    pub comparison: Comparison,
}

impl Act {
    /// Reads the books of the walk.
    pub fn of(candidate: &Candidate, books: &Books) -> Self {
        let facts = |(book, part): (&super::books::AgentBook, &super::cast::Part)| AgentFacts {
            name: book.name.clone(),
            fed_from: part.about,
            comparison: book.total.clone(),
            dropped_by_rule: book.meters.dropped_by_rule.clone(),
            own: book.own,
            source: book.source.clone(),
        };
        let agents = books.agents.iter().zip(&PARTS).map(facts).collect();
        Self { candidate: candidate.name, about: candidate.about, agents }
    }

    /// The report of the walk: a paragraph of facts, then tables.
    pub fn text(&self) -> String {
        [
            title("Report: the candidate against the baseline"),
            wrap(&verdict::of(self)),
            sides::side_by_side(self),
            fates::series(self),
            sides::lenses(self),
            sides::agents(self),
        ]
        .join("\n")
    }
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
    const WIDTH: usize = 98;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
