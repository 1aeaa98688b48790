//! Evidence of the step: whether there is enough, what is still to come, and what will not come.

use super::{Subject, Verb};
use crate::experiment::basis::{is_missing, is_silent};
use crate::experiment::words::{count, counted, listed, percent};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Goal, Reason};

/// The criterion that enough of the step's agents have enough horizons in which something came in, and the verb that
/// follows where they have not: wait, or hold where waiting alone does not help.
pub fn criterion(looked: &Subject<'_>) -> (Criterion, Option<Verb>) {
    let behind: Vec<&AgentEvidence> =
        looked.evidence.behind(looked.needed, looked.spec, looked.now).collect();
    let all = looked.evidence.agents.len();
    let allowed = share_of(looked.policy().max_missing, all);
    let counted = looked.evidence.counted().filter(|agent| agent.count >= looked.needed).count();
    let enough = counted >= (looked.policy().min_hosts as usize).max(1);
    if let Some(gone) = too_many_gone(looked) {
        return (Criterion::asked_for(Answer::NotMeasured, Effect::Hold, gone), Some(Verb::Hold));
    }
    if behind.len() <= allowed && enough {
        return (Criterion::asked_for(Answer::Met, Effect::Hold, complete(looked, &behind)), None);
    }
    let (finding, verb) = void(&behind)
        .or_else(|| not_applied(&behind))
        .or_else(|| refused(looked, &behind, allowed))
        .or_else(|| missing(looked, &behind, allowed))
        .or_else(|| idle(looked, &behind, counted))
        .map_or_else(|| (to_come(looked, &behind), Verb::Continue), |finding| (finding, Verb::Hold));
    (Criterion::asked_for(Answer::NotMeasured, Effect::Hold, finding), Some(verb))
}

/// So many of `all` as a share of them is, rounded down.
pub fn share_of(share: f64, all: usize) -> usize {
    (share * all as f64).floor() as usize
}

fn hosts(agents: &[&AgentEvidence]) -> Vec<String> {
    agents.iter().map(|agent| agent.host.clone()).collect()
}

/// More agents than the policy lets go are not there any more.
fn too_many_gone(looked: &Subject<'_>) -> Option<Reason> {
    let absent: Vec<&AgentEvidence> = looked.evidence.absent(looked.spec, looked.now).collect();
    let all = looked.evidence.agents.len();
    let (max_gone, after) = (looked.policy().max_gone, looked.policy().gone_after);
    if absent.len() <= share_of(max_gone, all) {
        return None;
    }
    let sentence = format!(
        "{} of {} {} gone (not heard of for {}, or of a node that two agents claim), and the policy lets {} of them be: {}. \
         Bring them back, or delete those that never come back.",
        count(absent.len() as u64),
        counted(all as u64, "agent"),
        if absent.len() == 1 { "is" } else { "are" },
        humantime::format_duration(after),
        percent(max_gone),
        listed(&hosts(&absent)),
    );
    let finding = Reason::new("audit", "gone_agents", sentence);
    let share = absent.len() as f64 / all.max(1) as f64;
    Some(looked.measured(finding, share, max_gone).about(hosts(&absent), Vec::new()))
}

