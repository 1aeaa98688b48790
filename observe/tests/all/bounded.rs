//! Whatever comes in, what a lens keeps is bounded and its figures are numbers; past the bound it says so.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::ops::Range;
use std::sync::Arc;

use observe::offline::Offline;
use observe::{Comparison, Lens, LensError, LensFunction, LensReport, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use pipelines::Batch;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
/// Groups that a lens keeps apart.
const KEPT: u64 = 1_024;

/// A gauge with a point for each value, each of an owner of its own.
fn gauge(values: &[f64], first_owner: usize) -> Batch {
    gauge_at(START + SECOND, values, first_owner)
}

fn gauge_at(time: u64, values: &[f64], first_owner: usize) -> Batch {
    let point = |(place, value): (usize, &f64)| NumberDataPoint {
        attributes: vec![KeyValue {
            key: "owner".to_owned(),
            value: Some(AnyValue {
                value: Some(any_value::Value::StringValue(format!("owner-{}", first_owner + place))),
            }),
            ..KeyValue::default()
        }],
        time_unix_nano: time,
        value: Some(Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    };
    let data = Data::Gauge(Gauge { data_points: values.iter().enumerate().map(point).collect() });
    let metric = Metric { name: "memory".to_owned(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

fn settings() -> Settings {
    let lens = Lens::new("memory by owner", "memory", "owner", LensFunction::Sum);
    Settings { lenses: vec![lens], ..Settings::default() }
}

/// Summary of batches that both variants leave as they are, in two windows.
fn watched(batches: &[&Batch]) -> Comparison {
    let settings = Arc::new(settings());
    let mut observer = Observer::new(settings.clone(), START);
    for batch in batches {
        observer.input(batch, START + SECOND);
        for variant in Variant::BOTH {
            observer.output(variant, batch, batch, batch.encoded_len() as u64);
        }
    }
    let mut both = observer.cut(START + 2 * SECOND);
    both.merge(&observer.cut(START + 3 * SECOND));
    Comparison::of(&both, &settings)
}

/// Report of two captures.
fn compared(baseline: &[&Batch], candidate: &[&Batch]) -> Comparison {
    let mut offline = Offline::new(settings());
    for (variant, batches) in Variant::BOTH.into_iter().zip([baseline, candidate]) {
        batches.iter().for_each(|batch| offline.add(variant, batch));
    }
    offline.report().comparison
}

fn lens(comparison: &Comparison) -> &LensReport {
    comparison.lenses.first().expect("one lens was asked for")
}

#[test]
fn groups_past_the_bound_are_counted_together_and_it_is_said() {
    let most = gauge(&vec![1.0; 1_024], 0);
    for found in [watched(&[&most]), compared(&[&most], &[&most])] {
        assert_eq!((lens(&found).groups, lens(&found).truncated), (KEPT, false));
    }
    let values: Vec<f64> = (0..100_000).map(f64::from).collect();
    let more = gauge(&values, 1_024);
    for found in [watched(&[&most, &more]), compared(&[&most, &more], &[&most, &more])] {
        let lens = lens(&found);
        let counted = (lens.groups, lens.groups_that_differ, lens.truncated, lens.bucketed);
        assert_eq!(counted, (KEPT + 256, 0, false, true), "the names past the bound share buckets");
        assert_eq!(lens.total.baseline, 1_024.0 + values.iter().sum::<f64>(), "the total is whole");
        assert_eq!(found.input_series.value, 101_024);
    }

    let half = gauge(&values[..50_000], 1_024);
    let found = compared(&[&most, &more], &[&most, &half]);
    let lens = lens(&found);
    let [all, kept] = [&values[..], &values[..50_000]].map(|values| values.iter().sum::<f64>());
    assert_eq!(lens.groups_that_differ, 256, "each bucket is judged like a group");
    assert!(lens.worst.len() == 8 && lens.worst.iter().all(|group| group.group.starts_with("(bucket ")));
    let named: f64 = lens.worst.iter().map(LensError::difference).sum();
    assert_eq!(named + lens.unnamed.difference, all - kept, "what is not named is added up");
}

#[test]
fn what_is_no_number_enters_no_figure_of_a_lens() {
    let sound = gauge(&[3.0, 4.0], 0);
    let broken = gauge(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY], 2);
    let all = [&sound, &broken];
    for found in [watched(&all), compared(&all, &all)] {
        let lens = lens(&found);
        assert_eq!((lens.total.baseline, lens.total.candidate, lens.groups_that_differ), (7.0, 7.0, 0));
        let mut described = found.distributions.iter().flat_map(|of| of.quantiles.as_flattened());
        assert!(described.all(|value| value.is_finite()), "{:?}", found.distributions);
    }
}

#[test]
fn what_was_forgotten_after_twenty_minutes_leaves_what_stays_right() {
    let settings = Arc::new(settings());
    let mut observer = Observer::new(settings.clone(), START);
    let mut show = |batch: &Batch, now: u64| {
        let closed = observer.roll(now);
        observer.input(batch, now);
        for variant in Variant::BOTH {
            observer.output(variant, batch, batch, batch.encoded_len() as u64);
        }
        closed
    };
    let values: Vec<f64> = (0..132_000).map(f64::from).collect();
    let of = |range: Range<usize>, now: u64| gauge_at(now, &values[range.clone()], range.start);
    // All together are more than are told apart.
    let later = START + 21 * 60 * SECOND;
    let next = later + settings.window_nanos;
    let last = next + settings.window_nanos;
    let stays = |now| of(40_000..70_000, now);
    let mut windows: Vec<Summary> = Vec::new();
    windows.extend(show(&of(0..70_000, START + SECOND), START + SECOND));
    windows.extend(show(&stays(later), later));
    windows.extend(show(&stays(next), next));
    windows.extend(show(&of(75_000..85_000, next), next));
    windows.extend(show(&stays(last), last));
    windows.extend(show(&of(70_000..132_000, last), last));
    windows.push(observer.cut(later + 3 * settings.window_nanos));
    let figures = |summary: &Summary| {
        let found = Comparison::of(summary, &settings);
        assert!(found.exact && found.differs_by_nothing(), "{:?}", found.fates);
        assert_eq!(found.candidate.collisions.value, 0);
        let totals = [lens(&found).total.baseline, lens(&found).total.candidate];
        (found.input_series.value, found.baseline.series.value, totals)
    };
    let expected = |parts: &[Range<usize>]| {
        let series = parts.iter().map(ExactSizeIterator::len).sum::<usize>() as u64;
        let sum = parts.iter().flat_map(|part| &values[part.clone()]).sum::<f64>();
        (series, series, [sum; 2])
    };
    let (some, most) = ([40_000..70_000, 75_000..85_000], [40_000..70_000, 70_000..132_000]);
    let begun = [0..40_000, 40_000..70_000];
    let shown: Vec<_> = windows.iter().map(figures).collect();
    assert_eq!(shown, [expected(&begun), expected(&some[..1]), expected(&some), expected(&most)]);
    let active = windows.iter().map(|window| Comparison::of(window, &settings).baseline.active_series);
    assert_eq!(active.collect::<Vec<_>>(), [70_000, 30_000, 40_000, 92_000]);
    let mut merged = windows[2].clone();
    merged.merge(&windows[1]);
    let (series, shown, totals) = expected(&some);
    let first = expected(&some[..1]).2[0];
    let mean = [(first + totals[0]) / 2.0; 2];
    assert_eq!(figures(&merged), (series, shown, mean), "a mean over both instants");
}
