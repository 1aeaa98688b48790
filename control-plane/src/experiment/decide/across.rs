//! Collisions across agents: identities that several agents write over each other at one destination.
//!
//! Harm acts at once, once it is named; naming takes one question to an agent. Where not all identities were looked at,
//! the share is told: it holds a policy that asks for a limit on collisions, and no other, because as many turns as an
//! agent has slices may be days.

use std::time::Duration;

use super::Subject;
use super::sampled::overloaded;
use crate::experiment::across::{FleetCollision, MAX_COLLISIONS};
use crate::experiment::words::{are, count, counted, listed, percent, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};
use crate::id::AgentUid;

const QUANTITY: &str = "collisions_across_agents";
/// Time that an agent has to name what was found, before it acts without names.
const NAMING: Duration = Duration::from_secs(5);

/// The criterion.
pub fn criterion(looked: &Subject<'_>) -> Criterion {
    let agents: Vec<&AgentEvidence> = looked.evidence.counted().collect();
    let across = &looked.evidence.across;
    let limit = looked.policy().max_collisions.unwrap_or(0);
    if across.collisions > limit {
        return violated(looked, limit);
    }
    if agents.len() < 2 {
        let sentence = format!(
            "In the step {} horizons of not more than one agent count, so that agents cannot be compared.",
            looked.step()
        );
        let finding = Reason::new("L0", QUANTITY, sentence);
        return Criterion::default_of(Answer::NotApplicable, Effect::RollBackAtOnce, finding);
    }
    let silent = unique(agents.iter().filter(|agent| is_silent(agent)).map(|agent| agent.host.clone()));
    if !silent.is_empty() {
        let sentence = format!(
            "The agents on {} are of a release that does not tell who writes which series: upgrade them.",
            listed(&silent)
        );
        return not_measured(looked, Reason::new("L0", QUANTITY, sentence).about(silent, Vec::new()));
    }
    let missing = (looked.policy().max_missing * looked.evidence.agents.len() as f64).floor() as usize;
    // Turns that so many agents have told are compared. One that is gone tells no more of them.
    let present = agents.iter().filter(|agent| agent.is_waited_for(looked.spec, looked.now)).count();
    let told = present.saturating_sub(missing).max(2);
    let cover = across.cover(told);
    let of = counted(agents.len() as u64, "agent");
    let of = if told < agents.len() { format!("at least {told} of {of}") } else { of };
    if cover < 1.0 {
        let so_far = match across.collisions {
            _ if cover == 0.0 => String::new(),
            0 => ", and none of them is written over by another agent".to_owned(),
            some => format!(", and {} {} written over by another agent", series(some), are(some)),
        };
        let sentence = format!(
            "{} of the series of {of} were compared across agents, a share a minute{so_far}; {}.",
            percent(cover),
            rest(looked)
        );
        let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), cover, 1.0);
        return not_measured(looked, finding);
    }
    let sentence = match across.collisions {
        0 => format!(
            "Of all series of {of} none is written over by another agent that the baseline keeps apart."
        ),
        some => format!(
            "{} {} written over by another agent; {} {} allowed.",
            series(some),
            are(some),
            count(limit),
            are(limit)
        ),
    };
    let finding =
        looked.measured(Reason::new("L0", QUANTITY, sentence), across.collisions as f64, limit as f64);
    let asked = looked.policy().max_collisions.is_some();
    Criterion::of(asked, Answer::Met, Effect::RollBackAtOnce, finding)
}

/// Words about what was not compared. Where a candidate gets a part of the entities, what it makes of the others is never told.
fn rest(looked: &Subject<'_>) -> String {
    match overloaded(looked) {
        None => "the rest was not looked at yet".to_owned(),
        Some((hosts, _)) => format!(
            "on {} the candidate gets a part of the entities, and as long as it does not all that it would make can be compared",
            listed(&hosts)
        ),
    }
}

/// Tells whether an agent that had traffic does not tell its slices: it is of a release before this one.
fn is_silent(agent: &AgentEvidence) -> bool {
    agent.horizons.iter().any(|found| found.horizon.input.points > 0 && found.slices.0.is_empty())
}

fn not_measured(looked: &Subject<'_>, finding: Reason) -> Criterion {
    let asked = looked.policy().max_collisions.is_some();
    let effect = if asked { Effect::RollBackAtOnce } else { Effect::Tell };
    Criterion::of(asked, Answer::NotMeasured, effect, finding)
}

fn series(number: u64) -> String {
    let least = if number >= MAX_COLLISIONS { "at least " } else { "" };
    format!("{least}{} series of the candidate", count(number))
}

fn violated(looked: &Subject<'_>, limit: u64) -> Criterion {
    let across = &looked.evidence.across;
    let host = |uid: &AgentUid| {
        let agent = looked.evidence.agents.iter().find(|agent| agent.uid == *uid);
        agent.map_or_else(|| uid.to_string(), |agent| agent.host.clone())
    };
    let hosts = unique(across.found.iter().flat_map(|found| &found.agents).map(host));
    let named = |found: &FleetCollision| {
        let name = found.named.as_ref()?;
        let [one, other] = [&found.agents[0], &found.agents[1]].map(host);
        let (metric, series, writer) = (&name.metric, &name.series, &name.writer);
        Some(format!("{metric} {{{series}}}: {writer} and another, through {one} and {other}"))
    };
    let names: Vec<String> = across.found.iter().filter_map(named).collect();
    let asked = looked.policy().max_collisions.is_some();
    let due = across.since.is_none_or(|since| since.plus(NAMING) < looked.now);
    let sentence = format!(
        "{} {} written by several agents for different writers, of which a destination that they share keeps one: {}.",
        series(across.collisions),
        are(across.collisions),
        listed(&hosts)
    );
    let (answer, sentence) = if names.is_empty() && !due {
        (Answer::NotMeasured, format!("{sentence} Their names are being asked for."))
    } else {
        (Answer::Violated, sentence)
    };
    let finding =
        looked.measured(Reason::new("L0", QUANTITY, sentence), across.collisions as f64, limit as f64);
    Criterion::of(asked, answer, Effect::RollBackAtOnce, finding.about(hosts, names))
}
