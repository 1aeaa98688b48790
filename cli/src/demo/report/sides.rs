//! Critical processes that the agents show, and the agents' own cost to their hosts.

use observe::{Comparison, VariantReport};

use super::Act;
use crate::report::numbers::{bytes, nanos, percent, saved};
use crate::table::render;

/// Critical coverage, what each pipeline takes a point, and what the agent takes of its host.
pub fn agents(act: &Act) -> String {
    let rows = act.agents.iter().map(|agent| {
        let Comparison { coverage, baseline, candidate, .. } = &agent.comparison;
        let kept = |kept: u64| match coverage.critical {
            0 => "none seen".to_owned(),
            critical => format!("{kept} of {critical}"),
        };
        let took = |side: &VariantReport| side.nanos_per_point.map_or_else(|| "–".to_owned(), nanos);
        vec![
            agent.name.clone(),
            kept(coverage.baseline),
            kept(coverage.candidate),
            took(baseline),
            took(candidate),
            nanos(candidate.latency.p99 as f64),
            percent(Some(agent.own.cores)),
            bytes(agent.own.resident_bytes as f64),
        ]
    });
    let header = [
        "agent",
        "critical: baseline",
        "candidate",
        "point: baseline",
        "candidate",
        "p99 batch",
        "CPU",
        "memory",
    ];
    render(
        "Critical processes shown; time in the pipelines; what the agents take, CPU in percent of a core",
        &header,
        1,
        rows.collect(),
    )
}

/// The saving of series, in words.
pub fn series_saving(comparison: &Comparison) -> String {
    percent(saved([comparison.baseline.series.value as f64, comparison.candidate.series.value as f64]))
}
