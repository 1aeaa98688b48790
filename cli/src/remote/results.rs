//! `phoenix experiment results`: what was found, as the control plane has it.

use anyhow::Context as _;
use observe::Comparison;
use serde::Deserialize;
use serde_json::Value;

use super::Format;
use super::show::{Show, line};
use crate::report::{self, Measured};

const COLUMNS: [(&str, &str); 9] = [
    ("outcome", "/outcome"),
    ("agents", "/total/agents"),
    ("exact", "/total/exact"),
    ("series that came in", "/total/series_in"),
    ("series, baseline", "/total/series/0"),
    ("series, candidate", "/total/series/1"),
    ("series lost", "/total/lost"),
    ("collisions", "/total/collisions"),
    ("critical in, baseline, candidate", "/total/critical"),
];

/// One agent's part of the answer.
#[derive(Deserialize)]
struct Agent {
    host: String,
    total: Comparison,
}

/// The sums and the reasons, then tables of what the agents have measured since the experiment began.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn show(results: &Value, show: Show) -> anyhow::Result<()> {
    show.one(results, &COLUMNS)?;
    if show.0 == Format::Json {
        return Ok(());
    }
    let decided = &results["reasons"];
    let over = decided.as_array().is_some_and(|reasons| !reasons.is_empty());
    show.reasons(if over { decided } else { &results["verdict"]["reasons"] })?;
    let agents = Vec::<Agent>::deserialize(&results["agents"]).context("the answer is not as expected")?;
    if agents.is_empty() {
        return line("No agent has reported anything yet.");
    }
    let hosts: Vec<_> = agents.iter().map(|agent| Measured::of(&agent.host, &agent.total)).collect();
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
