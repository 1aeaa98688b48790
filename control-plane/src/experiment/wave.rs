//! Waves: content that no agent of its version has run yet is offered to one agent, then to 5 %, then to the rest.
//!
//! A wave is over once so many agents as it needs have run the content for the whole trial time in one process. An agent
//! that refuses it, or does not get so far within [`patience`], holds nobody: another that is connected takes its place. Once
//! one has it in quarantine, because its process ended with it, nobody else is offered it.
//! Pure: what is known of the agents goes in, and what changes comes out.

use std::time::Duration;

use crate::clock::UnixMillis;

/// Wave of those that wait.
pub const WAITING: u8 = 0;
/// The last wave: the rest.
pub const LAST: u8 = 3;
/// The least time that an agent is given to run what it was offered, besides the trial time.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);
/// The share of the agents in the second wave: one in so many.
const ONE_IN: usize = 20;

/// Content: the digests of two plans, in hexadecimal, under a version of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content {
    /// Version of the agent.
    pub version: String,
    /// Digest of the baseline's plan.
    pub baseline: String,
    /// Digest of the candidate's plan; empty without one.
    pub candidate: String,
}

impl Content {
    /// Tells whether agents that have run `known` have run this: both plans side by side, or the only one as either.
    #[must_use]
    pub fn is_known_by(&self, known: &Self) -> bool {
        let alone = self.candidate.is_empty() || self.candidate == self.baseline;
        let same = *self == *known || alone && [&known.baseline, &known.candidate].contains(&&self.baseline);
        self.version == known.version && same
    }
}

/// How far an agent is with a content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// The wave in which it was offered; [`WAITING`] before.
    pub wave: u8,
    /// Time at which it was.
    pub offered_at: Option<UnixMillis>,
    /// The process that runs it.
    pub process: Option<String>,
    /// Since when that process has been seen to.
    pub alive_since: Option<UnixMillis>,
}

/// Agent that is to run a content.
#[derive(Clone, Debug, Default)]
pub struct Assigned {
    /// How far it was.
    pub trial: Option<Trial>,
    /// True if it is connected.
    pub connected: bool,
    /// The process that says that it runs the content, if one does.
    pub runs: Option<String>,
    /// True if it has refused the content.
    pub refused: bool,
    /// True if it has the content in quarantine.
    pub quarantined: bool,
}

/// What comes next for a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// How far each agent is now, in the order of the agents.
    pub trials: Vec<Trial>,
    /// True if all waves are out: the content is known.
    pub known: bool,
    /// True if those that wait are offered nothing, because an agent has the content in quarantine.
    pub stopped: bool,
}

/// Time within which an agent must have lived through its trial, from the offer on.
#[must_use]
pub fn patience(trial: Duration) -> Duration {
    trial * 2 + LEAST_PATIENCE.max(trial)
}

/// The most time by which the waves may delay a step: two that are repeated once each.
#[must_use]
pub fn delay(trial: Duration) -> Duration {
    (trial + patience(trial)) * 2
}

fn size(wave: u8, all: usize) -> usize {
    match wave {
        WAITING => 0,
        1 => 1,
        2 => all.div_ceil(ONE_IN),
        _ => all,
    }
}

impl Assigned {
    /// How far it is at `now`: a process that was not seen before begins its trial anew.
    fn seen(&self, now: UnixMillis) -> Trial {
        let before = self.trial.clone().unwrap_or_default();
        match &self.runs {
            Some(process) if before.process.as_ref() == Some(process) => before,
            // It runs it without having been told in a wave: an earlier release offered it.
            Some(process) => Trial {
                wave: before.wave.max(1),
                offered_at: before.offered_at.or(Some(now)),
                process: Some(process.clone()),
                alive_since: Some(now),
            },
            None => before,
        }
    }

    /// Tells whether it lives with the content for the whole trial time.
    fn passed(&self, seen: &Trial, trial: Duration, now: UnixMillis) -> bool {
        self.connected
            && !self.refused
            && self.runs.is_some()
            && seen.alive_since.is_some_and(|since| since.plus(trial) <= now)
    }

    /// Tells whether it may still get there.
    fn hopeful(&self, seen: &Trial, trial: Duration, now: UnixMillis) -> bool {
        !self.refused && seen.offered_at.is_some_and(|at| at.plus(patience(trial)) > now)
    }
}

/// Looks at the agents of one content.
#[must_use]
pub fn next(agents: &[Assigned], trial: Duration, now: UnixMillis) -> Next {
    let mut trials: Vec<Trial> = agents.iter().map(|agent| agent.seen(now)).collect();
    let wave = trials.iter().map(|trial| trial.wave).max().unwrap_or(WAITING);
    let waits = trials.iter().any(|trial| trial.wave == WAITING);
    if wave < LAST && agents.iter().any(|agent| agent.quarantined) {
        return Next { trials, known: false, stopped: true };
    }
    let (mut passed, mut hopeful) = (0, 0);
    for (agent, seen) in agents.iter().zip(&trials).filter(|(_, seen)| wave > WAITING && seen.wave == wave) {
        if agent.passed(seen, trial, now) {
            passed += 1;
        } else if agent.hopeful(seen, trial, now) {
            hopeful += 1;
        }
    }
    let needed = size(wave, agents.len());
    let over = passed >= needed || !waits && passed > 0 && hopeful == 0;
    if wave == LAST || over && (!waits || wave + 1 == LAST) {
        // Nobody has to be connected to be told what everybody is told.
        trials.iter_mut().filter(|trial| trial.wave == WAITING).for_each(|trial| tell(trial, LAST, now));
        return Next { trials, known: true, stopped: false };
    }
    if over {
        offer(agents, &mut trials, wave + 1, size(wave + 1, agents.len()), now);
    } else {
        offer(agents, &mut trials, wave, needed.saturating_sub(passed + hopeful), now);
    }
    Next { trials, known: false, stopped: false }
}

/// Offers it to `missing` more agents that are connected and wait.
fn offer(agents: &[Assigned], trials: &mut [Trial], wave: u8, missing: usize, now: UnixMillis) {
    let waiting =
        trials.iter_mut().zip(agents).filter(|(trial, agent)| trial.wave == WAITING && agent.connected);
    waiting.take(missing).for_each(|(trial, _)| tell(trial, wave, now));
}

fn tell(trial: &mut Trial, wave: u8, now: UnixMillis) {
    (trial.wave, trial.offered_at) = (wave, Some(now));
}

#[cfg(test)]
mod tests;
