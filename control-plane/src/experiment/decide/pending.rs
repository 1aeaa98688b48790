//! Evidence that is still to come, and the agents whose evidence is missing.

use std::time::Duration;

use super::{Verb, Verdict, listed};
use crate::clock::UnixMillis;
use crate::experiment::{AgentEvidence, Evidence, Reason, Spec};

/// Evidence that is still to come: nothing once every agent whose evidence may not be missing has enough.
pub fn pending(evidence: &Evidence, spec: &Spec, needed: u32, now: UnixMillis) -> Option<Verdict> {
    let policy = &spec.policy;
    let behind: Vec<&AgentEvidence> = evidence.behind(needed).collect();
    let allowed = (policy.max_missing * evidence.agents.len() as f64).floor() as usize;
    let enough = evidence.agents.len() - behind.len();
    if behind.len() <= allowed && enough >= policy.min_hosts as usize && enough > 0 {
        return None;
    }
    let void: Vec<&AgentEvidence> = evidence.agents.iter().filter(|agent| !agent.void.is_empty()).collect();
    if !void.is_empty() {
        let hosts: Vec<String> = void.iter().map(|agent| agent.host.clone()).collect();
        let names = void.iter().flat_map(|agent| agent.void.iter().cloned()).collect();
        let sentence = format!(
            "The split lost units on {}: horizons in which it did are void, and too few are left.",
            listed(&hosts)
        );
        let reason = Reason::new("audit", "assignment", sentence).about(hosts, names);
        return Some(Verdict { verb: Verb::Hold, reasons: vec![reason] });
    }
    let patience = spec.report_every * 2 + spec.window * 2 + Duration::from_secs(2);
    let missing: Vec<&&AgentEvidence> =
        behind.iter().filter(|agent| agent.last_seen.is_none_or(|seen| seen.plus(patience) < now)).collect();
    let failed: Vec<&&AgentEvidence> = behind.iter().filter(|agent| agent.failed.is_some()).collect();
    let hosts =
        |agents: &[&&AgentEvidence]| agents.iter().map(|agent| agent.host.clone()).collect::<Vec<_>>();
    if !failed.is_empty() {
        let why = failed.iter().filter_map(|agent| agent.failed.clone()).collect();
        let sentence = format!("The step could not be applied on {}.", listed(&hosts(&failed)));
        let reason = Reason::new("audit", "not_applied", sentence).about(hosts(&failed), why);
        return Some(Verdict { verb: Verb::Hold, reasons: vec![reason] });
    }
    if missing.len() > allowed {
        let share = missing.len() as f64 / evidence.agents.len() as f64;
        let sentence = format!("Evidence is incomplete: nothing is heard of {}.", listed(&hosts(&missing)));
        let reason = Reason::new("audit", "missing_agents", sentence);
        let reason = reason.measured(share, policy.max_missing, enough).about(hosts(&missing), Vec::new());
        return Some(Verdict { verb: Verb::Hold, reasons: vec![reason] });
    }
    let least = evidence.agents.iter().map(|agent| agent.count).min().unwrap_or(0);
    let waiting: Vec<String> = behind.iter().map(|agent| agent.host.clone()).collect();
    let sentence = format!("{least} of {needed} horizons are in; waiting for {}.", listed(&waiting));
    let reason = Reason::new("audit", "horizons", sentence);
    let reason = reason.measured(f64::from(least), f64::from(needed), enough).about(waiting, Vec::new());
    Some(Verdict { verb: Verb::Continue, reasons: vec![reason] })
}
