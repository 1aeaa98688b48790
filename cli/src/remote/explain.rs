//! `phoenix experiment explain`: the last verdict, criterion by criterion, and what it rests on.

use anyhow::Context as _;
use api::{Attested, Criterion, Fingerprint, NotPromoted, Outcome, Status, Uncounted, Verb, Verdict};
use serde::Deserialize as _;
use serde_json::Value;

use super::Format;
use super::show::{Show, cell, details, line, reasons};
use crate::report::criteria::{consequence, in_order};

/// Prints the verdict of a status, or says that there is none yet.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn show(answer: &Value, show: Show) -> anyhow::Result<()> {
    if show.is_for_programs() {
        return match show.0 {
            Format::Name => show.say(answer),
            _ => show.say(&answer["verdict"]),
        };
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
    if is_by_hand(status.outcome, verdict.verb) {
        line("         A person promoted it; the verdict is what the evidence said at that moment.")?;
    }
    promotion(&status)?;
    uncounted(status.uncounted.as_ref())?;
    if let Some(at) = &status.ended_at {
        line(&format!(
            "         It ended at {at}. What follows is the last verdict before: what it waits for, or does not know yet, is of then."
        ))?;
    }
    for sentence in &verdict.basis.sentences {
        line(&format!("         {sentence}"))?;
    }
    if let Some(attested) = &status.attested {
        line(&format!("         {}", named(attested)))?;
    }
    if verdict.criteria.is_empty() {
        // Before its first step is measured no criterion is looked at.
        return reasons(&verdict.reasons);
    }
    criteria(verdict, status.observe_only)
}

/// Sentence on the entry of the audit chain that names the verdict.
fn named(Attested { entry, at, fingerprint: Fingerprint { number, horizons, digest } }: &Attested) -> String {
    let named = format!("Entry {entry} of the audit chain, of {at}, names it");
    match number {
        0 => format!("{named}; no horizon had come by then."),
        _ => format!("{named}, with fingerprint {number} of the {horizons} horizons by then: {digest}."),
    }
}

/// Prints how far a promotion has come, and the agents that do not run what was promoted.
///
/// # Errors
/// When standard output is gone.
pub fn promotion(status: &Status) -> anyhow::Result<()> {
    if let Some(promotion) = &status.promotion {
        line(&format!("         {}", promotion.sentence))?;
    }
    let mut all = status.not_promoted.iter();
    all.try_for_each(|agent| line(&format!("         Not promoted on {}: {}", place(agent), agent.reason)))
}

/// Prints what the candidate delivered and no figure has.
///
/// # Errors
/// When standard output is gone.
pub fn uncounted(uncounted: Option<&Uncounted>) -> anyhow::Result<()> {
    uncounted.map_or(Ok(()), |uncounted| line(&format!("         {}", uncounted.sentence)))
}

/// Host of an agent that has refused a promotion, and whether it is there no more.
pub fn place(NotPromoted { host, gone, .. }: &NotPromoted) -> String {
    match gone {
        None => host.clone(),
        Some(gone) => format!("{host} ({gone})"),
    }
}

/// Tells whether somebody promoted it, and not the evidence.
fn is_by_hand(outcome: Option<Outcome>, verb: Verb) -> bool {
    outcome == Some(Outcome::Promoted) && verb != Verb::Promote
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_against_the_verdict_is_told_as_a_persons() {
        assert!(is_by_hand(Some(Outcome::Promoted), Verb::Continue));
        assert!(is_by_hand(Some(Outcome::Promoted), Verb::Hold));
        assert!(!is_by_hand(Some(Outcome::Promoted), Verb::Promote));
        assert!(!is_by_hand(Some(Outcome::RolledBack), Verb::Continue) && !is_by_hand(None, Verb::Hold));
    }
}
