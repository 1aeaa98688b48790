//! Findings of guardrails, as reasons, by what follows from them.

use drift::{Alpha, Conclusion};

use super::listed;
use crate::experiment::guardrail::{Found, Guardrail, OfHost, Quantity, Severity};
use crate::experiment::sequential::{self, Gathered, Sequential};
use crate::experiment::{AgentEvidence, Evidence, Reason, Spec};

/// Reasons, by what follows from them.
#[derive(Debug, Default)]
pub struct Guarded {
    /// Past a fatal margin.
    pub fatal: Vec<Reason>,
    /// Past a blocking one, or a margin that has not been shown to hold.
    pub blocking: Vec<Reason>,
    /// Reasons that are told in any case.
    pub noted: Vec<Reason>,
}

impl Guarded {
    fn add(&mut self, severity: Severity, past: bool, undecided: bool, reason: Reason) {
        match (severity, past) {
            (Severity::Fatal, true) => self.fatal.push(reason),
            (Severity::Blocking, true) => self.blocking.push(reason),
            (Severity::Fatal | Severity::Blocking, false) if undecided => self.blocking.push(reason),
            _ => self.noted.push(reason),
        }
    }
}

/// Guardrails on what is counted, over what each agent has found: its last horizon, or all of it.
pub fn counted(evidence: &Evidence, spec: &Spec, all: bool) -> Guarded {
    let found = |agent: &AgentEvidence| {
        agent.last().map(|last| if all { last.total.clone() } else { last.horizon.clone() })
    };
    let found: Vec<_> =
        evidence.reporting().filter_map(|agent| Some((agent.host.as_str(), found(agent)?))).collect();
    let hosts: Vec<OfHost<'_>> = found.iter().map(|(host, found)| (*host, found)).collect();
    let mut guarded = Guarded::default();
    let Ok(alpha) = Alpha::new(spec.policy.alpha) else { return guarded };
    for guardrail in spec.policy.guardrails.iter().filter(|guardrail| !guardrail.quantity.varies()) {
        let Some(found) = guardrail.look(&hosts, alpha) else { continue };
        let conclusion = found.paired.map(|paired| paired.conclusion);
        let undecided = conclusion.is_some_and(|conclusion| conclusion != Conclusion::Within);
        let reason = of_count(guardrail, &found, hosts.len());
        guarded.add(guardrail.severity, found.past, undecided, reason);
    }
    guarded
}

/// Guardrails on what varies by chance, over all that was measured since mirror.
pub fn over_time(evidence: &Evidence, spec: &Spec) -> Guarded {
    let mut guarded = Guarded::default();
    for Sequential { guardrail, gathered, rejects } in sequential::judge(evidence, spec) {
        let reason = match gathered {
            Ok(gathered) => of_time(&guardrail, gathered, rejects, evidence.agents.len()),
            Err(why) => {
                let sentence = format!("{}: too few blocks to say anything yet ({why}).", guardrail.name);
                Reason::new("L3", &guardrail.name, sentence)
            }
        };
        guarded.add(guardrail.severity, rejects, false, reason);
    }
    guarded
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
