//! The first step before it is measured: begun once the agents run it, given up if they cannot or time is up.
//!
//! What hurts an agent (it cut the candidate out, or has it in quarantine) ends the experiment on the first one that tries
//! it, and no wave follows. What is measured is judged once all run it.
//!
//! An agent that was deleted, or whose owner wants nothing pushed any more, is nobody to wait for, and one that is gone
//! neither, as long as no more are than `max_gone` says. Others may refuse it or be away, as many as `max_missing` lets be
//! missing; one that was only just told is waited for, as long as an agent that reports would be.

use super::approval::out_of_time;
use super::pending::share_of;
use super::{Subject, Verb, Verdict, figures, give_up, harm, observed, overdue};
use crate::clock::UnixMillis;
use crate::experiment::basis::is_missing;
use crate::experiment::wave::WAITING;
use crate::experiment::words::listed;
use crate::experiment::{AgentEvidence, Basis, Criterion, Effect, Evidence, Reason, Run, Spec};

/// Looks at who runs the first step.
#[must_use]
pub fn decide_start(evidence: &Evidence, spec: &Spec, run: &Run, now: UnixMillis) -> Verdict {
    let looked = Subject { evidence, spec, run, goal: None, now, needed: 1, figures: figures(evidence) };
    let harm: Vec<Criterion> = harm::to_agents(&looked)
        .into_iter()
        .filter(|one| one.is_violated_with(Effect::RollBackAtOnce))
        .collect();
    let basis = Basis::of(evidence, &looked.figures, spec, now);
    let verdict = decided(&looked, harm);
    Verdict { basis, ..verdict }
}

fn decided(looked: &Subject<'_>, harm: Vec<Criterion>) -> Verdict {
    let Subject { evidence, spec, run, now, .. } = *looked;
    if !harm.is_empty() {
        let reasons = harm.iter().map(|one| one.finding.clone()).collect();
        let observes = spec.is_observe_only();
        let verdict =
            if observes { observed::harmed(run.step, reasons) } else { Verdict::of(Verb::RollBack, reasons) };
        return Verdict { criteria: harm, ..verdict };
    }
    let enrolled: Vec<&AgentEvidence> = evidence.agents.iter().filter(|agent| agent.known).collect();
    let absent: Vec<&AgentEvidence> = evidence.absent(spec, now).collect();
    // Too many that are gone are waited for, until they come back or time is up.
    let may_go = absent.len() <= share_of(spec.policy.max_gone, evidence.agents.len());
    let members: Vec<&AgentEvidence> =
        enrolled.into_iter().filter(|agent| !may_go || agent.is_waited_for(spec, now)).collect();
    if members.is_empty() {
        return Verdict::of(Verb::RollBack, vec![nobody_left(&absent)]);
    }
    let gone = if may_go { absent } else { Vec::new() };
    let allowed = share_of(spec.policy.max_missing, members.len());
    let with = |which: &dyn Fn(&AgentEvidence) -> bool| -> Vec<&AgentEvidence> {
        members.iter().copied().filter(|agent| which(agent)).collect()
    };
    let failed = with(&|agent| agent.failed.is_some());
    let open = with(&|agent| agent.failed.is_none() && !agent.applied);
    let applied = members.len() - failed.len() - open.len();
    let needed = (spec.policy.min_hosts as usize).clamp(1, members.len());
    if failed.len() > allowed || members.len() - failed.len() < needed {
        return Verdict::of(Verb::RollBack, vec![not_applied(&failed)]);
    }
    let away = open.iter().filter(|agent| is_missing(agent, spec, now)).count();
    if away == open.len() && failed.len() + open.len() <= allowed && applied >= needed {
        let without: Vec<&AgentEvidence> = failed.iter().chain(&open).copied().collect();
        return Verdict::of(Verb::Advance, vec![begun(members.len(), &without, &gone)]);
    }
    let waiting = vec![to_come(applied, &members, &open)];
    if spec.is_observe_only() {
        return match observed::out_of_time(spec, run, evidence, now) {
            Some(over) => Verdict::of(Verb::NotMeasured, std::iter::once(over).chain(waiting).collect()),
            None => Verdict::of(Verb::Hold, waiting),
        };
    }
    if let Some(over) = out_of_time(&spec.policy, run, now) {
        return over;
    }
    match overdue(spec, run, evidence, now) {
        Some(limit) => give_up(limit, waiting),
        None => Verdict::of(Verb::Hold, waiting),
    }
}

fn hosts(agents: &[&AgentEvidence]) -> Vec<String> {
    agents.iter().map(|agent| agent.host.clone()).collect()
}

fn not_applied(failed: &[&AgentEvidence]) -> Reason {
    let why: Vec<String> = failed.iter().filter_map(|agent| agent.failed.clone()).collect();
    let sentence = format!("It cannot be applied on {}: {}", listed(&hosts(failed)), why.join("; "));
    Reason::new("audit", "not_applied", sentence).about(hosts(failed), why)
}

fn nobody_left(absent: &[&AgentEvidence]) -> Reason {
    let sentence = match absent {
        [] => "None of its agents is enrolled any more, or takes pushed configs.".to_owned(),
        gone => {
            format!(
                "None of its agents counts any more: {}: gone, or of a node that two agents claim.",
                listed(&hosts(gone))
            )
        }
    };
    Reason::new("audit", "not_applied", sentence).about(hosts(absent), Vec::new())
}

fn begun(all: usize, without: &[&AgentEvidence], gone: &[&AgentEvidence]) -> Reason {
    let mut sentence = if without.is_empty() && all == 1 {
        "The only agent runs it.".to_owned()
    } else if without.is_empty() {
        format!("All {all} agents run it.")
    } else {
        let run = all - without.len();
        format!("{run} of {all} agents run it; the policy lets {} be missing.", listed(&hosts(without)))
    };
    if !gone.is_empty() {
        sentence += &format!(" Nobody waits for {}, which the policy lets go.", listed(&hosts(gone)));
    }
    Reason::new("audit", "applied", sentence).about(hosts(without), Vec::new())
}

fn to_come(applied: usize, members: &[&AgentEvidence], open: &[&AgentEvidence]) -> Reason {
    let all = members.len();
    let waits: Vec<&AgentEvidence> = open.iter().copied().filter(|agent| agent.waits()).collect();
    let mut sentence = if waits.is_empty() {
        format!("{applied} of {all} agents run it; waiting for {}.", listed(&hosts(open)))
    } else {
        let tries: Vec<&AgentEvidence> =
            members.iter().copied().filter(|agent| agent.wave > Some(WAITING)).collect();
        format!(
            "It is new to agents of their version: {} to try it first, and {} {} for that.",
            match tries.as_slice() {
                [] => "none that is connected was asked yet".to_owned(),
                [one] => format!("{} is", one.host),
                several => format!("{} are", listed(&hosts(several))),
            },
            listed(&hosts(&waits)),
            if waits.len() == 1 { "waits" } else { "wait" },
        )
    };
    let away: Vec<&AgentEvidence> = open.iter().copied().filter(|agent| !agent.connected).collect();
    let away_hosts = listed(&hosts(&away));
    if away.len() == 1 {
        sentence +=
            &format!(" {away_hosts} is not connected: bring it back, or delete it if it never comes back.");
    } else if !away.is_empty() {
        sentence += &format!(
            " {away_hosts} are not connected: bring them back, or delete those that never come back."
        );
    }
    let reason = Reason::new("audit", "applied", sentence);
    reason.measured(applied as f64, all as f64, all).about(hosts(open), Vec::new())
}