fn complete(looked: &Subject<'_>, behind: &[&AgentEvidence]) -> Reason {
    let (enough, fewer): (Vec<&AgentEvidence>, Vec<&AgentEvidence>) =
        looked.evidence.counted().partition(|agent| agent.count >= looked.needed);
    let step = looked.step();
    let needed = counted(looked.needed.into(), "horizon");
    let mut sentence = match enough.as_slice() {
        [one] => format!("{} has {needed} or more with traffic in the step {step}", one.host),
        all if fewer.is_empty() && behind.is_empty() => format!(
            "All {} with traffic have {needed} or more in the step {step}",
            counted(all.len() as u64, "agent")
        ),
        some => format!(
            "{} of {} have {needed} or more with traffic in the step {step}",
            count(some.len() as u64),
            counted(looked.evidence.agents.iter().filter(|agent| !agent.is_idle()).count() as u64, "agent"),
        ),
    };
    if !behind.is_empty() {
        sentence += &format!("; the policy lets {} be missing", listed(&hosts(behind)));
    }
    let gone: Vec<&AgentEvidence> = fewer.into_iter().filter(|agent| !agent.known).collect();
    if !gone.is_empty() {
        sentence += &format!("; of {}, enrolled no more, nothing more is expected", listed(&hosts(&gone)));
    }
    let absent = looked.evidence.absent(looked.spec, looked.now).filter(|agent| agent.count < looked.needed);
    let absent: Vec<&AgentEvidence> = absent.collect();
    if !absent.is_empty() {
        sentence += &format!("; nobody waits for {}, which the policy lets go", listed(&hosts(&absent)));
    }
    sentence.push('.');
    sentence += &of_policy(looked);
    let needed = f64::from(looked.needed);
    let least = enough.iter().map(|agent| agent.count).min().unwrap_or(0);
    looked.measured(Reason::new("audit", "horizons", sentence), f64::from(least), needed)
}

/// Words about the horizons that the policy asks for, where those that are waited for now are others.
fn of_policy(looked: &Subject<'_>) -> String {
    let asked = counted(looked.policy().min_horizons.into(), "horizon");
    match looked.goal {
        Some(Goal::Promote) => {
            format!(
                " That is the last horizon; what the policy asks for of the step, {asked}, was in before."
            )
        }
        Some(Goal::Stop) => {
            format!(
                " That is the last horizon: it was stopped, and nobody waits for what the policy asks for, {asked}."
            )
        }
        Some(Goal::Judge) | None => String::new(),
    }
}

fn void(behind: &[&AgentEvidence]) -> Option<Reason> {
    let void: Vec<&AgentEvidence> = behind.iter().copied().filter(|agent| !agent.void.is_empty()).collect();
    let names = void.iter().flat_map(|agent| agent.void.iter().cloned()).collect();
    let sentence = format!(
        "The split lost units on {}, or batches found no room beside the candidate: such horizons are void, and too few are left.",
        listed(&hosts(&void))
    );
    (!void.is_empty()).then(|| Reason::new("audit", "assignment", sentence).about(hosts(&void), names))
}

fn not_applied(behind: &[&AgentEvidence]) -> Option<Reason> {
    let failed: Vec<&AgentEvidence> = behind.iter().copied().filter(|agent| agent.failed.is_some()).collect();
    let why = failed.iter().filter_map(|agent| agent.failed.clone()).collect();
    let sentence = format!("The step could not be applied on {}.", listed(&hosts(&failed)));
    (!failed.is_empty()).then(|| Reason::new("audit", "not_applied", sentence).about(hosts(&failed), why))
}

/// Agents that are behind, and of which reports were refused in this step: they are heard of, and what they say does not
/// count.
fn refused(looked: &Subject<'_>, behind: &[&AgentEvidence], allowed: usize) -> Option<Reason> {
    let in_step = |agent: &&AgentEvidence| agent.refused.last_at.is_some_and(|at| at >= looked.run.since);
    let refused: Vec<&AgentEvidence> = behind.iter().copied().filter(in_step).collect();
    let names = refused.iter().map(|agent| format!("{}: {}", agent.host, agent.refused.why())).collect();
    let sentence = format!("Evidence is incomplete: reports of {} are refused.", listed(&hosts(&refused)));
    (refused.len() > allowed)
        .then(|| Reason::new("audit", "refused_reports", sentence).about(hosts(&refused), names))
}

