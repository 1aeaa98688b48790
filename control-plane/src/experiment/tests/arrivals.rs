//! Lenses of what arrives: told in one sentence, and what people group by may not go.

use observe::{AttributeFates, Lens, LensError, LensFunction, LensReport, OWNER};

use super::*;
use crate::experiment::Effect;

fn arrived(metric: &str, figures: [f64; 2]) -> LensReport {
    let total = LensError::of(String::new(), figures[0], figures[1]);
    let lens = Lens::new(format!("{metric} by owner"), metric, OWNER, LensFunction::Sum);
    LensReport {
        name: lens.name,
        metric: lens.metric,
        group_by: lens.group_by,
        total,
        ..LensReport::default()
    }
}

fn decided(horizon: impl Fn() -> Comparison) -> Verdict {
    let agents = vec![agent(1, &[horizon(), horizon()]), agent(2, &[horizon(), horizon()])];
    let stretch = Some(Stretch { from: NOW, to: NOW, hours: [62].into() });
    decide(&Evidence { stretch, ..evidence(agents) }, &spec(), &run(Step::Mirror), None, NOW)
}

fn other_metrics(verdict: &Verdict) -> Criterion {
    criterion(verdict, "other_metrics")
}

#[test]
fn totals_of_what_arrives_are_told_together_and_hold_nothing() {
    let with = |lenses: Vec<LensReport>| {
        decided(move || {
            let mut found = good();
            found.lenses.extend(lenses.clone());
            found
        })
    };
    let verdict = with(vec![arrived("queue.length", [8.0, 8.0]), arrived("requests", [200.0, 100.0])]);
    let told = other_metrics(&verdict);
    assert_eq!((told.answer, told.effect, verdict.verb), (Answer::Met, Effect::Tell, Verb::Advance));
    let sentence = &told.finding.sentence;
    assert!(sentence.contains("Of the totals of 2 other metrics, those of 1 are the same"), "{sentence}");
    assert!(sentence.contains("requests by owner differs by"), "{sentence}");
    let same = with(vec![arrived("queue.length", [8.0, 8.0])]);
    let sentence = &other_metrics(&same).finding.sentence;
    assert!(
        sentence.contains("The total of the only other metric, queue.length by owner, is the same"),
        "{sentence}"
    );
    assert_eq!(other_metrics(&with(Vec::new())).answer, Answer::NotApplicable);
}

#[test]
fn a_policys_limit_is_none_of_a_lens_on_every_metric() {
    let mut asked = spec();
    asked.policy.max_lens_error = Some(0.01);
    let lenses = asked.limited_lenses();
    let (every, others): (Vec<Lens>, Vec<Lens>) = lenses.into_iter().partition(Lens::is_every);
    assert!(every.iter().all(|lens| lens.limit().is_none()) && every.len() == 1);
    assert!(others.iter().all(|lens| lens.limit().is_some()));
    asked.lenses = vec![Lens { max_error: Some(0.1), ..every[0].clone() }];
    let refused = asked.check().expect_err("refused").to_string();
    assert!(refused.contains("one metric where there is a limit"), "{refused}");
}

#[test]
fn an_owner_that_goes_is_missed_by_the_name_of_its_attribute() {
    let verdict = decided(|| {
        let mut found = good();
        let gone =
            AttributeFates { attribute: "service.name".into(), fewer_attributes: 6, ..Default::default() };
        found.fates.by_attribute.push(gone);
        let groups_lost = 1;
        found.lenses.push(LensReport { groups: 1, groups_lost, ..arrived("requests", [8.0, 8.0]) });
        found
    });
    assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "attributes_used"));
    let sentence = &verdict.reasons[0].sentence;
    assert!(sentence.contains("service.name of requests by owner"), "{sentence}");
}

#[test]
fn metrics_that_no_lens_looks_at_are_told_by_name_and_hold_nothing() {
    let told = |of: [(u64, bool, &[&str]); 2], lenses: Vec<LensReport>| {
        let found = |(count, at_least, names): (u64, bool, &[&str])| {
            let mut found = good();
            let names = names.iter().map(ToString::to_string).collect();
            found.unwatched = observe::UnwatchedMetrics { count, at_least, names };
            found.lenses.extend(lenses.clone());
            found
        };
        let [one, other] = of.map(found);
        let agents = vec![agent(1, &[one.clone(), one]), agent(2, &[other.clone(), other])];
        let verdict = decide(&evidence(agents), &spec(), &run(Step::Mirror), None, NOW);
        let told = other_metrics(&verdict);
        assert_eq!((told.effect, verdict.verb), (Effect::Tell, Verb::Advance));
        (told.answer, told.finding.sentence)
    };
    let queue = || vec![arrived("queue.length", [8.0, 8.0])];
    let none = (0, false, &[][..]);
    let (answer, said) = told([(1, false, &["a"]), none], queue());
    assert_eq!(answer, Answer::Met);
    assert!(
        said.ends_with("is the same over the fleet. 1 metric that came in is in no lens on host-1: a."),
        "{said}"
    );
    // Of nothing else it is not said that nothing came in.
    let (answer, said) = told([(1, false, &["a"]), (1, false, &["b"])], Vec::new());
    assert_eq!(answer, Answer::NotMeasured);
    assert_eq!(said, "2 metrics that came in are in no lens on one at least of host-1, host-2: a, b.");
    // Two agents of which not all are named may have the same ones or others.
    let (_, said) = told([(3, false, &["a", "b"]), (2, false, &["a", "b"])], Vec::new());
    assert_eq!(
        said,
        "At least 3 metrics that came in are in no lens on one at least of host-1, host-2: among them a, b."
    );
    let (_, said) = told([(2, true, &["a", "b"]), none], Vec::new());
    assert_eq!(said, "At least 2 metrics that came in are in no lens on host-1: a, b.");
}

#[test]
fn those_that_a_sentence_has_no_room_for_are_not_said_to_differ_less_where_they_differ_as_much() {
    let verdict = decided(|| {
        let mut found = good();
        found.lenses.extend((0..10).map(|at| arrived(&format!("app.{at}"), [2.0, 1.0])));
        found
    });
    let said = other_metrics(&verdict).finding.sentence;
    assert!(said.contains(" 2 more differ, none by a larger share."), "{said}");
}
