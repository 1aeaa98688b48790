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

#[test]
fn a_policy_that_cannot_be_measured_is_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Spec)| {
        let mut spec = spec();
        change(&mut spec);
        spec.check().expect_err("it cannot be measured").to_string()
    };
    let no_critical = |spec: &mut Spec| {
        spec.critical.clear();
        spec.policy.critical_process_coverage = Some(1.0);
    };
    let no_lens = |spec: &mut Spec| {
        spec.lenses.clear();
        spec.policy.max_lens_error = Some(0.1);
    };
    let no_limit = |spec: &mut Spec| spec.policy.max_groups_lost = Some(3);
    let no_price = |spec: &mut Spec| {
        spec.price = observe::Price { usd_per_1000_active_series: 0.0, ..observe::Price::default() };
        spec.policy.min_cost_reduction = Some(0.1);
    };
    for (change, field) in [
        (&no_critical as &dyn Fn(&mut Spec), "policy.critical_process_coverage: no process is critical"),
        (&no_lens, "policy.max_lens_error: there is no lens"),
        (&no_limit, "policy.max_groups_lost: no lens has a limit"),
        (&no_price, "policy.min_cost_reduction: by `price` nothing costs"),
    ] {
        let said = refused(change);
        assert!(said.starts_with(field), "{said}");
    }
    let limited = asking(|policy| (policy.max_groups_lost, policy.max_lens_error) = (Some(3), Some(0.1)));
    assert!(limited.check().is_ok());
}

#[test]
fn what_its_criteria_take_at_least_is_said_beforehand_and_a_step_that_is_shorter_is_refused() {
    let plain = spec().needs();
    assert_eq!(plain, ["Each step takes at least 2m: min_horizons is 2, and a horizon is 1m."]);
    let asked = asking(|policy| {
        policy.max_lens_error = Some(0.1);
        policy.max_latency_increase = Some(0.1);
    });
    let said = asked.needs();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[1].starts_with("The mirror step takes at least 6m: the look-back"), "{said:?}");
    assert!(said[2].contains("at least 4h, 240 horizons: max_latency_increase varies by chance"), "{said:?}");
    assert!(
        said[3].starts_with("After mirror the steps take at least ") && said[3].contains("blocks of 30m"),
        "{said:?}"
    );
    let within = |step: u64| {
        let mut asked = asked.clone();
        asked.policy.max_step_duration = Some(Duration::from_secs(step));
        asked.check().map(drop).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(within(4 * 3_600), Ok(()));
    let short = within(300).expect_err("five minutes are too short");
    assert!(
        short.contains("max_step_duration: 5m is too short. The mirror step takes at least 6m"),
        "{short}"
    );
    assert!(within(600).expect_err("ten too").contains("at least 4h"));
}
