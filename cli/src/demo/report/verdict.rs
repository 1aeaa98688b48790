//! The facts in a few sentences, and what the control plane decided. Nothing here decides.

use observe::{Comparison, LensReport};

use super::{Act, Reason};
use crate::report::numbers::{error, exact, percent, saved};

/// Summary for a person, before the tables.
pub fn of(act: &Act) -> String {
    let all = || act.agents.iter().map(|agent| &agent.comparison);
    let sum = |of: fn(&Comparison) -> u64| all().map(of).sum::<u64>();
    let series = [sum(|c| c.baseline.series.value), sum(|c| c.candidate.series.value)];
    let bytes = [sum(|c| c.baseline.output.bytes), sum(|c| c.candidate.output.bytes)];
    let windows = all().map(|c| c.windows).min().unwrap_or_default();
    let seconds = all().map(|c| c.seconds).fold(0.0, f64::max);
    let counted = if all().all(|c| c.exact) { "Every count is exact." } else { "Some counts are estimates." };
    format!(
        "The candidate \"{}\" {}. In {seconds:.0} s, {windows} windows on each of {} agents, it keeps {} of {} series ({} fewer) and {} \
         fewer bytes. It {}, {}, and {}. {} {counted}",
        act.candidate,
        act.about,
        act.agents.len(),
        exact(series[1]),
        exact(series[0]),
        percent(saved(series.map(|count| count as f64))),
        percent(saved(bytes.map(|count| count as f64))),
        coverage(sum(|c| c.coverage.critical), sum(|c| c.coverage.candidate)),
        collisions(sum(|c| c.candidate.collisions.value)),
        lenses(&all().flat_map(|c| &c.lenses).collect::<Vec<_>>(), "memory by executable", "memory"),
        sentence(&lenses(&all().flat_map(|c| &c.lenses).collect::<Vec<_>>(), "cpu by executable", "CPU")),
    )
}

/// End of an experiment, with a line for each reason.
pub fn decision(outcome: &str, seconds: f64, reasons: &[Reason]) -> String {
    let mut text = format!("\n  The control plane's decision after {seconds:.1} s: {outcome}, because");
    for reason in reasons {
        text.push_str(&format!("\n    [{}] {}", reason.layer, reason.sentence));
    }
    text.push('\n');
    text
}

fn coverage(critical: u64, kept: u64) -> String {
    match critical {
        0 => "met no critical process, so nothing is known of them".to_owned(),
        _ if kept == critical => format!("keeps all {critical} critical processes visible"),
        _ => format!("hides {} of {critical} critical processes, wholly or in part", critical - kept),
    }
}

fn collisions(colliding: u64) -> String {
    match colliding {
        0 => "no two processes write one series".to_owned(),
        _ => format!("{} series are written by several processes", exact(colliding)),
    }
}

fn lenses(all: &[&LensReport], name: &str, what: &str) -> String {
    let lenses: Vec<_> = all.iter().filter(|lens| lens.name == name).collect();
    let differ: u64 = lenses.iter().map(|lens| lens.groups_that_differ).sum();
    let sum = lenses.iter().fold([0.0, 0.0], |s, l| [s[0] + l.total.baseline, s[1] + l.total.candidate]);
    if lenses.is_empty() {
        return format!("{what} was not looked at");
    }
    if differ == 0 {
        return format!("total {what} by executable does not differ at all");
    }
    let off = (sum[0] != 0.0).then(|| (sum[1] - sum[0]) / sum[0]);
    format!("total {what} is off by {} over all, in {differ} executables", error(off))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
