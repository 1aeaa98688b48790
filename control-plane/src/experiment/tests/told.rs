//! Sentences of lenses without a limit and of fates, and the attributes that lenses group by.

use observe::{ChangedMetric, LensError, NamedCount, SeriesFates, Unnamed};

use super::answers::{decided, two};
use super::*;
use crate::experiment::{Allow, Allowed, Effect};

#[test]
fn a_lens_whose_total_is_the_same_tells_the_groups_that_are_lost_new_or_off() {
    let group = |name: &str, figures: [f64; 2], shown: [u64; 2]| {
        let [baseline, candidate] = figures;
        LensError { shown, instants: 6, ..LensError::of(name.into(), baseline, candidate) }
    };
    let told = |groups: Vec<LensError>| {
        let found = || {
            let mut found = good();
            found.lenses[0].total = LensError::of(String::new(), 100.0, 100.0);
            found.lenses[0].worst = groups.clone();
            found
        };
        let verdict = decided(two(found), &spec(), Step::Mirror);
        let lens = criterion(&verdict, "lens");
        assert_eq!(lens.effect, Effect::Tell);
        lens.finding.sentence
    };
    let same = "The total of memory by executable is the same over the fleet.";
    let kept = group("java", [60.0, 60.0], [6, 6]);
    assert_eq!(told(vec![kept.clone()]), format!("{same} No group differs."));
    assert_eq!(
        told(vec![group("java", [60.0, 40.0], [6, 6]), group("sshd", [40.0, 60.0], [6, 6])]),
        format!("{same} Furthest off is sshd, by +50.0 %.")
    );
    assert_eq!(
        told(vec![kept, group("nginx", [40.0, 0.0], [6, 0]), group("(none)", [0.0, 40.0], [0, 6])]),
        format!("{same} Lost: nginx (1 group). New: (none) (1 group).")
    );
}

#[test]
fn a_merge_names_its_functions() {
    let merging = "processors:
  metricstransform:
    transforms:
      - include: process.threads
        action: update
        operations: [{ action: aggregate_labels, label_set: [], aggregation_type: sum }]
service: { pipelines: { metrics: { processors: [metricstransform] } } }
";
    let merged = || {
        let mut found = good();
        found.fates = SeriesFates {
            of: count(1_000),
            as_it_is: 988,
            merged: 12,
            merged_into: 3,
            ..SeriesFates::default()
        };
        found
    };
    let spec = Spec { candidate: merging.into(), ..spec() };
    let told = criterion(&decided(two(merged), &spec, Step::Mirror), "fates").finding.sentence;
    assert!(told.ends_with("24 become 6 together, by sum."), "{told}");
}

#[test]
fn an_attribute_that_panels_group_by_is_missed_by_name() {
    let taken = || {
        let mut found = good();
        let group = |name: &str, shown: [u64; 2]| {
            let figures = [100.0, 100.0];
            LensError { shown, instants: 6, ..LensError::of(name.into(), figures[0], figures[1]) }
        };
        found.lenses[0].groups_lost = 1;
        found.lenses[0].worst = vec![group("nginx", [6, 0]), group("(none)", [0, 6])];
        found
    };
    let verdict = decided(two(taken), &spec(), Step::Mirror);
    assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "attributes_used"));
    let sentence = &verdict.reasons[0].sentence;
    assert!(sentence.contains("process.executable.name of memory by executable"), "{sentence}");
    // A group that is lost without a nameless one in its place was not renamed: it is the limit's to judge.
    let dropped = || {
        let mut found = taken();
        found.lenses[0].worst.truncate(1);
        found
    };
    assert_eq!(decided(two(dropped), &spec(), Step::Mirror).verb, Verb::Advance);
}

#[test]
fn what_is_not_compared_or_changed_is_counted_with_the_metrics_that_reports_do_not_name() {
    let changed = |change: fn(&mut Comparison), allow: Allow| {
        let found = move || {
            let mut found = good();
            change(&mut found);
            found
        };
        let asked = Spec { policy: Policy { allow, ..spec().policy }, ..spec() };
        criterion(&decided(two(found), &asked, Step::Mirror), "changed")
    };
    let only =
        |metric: &str| Allow { changed: Allowed::Metrics([metric.to_owned()].into()), ..Allow::default() };
    let held = |found: &mut Comparison| {
        found.changed.held = vec![NamedCount { metric: "a".into(), executable: String::new(), series: 15 }];
        found.changed.held_series = 17;
    };
    let not_compared = "Not compared are those of 34 series, of which a stage holds points back (a, and others that reports have no \
                        room to name).";
    let open = changed(held, only("a"));
    assert_eq!(open.answer, Answer::NotMeasured, "the policy does not allow those that are not named");
    assert!(open.finding.sentence.starts_with(not_compared), "{open:?}");
    assert!(
        changed(held, Allow { changed: Allowed::All, ..Allow::default() })
            .finding
            .sentence
            .ends_with(not_compared)
    );

    let other = |found: &mut Comparison| {
        found.changed.not_compared =
            vec![NamedCount { metric: "a".into(), executable: String::new(), series: 3 }];
        found.changed.not_compared_series = 4;
    };
    let open = changed(other, only("a"));
    assert!(
        open.answer == Answer::NotMeasured
            && open.finding.sentence.ends_with("To accept it: \"allow\": [\"changed\"].")
    );

    let values = |found: &mut Comparison| {
        found.changed.points = 171;
        found.changed.by_metric =
            vec![ChangedMetric { metric: "a".into(), points: 135, ..ChangedMetric::default() }];
    };
    let sentence = changed(values, Allow::default()).finding.sentence;
    let said = "The candidate changes the values of 270 points: a, and 72 points of metrics that reports have no room to name. To \
                accept it: \"allow\": [\"changed\"].";
    assert_eq!(sentence, said);
    let sentence = changed(values, only("a")).finding.sentence;
    assert!(
        sentence.ends_with("have no room to name. To accept it: \"allow\": [\"changed\"]."),
        "{sentence}"
    );
}

#[test]
fn what_one_host_lost_for_a_time_is_not_said_to_be_lost_on_some_hosts() {
    let group = |name: &str, figures: [f64; 2], shown: [u64; 2]| LensError {
        shown,
        instants: 6,
        ..LensError::of(name.into(), figures[0], figures[1])
    };
    let horizon = |named: LensError, unnamed: u64| {
        let mut found = good();
        let lens = &mut found.lenses[0];
        lens.total = LensError::of(String::new(), 100.0, 100.0);
        (lens.worst, lens.largest) = (vec![named], Vec::new());
        lens.unnamed = Unnamed { groups: unnamed, ..Unnamed::default() };
        found
    };
    let said = |hosts: u8| {
        let lost = horizon(group("sshd", [40.0, 0.0], [6, 0]), 0);
        let kept = horizon(group("java", [60.0, 60.0], [6, 6]), 1);
        let agents = (1..=hosts).map(|at| agent(at, &[lost.clone(), kept.clone()])).collect();
        criterion(&decided(agents, &spec(), Step::Mirror), "lens").finding.sentence
    };
    assert!(said(1).contains("Lost in some horizons: sshd (1 group)."), "{}", said(1));
    assert!(said(2).contains("Lost on some hosts: sshd (1 group)."), "{}", said(2));
}
