//! Guardrails, as criteria. What a guardrail could not look at is not measured.

use drift::{Alpha, Conclusion};

use super::Looked;
use crate::experiment::guardrail::{Found, Guardrail, OfHost, Quantity, Severity};
use crate::experiment::sequential::{self, Gathered, Sequential};
use crate::experiment::words::listed;
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};

/// A criterion for each guardrail of the policy.
pub fn criteria(looked: &Looked<'_>) -> Vec<Criterion> {
    counted(looked).into_iter().chain(over_time(looked)).collect()
}

fn effect(severity: Severity) -> Effect {
    match severity {
        Severity::Fatal => Effect::RollBackAtOnce,
        Severity::Blocking => Effect::Hold,
        Severity::Advisory => Effect::Tell,
    }
}

/// Guardrails on what is counted: over all that each agent has measured, and a fatal one on every horizon as well.
fn counted(looked: &Looked<'_>) -> Vec<Criterion> {
    let Ok(alpha) = Alpha::new(looked.policy().alpha) else { return Vec::new() };
    let totals: Vec<OfHost<'_>> = looked.totals().collect();
    let guardrails = looked.policy().guardrails.iter().filter(|guardrail| !guardrail.quantity.varies());
    let criterion = |guardrail: &Guardrail| {
        let on_a_horizon =
            (guardrail.severity == Severity::Fatal).then(|| past_on_a_horizon(looked, guardrail, alpha));
        let found = on_a_horizon.flatten().or_else(|| guardrail.look(&totals, alpha));
        let Some(found) = found else { return nothing(looked, guardrail) };
        let conclusion = found.paired.map(|paired| paired.conclusion);
        let undecided = conclusion.is_some_and(|conclusion| conclusion != Conclusion::Within);
        let answer = match (found.past, undecided) {
            (true, _) => Answer::Violated,
            (false, true) => Answer::NotMeasured,
            (false, false) => Answer::Met,
        };
        let finding = of_count(guardrail, &found, looked.evidence.counted().count());
        Criterion::asked_for(answer, effect(guardrail.severity), finding)
    };
    guardrails.map(criterion).collect()
}

/// Finding of a horizon in which a guardrail is passed, the horizons of all agents taken in their order.
fn past_on_a_horizon(looked: &Looked<'_>, guardrail: &Guardrail, alpha: Alpha) -> Option<Found> {
    let most = looked.evidence.agents.iter().map(|agent| agent.horizons.len()).max().unwrap_or(0);
    let at = |back: usize| -> Vec<OfHost<'_>> {
        let horizon = |agent: &'_ AgentEvidence| agent.horizons.len().checked_sub(back + 1);
        let agents = looked.evidence.agents.iter();
        let found =
            agents.filter_map(|agent| Some((agent.host.as_str(), &agent.horizons[horizon(agent)?].horizon)));
        found.collect()
    };
    (0..most).filter_map(|back| guardrail.look(&at(back), alpha)).find(|found| found.past)
}

fn nothing(looked: &Looked<'_>, guardrail: &Guardrail) -> Criterion {
    let sentence = format!(
        "{}: {} could not be told, because nothing came in that it speaks of.",
        guardrail.name,
        about(guardrail)
    );
    let finding = Reason { limit: Some(guardrail.margin), ..Reason::new("L0", &guardrail.name, sentence) };
    let n = looked.evidence.counted().count();
    let finding = Reason { n: u32::try_from(n).unwrap_or(u32::MAX), ..finding };
    Criterion::asked_for(Answer::NotMeasured, effect(guardrail.severity), finding)
}

/// Guardrails on what varies by chance, over all that was measured since mirror.
fn over_time(looked: &Looked<'_>) -> Vec<Criterion> {
    let judged = sequential::judge(looked.evidence, looked.spec);
    let n = looked.evidence.agents.len();
    let criterion = |Sequential { guardrail, gathered, rejects }: Sequential| {
        let (answer, finding) = match gathered {
            Ok(gathered) => {
                let answer = match (rejects, gathered.blocks < gathered.minimum) {
                    (true, _) => Answer::Violated,
                    (false, true) => Answer::NotMeasured,
                    (false, false) => Answer::Met,
                };
                (answer, of_time(&guardrail, gathered, rejects, n))
            }
            Err(why) => {
                let sentence = format!("{}: too few blocks to say anything yet ({why}).", guardrail.name);
                (Answer::NotMeasured, Reason::new("L3", &guardrail.name, sentence))
            }
        };
        Criterion::asked_for(answer, effect(guardrail.severity), finding)
    };
    judged.into_iter().map(criterion).collect()
}

