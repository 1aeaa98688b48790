//! The second act's findings: what bad candidates would have done, by name.

use super::sides::series_saving;
use super::verdict::decision;
use super::{Trial, TrialFacts, title, wrap};
use crate::report::numbers::exact;
use crate::report::{Measured, named};
use crate::table::render;

/// Table of what each candidate would have saved, and at what price.
pub fn second_act(trials: &[Trial]) -> String {
    let mut text = title("Second act: candidates that never get to deliver anything");
    for trial in trials {
        text.push_str("\n\n");
        text.push_str(&wrap(&format!("The candidate \"{}\" {}.", trial.candidate, trial.about)));
        let rows = trial.agents.iter().map(row).collect();
        let header = ["agent", "series saved", "series lost", "critical hidden", "series that collide"];
        text.push_str(&render("What it would have done", &header, 1, rows));
        text.push_str(&decision(&trial.outcome, trial.seconds_to_outcome, &trial.criteria));
        let hosts: Vec<_> =
            trial.agents.iter().map(|agent| Measured::of(&agent.name, &agent.comparison)).collect();
        text.push_str(&named::vanished(&hosts));
        text.push_str(&named::collisions(&hosts));
    }
    text
}

fn row(facts: &TrialFacts) -> Vec<String> {
    let comparison = &facts.comparison;
    let coverage = &comparison.coverage;
    vec![
        facts.name.clone(),
        series_saving(comparison),
        exact(comparison.lost_by_candidate.value),
        match coverage.critical {
            0 => "none seen".to_owned(),
            critical => format!("{} of {critical}", coverage.baseline.saturating_sub(coverage.candidate)),
        },
        exact(comparison.candidate.collisions.value),
    ]
}
