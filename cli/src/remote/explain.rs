//! `phoenix experiment explain`: the last verdict, criterion by criterion, and what it rests on.

use anyhow::Context as _;
use api::{Criterion, Status, Verdict};
use serde::Deserialize as _;
use serde_json::Value;

use super::Format;
use super::show::{Show, cell, details, line};
use crate::output;
use crate::report::criteria::{consequence, in_order};

/// Prints the verdict of a status, or says that there is none yet.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn show(answer: &Value, show: Show) -> anyhow::Result<()> {
    if matches!(show.0, Format::Json) {
        return output::say(&answer["verdict"]);
    }
    let status = Status::deserialize(answer).context("the answer is not as expected")?;
    let Some(verdict) = &status.verdict else {
        return line("There is no verdict yet: the experiment has not begun, or nothing was looked at.");
    };
    line(&format!("verdict  {}", verdict.verb))?;
    let place = [cell(Some(status.phase)), cell(status.step.as_ref()), cell(status.outcome)];
    line(&format!(
        "phase    {}",
        place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    ))?;
    for sentence in &verdict.basis.sentences {
        line(&format!("         {sentence}"))?;
    }
    criteria(verdict, status.observe_only)
}

fn criteria(verdict: &Verdict, observe_only: bool) -> anyhow::Result<()> {
    let width = verdict.criteria.iter().map(|one| one.finding.quantity.len()).max().unwrap_or(0);
    for (word, one) in in_order(&verdict.criteria) {
        line("")?;
        let Criterion { finding, .. } = one;
        line(&format!("{word:14}  {:width$}  {}", finding.quantity, consequence(one, observe_only)))?;
        line(&format!("    {}", finding.sentence))?;
        for more in details(finding) {
            line(&format!("    {more}"))?;
        }
    }
    Ok(())
}
