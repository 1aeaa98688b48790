//! `phoenix experiment results`: what was found, as the control plane has it.

use api::{Results, ResultsMerge, ResultsRow};
use serde_json::Value;

use super::show::{Column, Show, cell, fields, line, reasons, table};
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

const ROWS: [Column<ResultsRow>; 15] = [
    ("step", |row| cell(row.step.as_ref())),
    ("agent", |row| cell(row.host.as_ref())),
    ("from", |row| row.from.to_string()),
    ("to", |row| row.to.to_string()),
    ("merged", |row| match row.merged {
        None => String::new(),
        Some(ResultsMerge::FiveMinutes) => "5m".to_owned(),
        Some(ResultsMerge::Hour) => "1h".to_owned(),
        Some(ResultsMerge::Step) => "step".to_owned(),
    }),
    ("horizons", |row| match row.kept {
        kept if kept == row.horizons => kept.to_string(),
        kept => format!("{kept} of {}", row.horizons),
    }),
    ("exact", |row| row.figures.exact.to_string()),
    ("points in", |row| row.figures.points_in.to_string()),
    ("series, baseline", |row| row.figures.series[0].to_string()),
    ("series, candidate", |row| row.figures.series[1].to_string()),
    ("active saved", |row| share(row.figures.saving_active)),
    ("bytes saved", |row| share(row.figures.saving_bytes)),
    ("lost", |row| row.figures.lost.to_string()),
    ("collisions", |row| row.figures.collisions.to_string()),
    ("undelivered, candidate", |row| format!("{} of {}", row.figures.undelivered[1], row.figures.settled[1])),
];

fn share(share: Option<f64>) -> String {
    cell(share.map(|share| format!("{:.1} %", share * 100.0)))
}

/// Rows by what was asked for.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn rows(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(results) = show.read::<Results>(answer)? else { return Ok(()) };
    match results.rows.unwrap_or_default().as_slice() {
        [] => line("No agent has reported anything yet."),
        rows => table(rows, &ROWS),
    }
}

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