fn missing(looked: &Subject<'_>, behind: &[&AgentEvidence], allowed: usize) -> Option<Reason> {
    let missing: Vec<&AgentEvidence> =
        behind.iter().copied().filter(|agent| is_missing(agent, looked.spec, looked.now)).collect();
    let share = missing.len() as f64 / looked.evidence.agents.len().max(1) as f64;
    let (silent, heard): (Vec<&AgentEvidence>, Vec<&AgentEvidence>) =
        missing.iter().copied().partition(|agent| is_silent(agent, looked.spec, looked.now));
    // One that is connected and does not report will not be gone.
    let (connected, away): (Vec<&AgentEvidence>, Vec<&AgentEvidence>) =
        heard.into_iter().partition(|agent| agent.connected);
    let are = if away.len() == 1 { "is" } else { "are" };
    let told = [
        (&silent, format!("nothing is heard of {}", listed(&hosts(&silent)))),
        (
            &connected,
            format!("no report comes, though they are connected, from {}", listed(&hosts(&connected))),
        ),
        (&away, format!("no report comes from {}, which {are} not connected", listed(&hosts(&away)))),
    ];
    let told = told.into_iter().filter(|(agents, _)| !agents.is_empty());
    let told: Vec<String> = told.map(|(_, told)| told).collect();
    let mut sentence = format!("Evidence is incomplete: {}.", told.join("; "));
    if connected.is_empty() {
        let (after, share) = (looked.policy().gone_after, looked.policy().max_gone);
        sentence += &format!(
            " After {} it is gone, and nobody waits for it, if no more than {} of the agents are.",
            humantime::format_duration(after),
            percent(share)
        );
    }
    (missing.len() > allowed).then(|| {
        let finding = Reason::new("audit", "missing_agents", sentence);
        looked.measured(finding, share, looked.policy().max_missing).about(hosts(&missing), Vec::new())
    })
}

/// Nobody is behind, and too few have traffic: waiting does not help, traffic does.
fn idle(looked: &Subject<'_>, behind: &[&AgentEvidence], with_traffic: usize) -> Option<Reason> {
    let idle: Vec<&AgentEvidence> = looked.evidence.agents.iter().filter(|agent| agent.is_idle()).collect();
    if !behind.is_empty() || idle.is_empty() {
        return None;
    }
    let needed = looked.policy().min_hosts.max(1);
    let sentence = format!(
        "Nothing came in on {} in the step {}, and {} with traffic {} needed: send {} metrics, or select agents that get some.",
        listed(&hosts(&idle)),
        looked.step(),
        counted(needed.into(), "agent"),
        if needed == 1 { "is" } else { "are" },
        if idle.len() == 1 { "it" } else { "them" },
    );
    let finding = Reason::new("audit", "traffic", sentence);
    Some(looked.measured(finding, with_traffic as f64, f64::from(needed)).about(hosts(&idle), Vec::new()))
}

fn to_come(looked: &Subject<'_>, behind: &[&AgentEvidence]) -> Reason {
    let least = behind.iter().map(|agent| agent.count).min().unwrap_or(0);
    let most = behind.iter().map(|agent| agent.count).max().unwrap_or(0);
    let so_many = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let waiting = hosts(behind);
    let needed = looked.needed;
    let since = looked.evidence.since;
    let since = since.map(|at| format!(" since {at}, when the last one began")).unwrap_or_default();
    let sentence = if waiting.is_empty() {
        let needed = counted(looked.policy().min_hosts.max(1).into(), "agent");
        format!("{needed} with traffic must report; so many are not in the step.")
    } else {
        format!(
            "{so_many} of {} with traffic are in{since}; waiting for {}.{}",
            counted(needed.into(), "horizon"),
            listed(&waiting),
            fallen_silent(behind)
        )
    };
    let finding = Reason::new("audit", "horizons", sentence);
    looked.measured(finding, f64::from(least), f64::from(needed)).about(waiting, Vec::new())
}

/// Words about agents to which something came in during this step, and nothing in their last two horizons or more: waiting alone
/// does not help.
fn fallen_silent(behind: &[&AgentEvidence]) -> String {
    let has_none = |agent: &&AgentEvidence| {
        let last = agent.horizons.iter().rev().take(2);
        agent.count > 0
            && last.clone().count() == 2
            && last.into_iter().all(|found| found.horizon.input.points == 0)
    };
    let silent: Vec<&AgentEvidence> = behind.iter().copied().filter(has_none).collect();
    if silent.is_empty() {
        return String::new();
    }
    let (them, their) = if silent.len() == 1 { ("it", "its") } else { ("them", "their") };
    format!(
        " Nothing came in on {} in {their} last two horizons: see to it that metrics reach {them}, or select other agents.",
        listed(&hosts(&silent))
    )
}
