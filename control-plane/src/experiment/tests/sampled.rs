//! What a sample of the entities shows, and what it leaves open.

use observe::Sample;

use super::answers::{decided, two};
use super::*;
use crate::experiment::{Direction, Guardrail, Quantity, Scope, Severity};

/// Criteria that say of something that there is none.
const OF_NONE: [&str; 3] = ["renamed", "changed", "attributes_used"];

/// Findings of an agent that follows entities as good as so many.
fn of(entities: f64) -> Comparison {
    let mut found = good();
    found.exact = false;
    found.sample = Some(Sample { one_in: 8, entities, ..Sample::default() });
    found
}

fn told(entities: f64, max_unseen: Option<f64>, quantity: &str) -> Criterion {
    let asked = asking(|policy| policy.max_unseen = max_unseen);
    criterion(&decided(two(|| of(entities)), &asked, Step::Mirror), quantity)
}

#[test]
fn a_change_in_one_entity_outside_of_the_sample_is_not_said_not_to_be() {
    // Nothing of it is in the report: it looks like that of a candidate that changes nothing.
    for quantity in OF_NONE {
        let open = told(300.0, None, quantity);
        let said = &open.finding.sentence;
        assert_eq!((open.answer, open.holds()), (Answer::NotMeasured, true), "{quantity}");
        assert!(said.starts_with("Of the entities that are followed none "), "{said}");
        assert!(
            said.contains("Of all series up to 0.99 % may (95 %): this sample cannot tell less"),
            "{said}"
        );
        assert!(said.contains("a `max_unseen` of so much in the policy accepts it"), "{said}");
        for claim in ["No value changes", "No metric gets", "No attribute went"] {
            assert!(!said.contains(claim), "{said}");
        }
    }
}

#[test]
fn a_sample_is_enough_where_the_policy_accepts_what_it_leaves_open() {
    for quantity in OF_NONE {
        let met = told(300.0, Some(0.01), quantity);
        assert_eq!(met.answer, Answer::Met, "{quantity}");
        let said = &met.finding.sentence;
        assert!(
            said.contains("Of all series up to 0.99 % may (95 %): `max_unseen` accepts 1.00 %."),
            "{said}"
        );
        let open = told(299.0, Some(0.009_96), quantity);
        assert_eq!(open.answer, Answer::NotMeasured, "{quantity}");
        assert!(open.finding.sentence.contains("`max_unseen` accepts no more than"), "{open:?}");
        assert_eq!(told(0.0, Some(0.99), quantity).answer, Answer::NotMeasured, "of nobody nothing is known");
    }
}

#[test]
fn the_agent_with_the_smallest_sample_counts_and_one_that_follows_all_needs_no_share() {
    let asked = asking(|policy| policy.max_unseen = Some(0.01));
    let with = |other: Comparison| {
        let agents = vec![agent(1, &[of(300.0), of(300.0)]), agent(2, &[other.clone(), other])];
        criterion(&decided(agents, &asked, Step::Mirror), "changed").answer
    };
    assert_eq!(
        (with(of(290.0)), with(of(300.0)), with(good())),
        (Answer::NotMeasured, Answer::Met, Answer::Met)
    );
    let verdict = decided(two(good), &spec(), Step::Mirror);
    assert_eq!(
        criterion(&verdict, "changed").finding.sentence,
        "No value changes that the policy does not allow, of points that come through alone."
    );
}

#[test]
fn what_the_sample_shows_to_change_is_a_change_whatever_may_be_unseen() {
    let mut found = of(300.0);
    let metric = observe::ChangedMetric { metric: "load".into(), points: 1, ..Default::default() };
    (found.changed.points, found.changed.by_metric) = (1, vec![metric]);
    let asked = asking(|policy| policy.max_unseen = Some(1.0));
    let verdict = decided(two(|| found.clone()), &asked, Step::Mirror);
    assert_eq!(criterion(&verdict, "changed").answer, Answer::Violated);
}

