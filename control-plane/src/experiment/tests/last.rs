//! The last horizon of a step: what is counted while it is collected is of that stretch, and says so.

use super::answers::two;
use super::*;

/// Time at which the last horizon began to be collected.
const SINCE: UnixMillis = UnixMillis(NOW.0 - 60_000);

/// Verdict while the last horizon of a step is collected, for this reason; the policy asks for three.
fn verdict(agents: Vec<AgentEvidence>, goal: Goal) -> Verdict {
    let stretch = Stretch { from: UnixMillis(0), to: SINCE, hours: [3].into() };
    let found = Evidence { since: Some(SINCE), stretch: Some(stretch), ..evidence(agents) };
    decide(&found, &asking(|policy| policy.min_horizons = 3), &run(Step::Split(2_500)), Some(goal), NOW)
}

fn said(verdict: &Verdict, quantity: &str) -> String {
    criterion(verdict, quantity).finding.sentence
}

#[test]
fn what_is_counted_while_the_last_horizon_is_collected_is_not_said_to_be_of_all_the_step() {
    let last = verdict(two(good), Goal::Promote);
    let enough = said(&last, "horizons");
    assert_eq!(
        enough,
        format!(
            "All 2 agents with traffic have 1 horizon or more in the step 25 % since {SINCE}. That is the last horizon; what the \
             policy asks for of the step, 3 horizons, was in before."
        )
    );
    let put_out = said(&last, "zero_output");
    assert!(put_out.contains(&format!("horizons of the step 25 % since {SINCE} in which")), "{put_out}");
    let arrived = said(&last, "delivery");
    let end =
        format!("of the candidate in the step 25 % since {SINCE}; a point counts once for each destination.");
    assert!(arrived.ends_with(&end), "{arrived}");

    let stopped = said(&verdict(two(good), Goal::Stop), "horizons");
    assert!(
        stopped.ends_with("it was stopped, and nobody waits for what the policy asks for, 3 horizons."),
        "{stopped}"
    );
    let waits = said(&verdict(vec![agent(1, &[])], Goal::Promote), "horizons");
    assert!(
        waits.starts_with(&format!(
            "0 of 1 horizon with traffic are in since {SINCE}, when the last one began;"
        )),
        "{waits}"
    );

    // What is of all the step says no time, and what the policy asks for is what is waited for.
    let found = evidence(two(good));
    let whole = decide(&found, &spec(), &run(Step::Split(2_500)), None, NOW);
    assert_eq!(
        said(&whole, "horizons"),
        "All 2 agents with traffic have 2 horizons or more in the step 25 %."
    );
    assert!(said(&whole, "zero_output").contains("of the step 25 % in which"));
}

#[test]
fn where_no_agent_has_reported_the_last_horizon_it_is_not_said_that_none_counts_in_the_step() {
    let before = AgentEvidence { totals: vec![good().into()], ..agent(1, &[]) };
    let last = verdict(vec![before.clone()], Goal::Promote).basis.sentences();
    assert!(
        last[0].starts_with(&format!("No agent has reported the last horizon yet, since {SINCE}. Before")),
        "{last:?}"
    );
    assert!(
        last[1].starts_with(&format!("Counts of horizons, and who is idle, are since {SINCE}, when")),
        "{last:?}"
    );
    let stretch = Stretch { from: UnixMillis(0), to: SINCE, hours: [3].into() };
    let whole = Evidence { stretch: Some(stretch), ..evidence(vec![before]) };
    let whole = decide(&whole, &spec(), &run(Step::Mirror), None, NOW).basis.sentences();
    assert!(whole[0].starts_with("No agent counts in this step yet."), "{whole:?}");
    assert!(!whole.iter().any(|one| one.contains("when the last horizon began")), "{whole:?}");
}
