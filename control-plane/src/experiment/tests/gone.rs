//! Agents that go while an experiment runs: nobody waits for them, and the verdict says so; too many hold it.

use super::*;

fn silent(at: u8, minutes: i64) -> AgentEvidence {
    let seen = UnixMillis(NOW.0 - minutes * 60_000);
    AgentEvidence { last_seen: Some(seen), heard: seen, ..agent(at, &[]) }
}

/// Ten agents, of which so many were not heard of for so many minutes.
fn ten(silent_ones: u8, minutes: i64) -> Evidence {
    let agents =
        (1..=10).map(|at| if at <= silent_ones { silent(at, minutes) } else { agent(at, &[good(), good()]) });
    evidence(agents.collect())
}

fn decided(evidence: &Evidence, spec: &Spec) -> Verdict {
    decide(evidence, spec, &run(Step::Mirror), None, NOW)
}

#[test]
fn an_agent_is_missing_until_it_is_gone_and_then_nobody_waits_for_it() {
    let missing = decided(&ten(2, 14), &spec());
    assert_eq!((missing.verb, named(&missing.reasons)), (Verb::Hold, vec!["missing_agents"]));
    let until = "After 15m it is gone, and nobody waits for it, if no more than 20.0 % of the agents are.";
    assert!(missing.reasons[0].sentence.ends_with(until), "{}", missing.reasons[0].sentence);
    let gone = decided(&ten(2, 16), &spec());
    assert_eq!(gone.verb, Verb::Advance, "{:?}", gone.reasons);
    assert_eq!(
        (&gone.basis.gone[..], gone.basis.missing.len()),
        (&["host-1".to_owned(), "host-2".to_owned()][..], 0)
    );
    let said = gone.basis.sentences().join(" ");
    assert!(said.contains("Gone, so that nobody waits for them: host-1, host-2."), "{said}");
    let enough = &criterion(&gone, "horizons").finding.sentence;
    assert!(enough.ends_with("; nobody waits for host-1, host-2, which the policy lets go."), "{enough}");
}

#[test]
fn more_than_may_go_hold_and_say_what_to_do() {
    let held = decided(&ten(3, 16), &spec());
    assert_eq!((held.verb, named(&held.reasons)), (Verb::Hold, vec!["gone_agents"]));
    let said = &held.reasons[0].sentence;
    for words in ["3 of 10 agents are gone", "20.0 %", "host-1, host-2, host-3", "delete those"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    let lenient = asking(|policy| policy.max_gone = 0.3);
    assert_eq!(decided(&ten(3, 16), &lenient).verb, Verb::Advance);
    let strict = asking(|policy| policy.max_gone = 0.0);
    assert_eq!(decided(&ten(1, 16), &strict).verb, Verb::Hold);
    let patient = asking(|policy| policy.gone_after = Duration::from_secs(3_600));
    assert_eq!(named(&decided(&ten(1, 16), &patient).reasons), ["missing_agents"]);
}

#[test]
fn what_an_agent_measured_before_it_went_still_counts_and_its_harm_too() {
    let mut went = agent(1, &[good(), good()]);
    went.heard = UnixMillis(NOW.0 - 16 * 60_000);
    let mut all = ten(0, 0);
    all.agents[0] = went.clone();
    let verdict = decided(&all, &spec());
    assert_eq!((verdict.verb, verdict.basis.counted.len()), (Verb::Advance, 10));
    assert_eq!(verdict.basis.gone, ["host-1"]);
    all.agents[0].cut = Some("it panicked".to_owned());
    assert_eq!(decided(&all, &spec()).verb, Verb::RollBack);
}

#[test]
fn one_that_is_connected_and_reports_nothing_is_missing_for_ever_and_not_gone() {
    let mut mute = silent(1, 600);
    mute.heard = NOW;
    let mut all = ten(0, 0);
    all.agents[0] = mute;
    let verdict = decided(&all, &spec());
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::Hold, vec!["missing_agents"]));
    assert!(!verdict.reasons[0].sentence.contains("gone"), "{}", verdict.reasons[0].sentence);
}

#[test]
fn the_first_step_waits_for_nobody_who_is_gone_unless_too_many_are() {
    let start = |gone: u8, max_gone: f64| {
        let agents = (1..=10).map(|at| {
            let of = if at <= gone { silent(at, 16) } else { agent(at, &[]) };
            AgentEvidence { applied: at > gone, ..of }
        });
        let asked = asking(|policy| policy.max_gone = max_gone);
        let verdict = decide_start(&evidence(agents.collect()), &asked, &run(Step::Mirror), NOW);
        (verdict.verb, verdict.reasons[0].sentence.clone())
    };
    let (verb, said) = start(2, 0.2);
    let expected = "All 8 agents run it. Nobody waits for host-1, host-2, which the policy lets go.";
    assert_eq!((verb, said.as_str()), (Verb::Advance, expected));
    let (verb, said) = start(3, 0.2);
    assert_eq!(
        (verb, said.as_str()),
        (Verb::Hold, "7 of 10 agents run it; waiting for host-1, host-2, host-3.")
    );
    assert_eq!(start(3, 0.3).0, Verb::Advance);
    let (verb, said) = start(10, 1.0);
    assert!(
        verb == Verb::RollBack && said.starts_with("None of its agents counts any more: host-1"),
        "{said}"
    );
}

#[test]
fn a_node_that_two_agents_claim_counts_for_nothing_and_is_named() {
    let mut all = ten(0, 0);
    all.agents[0].in_conflict = true;
    all.agents[0] = all.agents[0].clone().without_findings();
    all.agents[1].replaced = true;
    let verdict = decided(&all, &spec());
    assert_eq!((verdict.verb, verdict.basis.counted.len()), (Verb::Advance, 9));
    let said = verdict.basis.sentences().join(" ");
    for words in [
        "Claimed by two agents at once, so that their reports count for nothing: host-1.",
        "Replaced by another agent on the same node since it began: host-2.",
    ] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
}
