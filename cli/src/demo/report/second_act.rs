//! The second act's findings: what two bad candidates would have done, by name.

use std::collections::BTreeMap;

use observe::Vanished;

use super::sides::series_saving;
use super::table::render;
use super::{Trial, TrialFacts, title, wrap};
use crate::demo::numbers::exact;

/// Executables named of those that vanish, and identities named of those that collide.
const NAMED: usize = 8;

/// What each candidate would have saved, and at what price.
pub fn second_act(trials: &[Trial]) -> String {
    let mut text = title("Second act: two candidates that never get to deliver anything");
    for trial in trials {
        text.push('\n');
        text.push_str(&wrap(&format!("The candidate \"{}\" {}.", trial.candidate, trial.about)));
        let rows = trial.agents.iter().map(row).collect();
        let header = ["agent", "series saved", "series lost", "critical hidden", "series that collide"];
        text.push_str(&render("What it would have done", &header, 1, rows));
        text.push_str(&vanished(&trial.agents));
        text.push_str(&collisions(&trial.agents));
        text.push('\n');
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

/// The critical processes that would vanish, put together by executable, the most first.
fn vanished(agents: &[TrialFacts]) -> String {
    let mut by_executable: BTreeMap<(&str, bool), Vec<&Vanished>> = BTreeMap::new();
    for process in agents.iter().flat_map(|facts| &facts.comparison.coverage.vanished) {
        let executable = process.process.split(" (pid").next().unwrap_or(&process.process);
        by_executable.entry((executable, process.wholly)).or_default().push(process);
    }
    let mut groups: Vec<_> = by_executable.into_iter().collect();
    groups.sort_by_key(|((_, wholly), processes)| std::cmp::Reverse((*wholly, processes.len())));
    let line = |((executable, wholly), processes): &((&str, bool), Vec<&Vanished>)| {
        let how = if *wholly { "vanish wholly" } else { "lose a required metric" };
        let example = processes.first().map_or("", |process| process.process.as_str());
        format!("\n    {:>4} × {executable:<16} {how}, e.g. {example}", processes.len())
    };
    listed("  Critical processes that a person would look for in vain:", &groups, line)
}

/// Identities that several processes would write, by name.
fn collisions(agents: &[TrialFacts]) -> String {
    let all: Vec<_> = agents.iter().flat_map(|facts| &facts.comparison.collisions).collect();
    // One of each executable says more than eight of one.
    let mut seen = std::collections::BTreeSet::new();
    let executable = |writer: &str| writer.split(" (pid").next().unwrap_or(writer).to_owned();
    let (first, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|collision| seen.insert(executable(&collision.writers[0])));
    let named: Vec<_> = first.into_iter().chain(rest).take(NAMED).collect();
    let line = |collision: &&observe::Collision| {
        let [one, other] = &collision.writers;
        format!("\n    {:<22} {one} and {other}", collision.metric)
    };
    listed("  Different processes that would write one series, for example:", &named, line)
}

fn listed<T>(headline: &str, items: &[T], line: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    let lines: String = items.iter().take(NAMED).map(line).collect();
    let more = items.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\n    and {more} executables more") } else { String::new() };
    format!("\n{headline}{lines}{more}")
}
