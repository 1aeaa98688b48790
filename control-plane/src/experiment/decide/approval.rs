//! Conditions between enough evidence and the next step: time, hours, and a second person.

use super::{Verb, Verdict};
use crate::clock::UnixMillis;
use crate::experiment::{AtEnd, Goal, Policy, Reason, Run};

/// Consequence of the whole taking longer than it may.
pub fn out_of_time(policy: &Policy, run: &Run, now: UnixMillis) -> Option<Verdict> {
    let limit = policy.max_duration.filter(|limit| run.began.plus(*limit) < now)?;
    let limit = humantime::format_duration(limit);
    let (verb, then) = match policy.at_max_duration {
        AtEnd::Hold => (Verb::Hold, "it waits for a person to decide"),
        AtEnd::RollBack => (Verb::RollBack, "so it is given up"),
    };
    let sentence = format!("The experiment was given {limit}, and that is over: {then}.");
    Some(Verdict::of(verb, vec![Reason::new("audit", "max_duration", sentence)]))
}

/// People who have to be asked, and times that have to come, before it goes on by itself.
pub fn permission(policy: &Policy, run: &Run, goal: Option<Goal>, now: UnixMillis) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if policy.require_approval && goal == Some(Goal::Promote) && run.approved_by.is_none() {
        let sentence = "The evidence is good enough; somebody other than its author has to approve before it is promoted.";
        reasons.push(Reason::new("person", "approval", sentence));
    }
    let windows = &policy.change_windows;
    if !windows.is_empty() && !windows.iter().any(|window| window.is_open(now)) {
        let named: Vec<String> = windows.iter().map(ToString::to_string).collect();
        let sentence =
            format!("The evidence is good enough; nothing changes by itself outside {}.", named.join(", "));
        reasons.push(Reason::new("person", "change_window", sentence));
    }
    reasons
}

/// Person who approved, for the record.
pub fn approval(run: &Run) -> Option<Reason> {
    let by = run.approved_by.as_ref()?;
    Some(Reason::new("person", "approval", format!("{by} approved.")))
}