#[test]
fn a_change_that_the_policy_allows_of_all_metrics_needs_no_sample() {
    let mut asked = spec();
    asked.policy.allow = serde_json::from_str(r#"["renamed", "changed"]"#).expect("right");
    let verdict = decided(two(|| of(300.0)), &asked, Step::Mirror);
    assert!(
        OF_NONE.iter().all(|quantity| criterion(&verdict, quantity).answer == Answer::Met),
        "{verdict:#?}"
    );
}

#[test]
fn a_baseline_that_was_compared_with_itself_in_part_is_not_said_to_be_equal_in_all() {
    let step = |found: fn() -> Comparison| {
        let equal = || {
            let mut found = found();
            found.candidate = found.baseline.clone();
            (found.lost_by_candidate, found.fates, found.lenses) =
                (count(0), SeriesFates::default(), Vec::new());
            found
        };
        criterion(&decided(two(equal), &spec(), Step::Aa), "aa")
    };
    let all = step(good);
    assert_eq!(
        (all.answer, all.finding.sentence.as_str()),
        (Answer::Met, "Baseline and baseline differ by nothing at all.")
    );
    let part = step(|| of(300.0));
    assert_eq!(part.answer, Answer::NotMeasured);
    assert!(part.finding.sentence.starts_with("Of the entities that are followed none differs"), "{part:?}");
}

fn on_the_lens(quantity: Quantity) -> Guardrail {
    Guardrail {
        name: "the lens".into(),
        quantity,
        lens: Some(good().lenses[0].name.clone()),
        scope: Scope::Host,
        direction: Direction::Either,
        margin: 0.05,
        severity: Severity::Fatal,
    }
}

#[test]
fn a_lens_of_a_part_of_the_series_is_neither_within_a_margin_nor_past_it() {
    for quantity in [Quantity::LensTotal, Quantity::LensGroup] {
        let asked = asking(|policy| policy.guardrails = vec![on_the_lens(quantity)]);
        for off in [0.0, -0.5] {
            let mut found = of(300.0);
            let lens = &mut found.lenses[0];
            lens.total = LensError::of(String::new(), 100.0, 100.0 * (1.0 + off));
            lens.worst = vec![LensError::of("java".into(), 100.0, 100.0 * (1.0 + off))];
            let verdict = decided(two(|| found.clone()), &asked, Step::Mirror);
            let told = criterion(&verdict, "the lens");
            let said = &told.finding.sentence;
            assert_eq!(told.answer, Answer::NotMeasured, "{said}");
            assert!(said.contains(", of the series that are followed, is "), "{said}");
            assert!(said.contains("up to 0.99 % of them may be what none of these is (95 %)"), "{said}");
        }
    }
}

#[test]
fn groups_that_share_a_row_and_agents_of_an_earlier_release_leave_the_worst_group_open_and_say_what_helps() {
    let asked = asking(|policy| policy.guardrails = vec![on_the_lens(Quantity::LensGroup)]);
    let told = |change: fn(&mut LensReport)| {
        let mut found = good();
        found.lenses[0].worst.clear();
        change(&mut found.lenses[0]);
        criterion(&decided(two(|| found.clone()), &asked, Step::Mirror), "the lens")
    };
    let bucketed = told(|lens| {
        lens.bucketed = true;
        lens.worst = vec![LensError::of("(bucket 7 of 256)".into(), 100.0, 100.0)];
    });
    assert_eq!(bucketed.answer, Answer::NotMeasured);
    assert!(bucketed.finding.sentence.contains("several groups share a row"), "{bucketed:?}");
    let earlier = told(|lens| {
        lens.unnamed = observe::Unnamed { groups: 9, most_difference: 1.0, ..Default::default() }
    });
    assert_eq!(earlier.answer, Answer::NotMeasured);
    assert!(earlier.finding.sentence.ends_with("upgrade them."), "{earlier:?}");
    let tells = told(|lens| {
        lens.unnamed = observe::Unnamed {
            groups: 9,
            most_difference: 1.0,
            errors: Some([-0.01, 0.05]),
            ..Default::default()
        };
    });
    assert_eq!(tells.answer, Answer::Met, "{tells:?}");
    assert!(tells.finding.sentence.contains("is +5.00 %; ±5.00 % is the limit"), "{tells:?}");
}

#[test]
fn a_sample_with_nobody_in_it_is_not_said_to_have_no_series_that_comes_through_alone() {
    let nobody = || {
        let mut found = of(0.0);
        found.fates = SeriesFates { of: count(8), not_followed: 8, ..SeriesFates::default() };
        found
    };
    let verdict = decided(two(nobody), &spec(), Step::Mirror);
    let told = criterion(&verdict, "changed");
    assert_eq!(told.answer, Answer::NotMeasured);
    assert!(told.finding.sentence.contains("Of all series up to 100.0 % may (95 %)"), "{told:?}");
}
