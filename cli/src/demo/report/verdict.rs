//! The facts in a few sentences, and the control plane's decision. Nothing here decides.

use api::Criterion;
use observe::Comparison;

use super::Act;
use crate::report::criteria;
use crate::report::numbers::{percent, saved};

/// Summary for a person, before the tables.
pub fn of(act: &Act) -> String {
    let all = || act.agents.iter().map(|agent| &agent.comparison);
    let sum = |of: fn(&Comparison) -> u64| all().map(of).sum::<u64>();
    let bytes = [sum(|c| c.baseline.output.bytes), sum(|c| c.candidate.output.bytes)];
    let windows = all().map(|c| c.windows).min().unwrap_or_default();
    let seconds = all().map(|c| c.seconds).fold(0.0, f64::max);
    let counted = if all().all(|c| c.exact) { "Every count is exact." } else { "Some counts are estimates." };
    format!(
        "The candidate \"{}\" {}. It was measured for {seconds:.0} s, in at least {windows} windows on each of {} agents. \
         {} {counted}",
        act.candidate,
        act.about,
        act.agents.len(),
        volume(saved(bytes.map(|count| count as f64))),
    )
}

fn volume(saved: Option<f64>) -> String {
    match saved {
        None => "The baseline made nothing.".to_owned(),
        Some(share) if share >= 0.0 => {
            format!("It makes {} fewer bytes than the baseline.", percent(Some(share)))
        }
        Some(share) => format!("It makes {} more bytes than the baseline.", percent(Some(-share))),
    }
}

/// End of an experiment, with the table of criteria that it rests on.
pub fn decision(outcome: &str, seconds: f64, all: &[Criterion]) -> String {
    let table = criteria::table("The criteria of its last verdict", all);
    format!("\n  The control plane's decision after {seconds:.1} s: {outcome}\n{table}\n")
}
