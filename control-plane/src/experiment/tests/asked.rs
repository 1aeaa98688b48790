//! Time that is up, hours in which nothing changes, and the word of a second person.

use super::*;
use crate::experiment::{AtEnd, ChangeWindow};

fn enough() -> Evidence {
    evidence(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])])
}

fn decided(policy: impl FnOnce(&mut Policy), run: &Run, goal: Option<Goal>) -> (Verb, Vec<String>) {
    let mut spec = spec();
    policy(&mut spec.policy);
    let verdict = decide(&enough(), &spec, run, goal, NOW);
    (verdict.verb, verdict.reasons.into_iter().map(|reason| reason.quantity).collect())
}

#[test]
fn when_the_time_is_up_it_holds_or_is_given_up_and_never_promoted() {
    let late = Run { began: UnixMillis(0), ..run(Step::Split(10_000)) };
    let limit = |policy: &mut Policy| policy.max_duration = Some(Duration::from_secs(1_000));
    for goal in [None, Some(Goal::Promote)] {
        assert_eq!(decided(limit, &late, goal), (Verb::Hold, vec!["max_duration".into()]));
    }
    let giving_up = |policy: &mut Policy| {
        limit(policy);
        policy.at_max_duration = AtEnd::RollBack;
    };
    assert_eq!(decided(giving_up, &late, None).0, Verb::RollBack);
    assert_eq!(decided(giving_up, &run(Step::Mirror), None).0, Verb::Advance, "it began ten seconds ago");
    assert_eq!(decided(limit, &late, Some(Goal::Stop)).0, Verb::Advance, "a stop is let end");
}

#[test]
fn a_promotion_that_needs_a_second_person_waits_for_their_word_and_names_them() {
    let asks = |policy: &mut Policy| policy.require_approval = true;
    let last = run(Step::Split(10_000));
    assert_eq!(decided(asks, &last, None).0, Verb::Advance, "steps do not need it");
    let (verb, reasons) = decided(asks, &last, Some(Goal::Promote));
    assert_eq!((verb, reasons[0].as_str()), (Verb::Hold, "approval"));
    let state = State::Analyzing { run: last, goal: Goal::Promote, since: NOW };
    let approved = state.after(Action::Approve("second@example.org".into()), &spec(), NOW).expect("approved");
    let (verb, reasons) = decided(asks, approved.run().expect("a run"), Some(Goal::Promote));
    assert_eq!((verb, reasons.last().map(String::as_str)), (Verb::Promote, Some("approval")));
}

#[test]
fn outside_its_hours_nothing_advances_by_itself_but_what_is_bad_goes_back_at_once() {
    // NOW is a quarter past midnight, UTC, on the first day of the epoch: a Thursday.
    let window = |from: &str, to: &str| ChangeWindow {
        days: Vec::new(),
        from: from.into(),
        to: to.into(),
        time_zone: "UTC".into(),
    };
    let closed = |policy: &mut Policy| policy.change_windows = vec![window("09:00", "17:00")];
    let (verb, reasons) = decided(closed, &run(Step::Mirror), None);
    assert_eq!((verb, reasons[0].as_str()), (Verb::Hold, "change_window"));
    let open = |policy: &mut Policy| {
        policy.change_windows = vec![window("09:00", "17:00"), window("00:00", "01:00")];
    };
    assert_eq!(decided(open, &run(Step::Mirror), None).0, Verb::Advance);
    let bad = |policy: &mut Policy| {
        closed(policy);
        policy.max_series_loss = Some(0.1);
    };
    assert_eq!(decided(bad, &run(Step::Mirror), None).0, Verb::RollBack);
}