fn of_count(guardrail: &Guardrail, found: &Found, n: usize) -> Reason {
    let Guardrail { name, quantity, margin, .. } = guardrail;
    let figure = shown(*quantity, found.observed);
    let limit = shown(*quantity, *margin);
    let mut sentence = format!("{name}: {} is {figure}; {limit} is the limit.", about(guardrail));
    if found.past && !found.hosts.is_empty() {
        sentence =
            format!("{name}: {} is {figure}, past {limit}, on {}.", about(guardrail), listed(&found.hosts));
    }
    let layer = if found.paired.is_some() { "L1" } else { "L0" };
    let interval = found.paired.and_then(|paired| paired.interval);
    if let (false, Some(paired), Some((low, high))) = (found.past, found.paired, interval)
        && paired.conclusion != Conclusion::Within
    {
        sentence = format!(
            "{name}: {} is {figure}, but the hosts differ too much to show that it stays within {limit}: {} to {}.",
            about(guardrail),
            shown(*quantity, low),
            shown(*quantity, high)
        );
    }
    Reason::new(layer, name, sentence)
        .measured(found.observed, *margin, n)
        .about(found.hosts.clone(), Vec::new())
        .in_detail(interval, found.groups.clone())
}

fn of_time(guardrail: &Guardrail, gathered: Gathered, rejects: bool, n: usize) -> Reason {
    let Gathered { log_e, blocks, minimum, block, mean, hosts } = gathered;
    let Guardrail { name, quantity, margin, .. } = guardrail;
    let (figure, limit) = (shown(*quantity, mean), shown(*quantity, *margin));
    let rests =
        format!("E = {:.3} after {blocks} blocks of {}", log_e.exp(), humantime::format_duration(block));
    let sentence = if rejects {
        format!("{name}: {} is past {limit}, {figure} on average ({rests}).", about(guardrail))
    } else if blocks < minimum {
        format!("{name}: too few blocks to say anything yet ({rests}; {minimum} are needed at least).")
    } else {
        format!(
            "{name}: nothing shows that {} is past {limit}; {figure} on average ({rests}).",
            about(guardrail)
        )
    };
    Reason::new("L3", name, sentence).measured(mean, *margin, n).about(hosts, Vec::new())
}

fn about(guardrail: &Guardrail) -> String {
    let lens = guardrail.lens.as_deref().unwrap_or_default();
    match guardrail.quantity {
        Quantity::LensTotal => format!("the error of {lens}"),
        Quantity::LensGroup => format!("the worst group's error of {lens}"),
        Quantity::Series => "the change of distinct series".to_owned(),
        Quantity::Points => "the change of points".to_owned(),
        Quantity::Bytes => "the change of bytes".to_owned(),
        Quantity::SeriesLost => "the share of series lost".to_owned(),
        Quantity::CriticalHidden => "the share of critical processes hidden".to_owned(),
        Quantity::Collisions => "the number of colliding identities".to_owned(),
        Quantity::Failures => "the number of failed batches".to_owned(),
        Quantity::Undelivered => "the share of points not delivered".to_owned(),
        Quantity::WireBytesPerPoint => "the change of bytes on the wire for a point".to_owned(),
        Quantity::NanosPerPoint => "the change of time for a point".to_owned(),
        Quantity::LatencyP99 => "the change of what 99 of 100 batches wait".to_owned(),
    }
}

fn shown(quantity: Quantity, figure: f64) -> String {
    match quantity {
        Quantity::Collisions | Quantity::Failures => format!("{figure}"),
        Quantity::SeriesLost | Quantity::CriticalHidden | Quantity::Undelivered => {
            format!("{:.2} %", 100.0 * figure)
        }
        _ => format!("{:+.2} %", 100.0 * figure),
    }
}
