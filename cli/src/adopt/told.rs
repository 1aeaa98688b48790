//! An adoption told: as tables for people, as one document for programs.

use pipelines::division::Placement;
use serde_json::{Value, json};

use super::checks::Check;
use super::{Adoption, steps};
use crate::{output, table};

/// Prints both tables, and what was refused.
pub fn text(adoption: &Adoption<'_>) -> anyhow::Result<()> {
    let rows =
        adoption.division.rows.iter().map(|row| {
            vec![format!("{} {}", row.section, row.component), row.home.to_string(), row.why.clone()]
        });
    let caption = format!("{} at {}: each component", placement(adoption.placement), adoption.pipeline);
    output::line(&table::render(&caption, &["component", "runs in", "why"], 3, rows.collect()))?;
    output::line(&format!("\n  {}", baseline(adoption)))?;
    if !adoption.others.is_empty() {
        let others = adoption.others.join(", ");
        output::line(&match adoption.placement {
            Placement::Instead => format!(
                "  Experiments are about {}; {others} {}. Say --pipeline to have them on another one.",
                adoption.pipeline,
                if adoption.others.len() == 1 { "passes" } else { "pass" }
            ),
            Placement::Observe | Placement::Loop => {
                format!("  Not touched: {others}. Say --pipeline to divide one of them.")
            }
        })?;
    }
    if !adoption.division.variables.is_empty() {
        let names = adoption.division.variables.join(", ");
        output::line(&format!("  The agent's half uses {names}: set them where the agent runs, too."))?;
    }
    for (whose, check) in checks(adoption) {
        output::line(&format!("  {}", sentence(whose, check)))?;
    }
    output::line("\n  What to do next")?;
    for (step, number) in steps::next(adoption).iter().zip(1_u32..) {
        output::line(&format!("  {number:2}. {}", step.what))?;
        if !step.command.is_empty() {
            // On a line of its own, to be copied.
            output::line(&format!("        {}", step.command))?;
        }
    }
    Ok(())
}

/// Prints one JSON document.
pub fn json(adoption: &Adoption<'_>) -> anyhow::Result<()> {
    let rows = adoption.division.rows.iter().map(|row| {
        json!({ "section": row.section, "component": row.component, "home": row.home.to_string(), "why": row.why })
    });
    let steps = steps::next(adoption);
    let steps = steps.iter().map(|step| json!({ "step": step.what, "command": step.command }));
    let checks = checks(adoption).into_iter().map(|(whose, check)| outcome(whose, check));
    let written = &adoption.written;
    output::say(&json!({
        "placement": placement(adoption.placement),
        "pipeline": adoption.pipeline,
        "other_pipelines": adoption.others,
        "baseline": adoption.division.baseline,
        "variables": adoption.division.variables,
        "components": rows.collect::<Vec<Value>>(),
        "files": { "collector": written.collector, "document": written.document, "agent": written.agent },
        "checks": checks.collect::<Vec<Value>>(),
        "next": steps.collect::<Vec<Value>>(),
    }))
}

fn placement(placement: Placement) -> &'static str {
    match placement {
        Placement::Observe => "observe",
        Placement::Loop => "loop",
        Placement::Instead => "instead",
    }
}

fn baseline(adoption: &Adoption<'_>) -> String {
    match adoption.division.baseline.as_slice() {
        [] => "The baseline is empty: nothing that Phoenix runs follows what stays in the Collector. A candidate is compared \
               with all that arrives."
            .to_owned(),
        ids => format!("The baseline: {}.", ids.join(", ")),
    }
}

fn checks<'a>(adoption: &'a Adoption<'_>) -> Vec<(&'static str, &'a Check)> {
    let collector = adoption.checks.collector.iter().map(|check| ("Collector", check));
    std::iter::once(("agent", &adoption.checks.agent)).chain(collector).collect()
}

fn sentence(whose: &str, check: &Check) -> String {
    match check {
        Check::Taken { by } => format!("The {whose}'s half was checked by {by}: it is right."),
        Check::Refused { by, said } => format!("The {whose}'s half is refused by {by}:\n{said}"),
        Check::NotRun { .. } => format!("The {whose}'s half was read again by Phoenix, not by a {whose}."),
    }
}

fn outcome(whose: &str, check: &Check) -> Value {
    match check {
        Check::Taken { by } => json!({ "half": whose, "outcome": "taken", "by": by }),
        Check::Refused { by, said } => json!({ "half": whose, "outcome": "refused", "by": by, "said": said }),
        Check::NotRun { remedy } => json!({ "half": whose, "outcome": "not_run", "remedy": remedy }),
    }
}
