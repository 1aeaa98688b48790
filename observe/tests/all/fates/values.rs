//! Changed values: points of one ancestor in both variants, and whether they differ.

use super::*;

/// Series of memory, of which each process has one, aggregated by a function.
fn memory_by(function: &str) -> String {
    format!(
        "metricstransform/{function}: {{ transforms: [ {{ include: memory, action: update, operations: [ {{ action: \
         aggregate_labels, label_set: [], aggregation_type: {function} }} ] }} ] }}"
    )
}

#[test]
fn an_aggregate_of_one_point_is_compared_with_that_point() {
    let by_process = memory_by("sum");
    let sum = by_process.as_str();
    assert_eq!(compared(&[], &[sum]).changed, observe::ValueChanges::default());
    assert_eq!(compared(&[sum], &[]).changed, observe::ValueChanges::default());
    for (baseline, candidate) in [(&[][..], &[sum, SCALE][..]), (&[sum], &[SCALE]), (&[sum], &[sum, SCALE])] {
        let found = compared(baseline, candidate);
        let [row] = found.changed.by_metric.as_slice() else { panic!("{:?}", found.changed) };
        assert_eq!((row.metric.as_str(), row.points, row.series), ("memory", 9, 3), "{baseline:?}");
    }
}

#[test]
fn an_aggregate_of_the_same_points_is_compared_in_both_variants() {
    let zero = "transform/zero: { metric_statements: [ { context: datapoint, statements: [ 'set(value_double, 0.0) where metric.name == \"cpu\"' ] } ] }";
    assert_eq!(compared(&[STATES], &[STATES]).changed, observe::ValueChanges::default());
    let found = compared(&[STATES], &[STATES, zero]);
    let [row] = found.changed.by_metric.as_slice() else { panic!("{:?}", found.changed) };
    assert_eq!((row.metric.as_str(), row.series), ("cpu", 3), "{row:?}");
}

#[test]
fn changed_values_are_counted_whatever_the_identity() {
    for candidate in [&[SCALE][..], &[SCALE, STRIP]] {
        let found = compared(&[], candidate);
        let [row] = found.changed.by_metric.as_slice() else { panic!("{:?}", found.changed) };
        assert_eq!((row.metric.as_str(), row.points, row.series), ("memory", 9, 3));
        assert!(row.fields.value && !row.fields.time && !row.fields.flags, "{row:?}");
        assert_eq!((row.largest_absolute, row.largest_relative), (3e6 * 999.0, Some(999.0)));
        assert!(row.sample.is_some() && !found.differs_by_nothing());
        assert_eq!((found.changed.points, found.changed.series), (9, 3));
    }
}

#[test]
fn values_that_the_baseline_changes_too_are_compared_with_the_baselines() {
    assert_eq!(compared(&[SCALE], &[]).changed.points, 9);
    let half = SCALE.replace("1000.0", "500.0").replace("scale", "half");
    let found = compared(&[SCALE], &[&half]);
    assert_eq!(found.changed.by_metric[0].largest_relative, Some(0.5));
}

#[test]
fn every_field_of_every_type_is_compared() {
    let cases = [
        ("set(count, 9) where metric.name == \"wait\"", "wait", "value"),
        ("set(bucket_counts, [2, 1]) where metric.name == \"wait\"", "wait", "distribution"),
        ("set(sum, 9.0) where metric.name == \"size\"", "size", "value"),
        ("set(zero_count, 1) where metric.name == \"size\"", "size", "distribution"),
        ("set(sum, 9.0) where metric.name == \"delay\"", "delay", "value"),
        ("set(flags, 1) where metric.name == \"io\"", "io", "flags"),
        ("set(time_unix_nano, 5) where metric.name == \"io\"", "io", "time"),
        ("set(start_time_unix_nano, 5) where metric.name == \"io\"", "io", "start"),
        ("set(value_double, 0.0) where metric.name == \"odd\"", "odd", "value"),
    ];
    for (statement, metric, field) in cases {
        let set = format!(
            "transform/set: {{ metric_statements: [ {{ context: datapoint, statements: [ '{statement}' ] }} ] }}"
        );
        let found = compared(&[], &[&set]);
        let [row] = found.changed.by_metric.as_slice() else { panic!("{statement}: {:?}", found.changed) };
        let fields = [
            ("value", row.fields.value),
            ("distribution", row.fields.distribution),
            ("flags", row.fields.flags),
            ("time", row.fields.time),
            ("start", row.fields.start),
        ];
        let differ: Vec<&str> =
            fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        assert_eq!((row.metric.as_str(), differ.as_slice()), (metric, &[field][..]), "{statement}");
        assert!(row.largest_absolute.is_finite(), "{statement}");
        assert_eq!(found.fates.as_it_is, SERIES);
    }
}

#[test]
fn touched_points_of_the_same_value_are_not_changed() {
    let add = "attributes/add: { actions: [ { key: zone, value: b, action: insert } ] }";
    let found = compared(&[], &[add]);
    assert_eq!(
        (found.fates.renamed, found.fates.parts.attributes, found.changed.points),
        (SERIES, SERIES, 0)
    );
}

#[test]
fn where_the_type_or_the_unit_changes_values_are_not_compared_and_it_is_said() {
    let unit = "transform/unit: { metric_statements: [ { context: metric, statements: [ 'set(unit, \"kBy\") where name == \"memory\"' ] } ] }";
    let found = compared(&[], &[unit, SCALE]);
    assert_eq!((found.fates.parts.unit, found.changed.points), (3, 0));
    let [row] = found.changed.not_compared.as_slice() else { panic!("{:?}", found.changed) };
    assert_eq!((row.metric.as_str(), row.series), ("memory", 3));
    let delta = "cumulativetodelta: { include: { metrics: [cpu], match_type: strict } }";
    let found = compared(&[], &[delta]);
    assert_eq!((found.fates.parts.kind, found.fates.renamed), (6, 6), "{:?}", found.fates);
    assert_eq!(found.changed.not_compared[0].metric, "cpu");
}
