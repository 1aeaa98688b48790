//! `phoenix experiment results`: what was found, as the control plane has it.

use api::Results;
use serde_json::Value;

use super::show::{Column, Show, cell, fields, line, reasons};
use crate::report::{self, Measured};

const COLUMNS: [Column<Results>; 9] = [
    ("outcome", |results| cell(results.outcome)),
    ("agents", |results| results.total.agents.to_string()),
    ("exact", |results| results.total.exact.to_string()),
    ("series that came in", |results| results.total.series_in.to_string()),
    ("series, baseline", |results| results.total.series[0].to_string()),
    ("series, candidate", |results| results.total.series[1].to_string()),
    ("series lost", |results| results.total.lost.to_string()),
    ("collisions", |results| results.total.collisions.to_string()),
    ("critical in, baseline, candidate", |results| {
        results.total.critical.map(|processes| processes.to_string()).join(", ")
    }),
];

/// The sums and the reasons, then tables of what the agents have measured since the experiment began.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn show(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(results) = show.read::<Results>(answer)? else { return Ok(()) };
    fields(&results, &COLUMNS)?;
    match &results.verdict {
        Some(verdict) if results.reasons.is_empty() => reasons(&verdict.reasons)?,
        _ => reasons(&results.reasons)?,
    }
    if results.agents.is_empty() {
        return line("No agent has reported anything yet.");
    }
    let hosts: Vec<_> = results.agents.iter().map(|agent| Measured::of(&agent.host, &agent.total)).collect();
    line(&tables(&hosts))
}

fn tables(hosts: &[Measured<'_>]) -> String {
    let parts = [
        report::sides::side_by_side(hosts),
        report::fates::series(hosts),
        report::named::vanished(hosts),
        report::named::collisions(hosts),
        report::sides::lenses(hosts),
        report::distributions(hosts),
        report::delivery(hosts),
        report::rules(hosts),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}
