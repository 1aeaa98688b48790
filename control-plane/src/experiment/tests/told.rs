//! Sentences of lenses without a limit and of fates, and the attributes that lenses group by.

use observe::{LensError, SeriesFates};

use super::answers::{decided, two};
use super::*;
use crate::experiment::Effect;

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
