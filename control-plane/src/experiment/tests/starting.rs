//! The first step before it is measured: who is waited for, how long, and what then.

use super::*;
use crate::experiment::AtEnd;

/// One that runs it, one that was not heard of since the beginning, and what is known of it changed.
fn with(change: impl FnOnce(&mut AgentEvidence)) -> Evidence {
    let mut other = agent(2, &[]);
    other.applied = false;
    change(&mut other);
    evidence(vec![agent(1, &[]), other])
}

fn away() -> Evidence {
    with(|agent| agent.last_seen = Some(UnixMillis(NOW.0 - 1_000_000)))
}

fn decided(evidence: &Evidence, policy: impl FnOnce(&mut Policy), run: &Run) -> (Verb, String) {
    let verdict = decide_start(evidence, &asking(policy), run, NOW);
    let first = verdict.reasons.first().expect("a reason");
    (verdict.verb, format!("{}: {}", first.quantity, first.sentence))
}

fn new() -> Run {
    run(Step::Mirror)
}

#[test]
fn it_begins_when_all_run_it() {
    let all = evidence(vec![agent(1, &[]), agent(2, &[])]);
    assert_eq!(decided(&all, |_| {}, &new()), (Verb::Advance, "applied: All 2 agents run it.".into()));
    let (verb, said) = decided(&away(), |_| {}, &new());
    assert_eq!((verb, said.as_str()), (Verb::Hold, "applied: 1 of 2 agents run it; waiting for host-2."));
}

#[test]
fn one_that_is_not_connected_is_named_and_what_others_report_meanwhile_is_told() {
    let hour = || Some(Stretch { hours: [3].into(), ..Stretch::default() });
    let of = |connected: [bool; 2]| {
        let [mut one, mut other] = [2, 3].map(|at| AgentEvidence { applied: false, ..agent(at, &[]) });
        (one.connected, other.connected) = (connected[0], connected[1]);
        let agents = vec![agent(1, &[good()]), one, other];
        let verdict = decide_start(&Evidence { stretch: hour(), ..evidence(agents) }, &spec(), &new(), NOW);
        (verdict.reasons[0].sentence.clone(), verdict.basis.sentences().swap_remove(0))
    };
    let (all, basis) = of([true, true]);
    assert_eq!(all, "1 of 3 agents run it; waiting for host-2, host-3.");
    assert!(basis.starts_with("It rests on 1 agent, from"), "{basis}");
    let (one, _) = of([false, true]);
    assert_eq!(
        one,
        format!("{all} host-2 is not connected: bring it back, or delete it if it never comes back.")
    );
    let (both, _) = of([false, false]);
    assert_eq!(
        both,
        format!(
            "{all} host-2, host-3 are not connected: bring them back, or delete those that never come back."
        )
    );
}

#[test]
fn an_absent_agent_is_waited_for_and_then_missing_if_the_policy_lets_it() {
    let lenient = |policy: &mut Policy| policy.max_missing = 0.5;
    let only_just_told = with(|agent| agent.last_seen = Some(NOW));
    assert_eq!(decided(&only_just_told, lenient, &new()).0, Verb::Hold, "it may still come");
    let (verb, said) = decided(&away(), lenient, &new());
    assert_eq!(verb, Verb::Advance);
    assert!(said.contains("1 of 2 agents run it; the policy lets host-2 be missing"), "{said}");
    let both = |policy: &mut Policy| {
        lenient(policy);
        policy.min_hosts = 2;
    };
    assert_eq!(decided(&away(), both, &new()).0, Verb::Hold, "two hosts are needed");
}

#[test]
fn a_refusing_agent_fails_it_unless_the_policy_lets_it_be_missing() {
    let refusing = with(|agent| agent.failed = Some("no room".into()));
    let (verb, said) = decided(&refusing, |_| {}, &new());
    assert_eq!(
        (verb, said.as_str()),
        (Verb::RollBack, "not_applied: It cannot be applied on host-2: no room")
    );
    assert_eq!(decided(&refusing, |policy| policy.max_missing = 0.5, &new()).0, Verb::Advance);
}

#[test]
fn a_deleted_agent_is_nobody_to_wait_for() {
    let deleted = with(|agent| agent.known = false);
    assert_eq!(decided(&deleted, |_| {}, &new()), (Verb::Advance, "applied: The only agent runs it.".into()));
    let mut nobody = deleted;
    nobody.agents.remove(0);
    assert_eq!(decided(&nobody, |_| {}, &new()).0, Verb::RollBack);
}

#[test]
fn time_that_is_up_ends_the_wait() {
    let limit = Some(Duration::from_secs(1_000));
    let late = Run { since: UnixMillis(0), began: UnixMillis(0), ..new() };
    let late = Run { since: UnixMillis(NOW.0 - 2_000_000), began: UnixMillis(NOW.0 - 2_000_000), ..late };
    let step = |policy: &mut Policy| policy.max_step_duration = limit;
    assert!(decided(&away(), step, &new()).1.starts_with("applied"));
    let (verb, said) = decided(&away(), step, &late);
    assert_eq!((verb, said.split(':').next()), (Verb::RollBack, Some("max_step_duration")));
    let whole = |policy: &mut Policy| policy.max_duration = limit;
    let (verb, said) = decided(&away(), whole, &late);
    assert_eq!((verb, said.split(':').next()), (Verb::Hold, Some("max_duration")));
    let giving_up = |policy: &mut Policy| {
        whole(policy);
        policy.at_max_duration = AtEnd::RollBack;
    };
    assert_eq!(decided(&away(), giving_up, &late).0, Verb::RollBack);
}

#[test]
fn a_deleted_agent_holds_no_step_either() {
    let mut deleted = agent(2, &[]);
    deleted.known = false;
    deleted.last_seen = Some(UnixMillis(NOW.0 - 1_000_000));
    let found = verb(&evidence(vec![agent(1, &[good(), good()]), deleted]), &spec());
    assert_eq!(found.0, Verb::Advance);
}

#[test]
fn an_agent_that_waits_for_its_wave_is_neither_missing_nor_does_its_wait_count_as_time_of_the_step() {
    let mut waiting = away();
    waiting.agents[1].wave = Some(0);
    waiting.agents[0].wave = Some(1);
    let lenient = |policy: &mut Policy| policy.max_missing = 0.5;
    let (verb, said) = decided(&waiting, lenient, &new());
    assert_eq!(verb, Verb::Hold, "it was never offered");
    assert_eq!(
        said,
        "applied: It is new to agents of their version: host-1 is to try it first, and host-2 waits for that."
    );
    let mut nobody = waiting.clone();
    nobody.agents[0].wave = Some(0);
    let (_, said) = decided(&nobody, lenient, &new());
    assert!(said.contains("none that is connected was asked yet to try it first"), "{said}");
    let limit = Some(Duration::from_secs(1_000));
    let late = Run { since: UnixMillis(NOW.0 - 2_000_000), ..new() };
    let step = |policy: &mut Policy| policy.max_step_duration = limit;
    assert_eq!(decided(&waiting, step, &late).0, Verb::RollBack);
    waiting.delay = Duration::from_secs(1_500);
    assert_eq!(decided(&waiting, step, &late).0, Verb::Hold);
    // Later steps too.
    let mut started = evidence(vec![agent(1, &[good(), good()]), waiting.agents[1].clone()]);
    let held = |evidence: &Evidence| decide(evidence, &asking(step), &late, None, NOW).verb;
    assert_eq!(held(&started), Verb::RollBack);
    started.delay = Duration::from_secs(1_500);
    assert_eq!(held(&started), Verb::Continue, "to come, not missing");
}
