//! A lens shows what a panel of a dashboard shows: at each instant, with a look-back, by group; on dirty traffic too.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;
use std::time::Duration;

use observe::{
    Comparison, Lens, LensError, LensFunction, LensReport, Measured, Observer, Settings, Summary, Variant,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use proptest::prelude::*;
use prost::Message as _;

mod distributions;
mod grace;
mod horizons;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

/// One point of metric `memory`: second, team, process, value.
#[derive(Clone, Debug)]
struct Point {
    team: Option<&'static str>,
    process: u64,
    start: u64,
    time: u64,
    value: f64,
    flags: u32,
}

fn at(team: &'static str, process: u64, time: u64, value: f64) -> Point {
    Point { team: Some(team), process, start: 0, time, value, flags: 0 }
}

/// Kind of the metric.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Gauge,
    Counter,
    Delta,
    Histogram,
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(second: u64) -> u64 {
    if second == 0 { 0 } else { START + second * SECOND }
}

fn metric(kind: Kind, point: &Point) -> Metric {
    let number = NumberDataPoint {
        attributes: point.team.map(|team| attribute("team", team)).into_iter().collect(),
        start_time_unix_nano: nanos(point.start),
        time_unix_nano: nanos(point.time),
        flags: point.flags,
        value: (point.flags == 0).then_some(Value::AsDouble(point.value)),
        ..NumberDataPoint::default()
    };
    let sum = |temporality| {
        let data_points = vec![number.clone()];
        Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
    };
    let data = match kind {
        Kind::Gauge => Data::Gauge(Gauge { data_points: vec![number] }),
        Kind::Counter => sum(2),
        Kind::Delta => sum(1),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint {
                attributes: number.attributes,
                start_time_unix_nano: number.start_time_unix_nano,
                time_unix_nano: number.time_unix_nano,
                count: point.process * 10,
                sum: Some(point.value),
                ..HistogramDataPoint::default()
            }],
            aggregation_temporality: 2,
        }),
    };
    Metric { name: "memory".to_owned(), data: Some(data), ..Metric::default() }
}

fn batch(kind: Kind, points: &[Point]) -> Batch {
    let of = |point: &Point| ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![attribute("process.pid", &point.process.to_string())],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric(kind, point)], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let request = ExportMetricsServiceRequest { resource_metrics: points.iter().map(of).collect() };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

/// An observer of one lens, to which a test says what each variant puts out in which second.
struct Panel {
    observer: Observer,
    settings: Arc<Settings>,
    kind: Kind,
    windows: Vec<Summary>,
}

impl Panel {
    fn new(kind: Kind, lens: Lens) -> Self {
        Self::with(kind, Settings { lenses: vec![lens], ..Settings::default() })
    }

    fn with(kind: Kind, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self { observer: Observer::new(settings.clone(), START), settings, kind, windows: Vec::new() }
    }

    /// The input is all that either variant puts out, of which each output point knows its own.
    fn at(&mut self, second: u64, baseline: &[Point], candidate: &[Point]) {
        let now = START + second * SECOND;
        self.windows.extend(self.observer.roll(now));
        for (variant, points) in Variant::BOTH.into_iter().zip([baseline, candidate]) {
            let input = batch(self.kind, points);
            self.observer.input(&input, now);
            self.observer.output(variant, &input, &input, input.encoded_len() as u64);
        }
    }

    fn both(&mut self, second: u64, points: &[Point]) {
        self.at(second, points, points);
    }

    /// Closes all windows that have ended by a second.
    fn roll(&mut self, second: u64) {
        self.windows.extend(self.observer.roll(START + second * SECOND));
    }

    fn lens_of(&self, windows: &[&Summary]) -> LensReport {
        let mut all = Summary::default();
        windows.iter().for_each(|window| all.merge(window));
        Comparison::of(&all, &self.settings).lenses.remove(0)
    }

    fn lens(&self) -> LensReport {
        self.lens_of(&self.windows.iter().collect::<Vec<_>>())
    }
}

fn by_team(function: LensFunction) -> Lens {
    Lens { max_error: Some(0.01), ..Lens::new("memory by team", "memory", "team", function) }
}

fn group<'a>(lens: &'a LensReport, name: &str) -> &'a LensError {
    lens.named().find(|group| group.group == name).unwrap_or_else(|| panic!("no {name}: {lens:#?}"))
}

fn figures(group: &LensError) -> (f64, f64) {
    (group.baseline, group.candidate)
}

#[test]
fn a_gauge_is_a_mean_over_instants_and_what_ended_longer_ago_than_the_look_back_is_not_shown() {
    let lens = Lens { lookback: Duration::from_secs(20), ..by_team(LensFunction::Sum) };
    let mut panel = Panel::new(Kind::Gauge, lens);
    panel.both(1, &[at("a", 1, 1, 10.0), at("b", 2, 1, 100.0)]);
    panel.both(11, &[at("a", 1, 11, 30.0)]);
    panel.both(21, &[at("a", 1, 21, 20.0)]);
    (31..=61).step_by(10).for_each(|second| panel.roll(second));
    let lens = panel.lens();
    // At 10, 20 and 30 s its own points; at 40 s the last one is 19 s old; at 50 s it is gone.
    assert_eq!(figures(group(&lens, "a")), (20.0, 20.0));
    assert_eq!(group(&lens, "a").instants, 4);
    assert_eq!((group(&lens, "b").baseline, group(&lens, "b").instants), (100.0, 2));
    assert_eq!(lens.total.baseline, (110.0 + 130.0 + 20.0 + 20.0) / 4.0);
}

#[test]
fn a_point_without_a_recorded_value_ends_its_series_at_once() {
    let mut panel = Panel::new(Kind::Gauge, by_team(LensFunction::Sum));
    panel.both(1, &[at("a", 1, 1, 10.0), at("a", 2, 1, 1.0)]);
    panel.both(11, &[Point { flags: 1, ..at("a", 1, 11, 0.0) }]);
    panel.roll(20);
    panel.both(21, &[at("a", 1, 21, 10.0)]);
    panel.roll(30);
    assert_eq!(figures(&panel.lens().total), ((11.0 + 1.0 + 11.0) / 3.0, (11.0 + 1.0 + 11.0) / 3.0));
}

#[test]
fn points_are_ordered_by_their_own_time_and_what_is_no_number_is_counted() {
    let mut panel = Panel::new(Kind::Gauge, by_team(LensFunction::Sum));
    panel.both(1, &[at("a", 1, 1, 10.0)]);
    panel.both(3, &[at("a", 1, 3, 7.0), at("a", 1, 2, 99.0), at("a", 1, 3, 7.0)]);
    panel.both(4, &[at("a", 1, 4, f64::NAN), at("a", 1, 5, f64::INFINITY)]);
    panel.roll(10);
    let lens = panel.lens();
    assert_eq!(figures(&lens.total), (7.0, 7.0), "late and doubled points change nothing");
    assert_eq!(lens.no_value, [2, 2]);
}

fn counted(start: u64, time: u64, value: f64) -> Point {
    Point { start, ..at("a", 1, time, value) }
}

/// The increase of a series that both variants show.
fn increase(kind: Kind, points: &[Point]) -> f64 {
    let mut panel = Panel::new(kind, by_team(LensFunction::Sum));
    points.iter().for_each(|point| panel.both(point.time.max(1), std::slice::from_ref(point)));
    panel.roll(600);
    let lens = panel.lens();
    assert!(lens.increases && lens.total.relative_error.is_none_or(|error| error == 0.0));
    lens.total.baseline
}

#[test]
fn a_counter_comes_to_its_increase_with_resets_whatever_tells_of_them() {
    let ran_before = Point { start: 0, ..counted(0, 1, 50.0) };
    assert_eq!(increase(Kind::Counter, &[ran_before.clone(), counted(0, 11, 53.0)]), 3.0);
    assert_eq!(
        increase(Kind::Counter, &[counted(1, 2, 5.0), counted(1, 12, 8.0)]),
        8.0,
        "born while watching"
    );
    let fell = [ran_before.clone(), counted(0, 11, 53.0), counted(0, 21, 4.0)];
    assert_eq!(increase(Kind::Counter, &fell), 7.0, "a value that falls is a reset");
    let moved = [ran_before.clone(), counted(20, 21, 60.0)];
    assert_eq!(increase(Kind::Counter, &moved), 60.0, "a start that moves is a reset");
    let dirty = [ran_before, counted(0, 21, 55.0), counted(0, 11, 53.0), counted(0, 21, 55.0)];
    assert_eq!(increase(Kind::Counter, &dirty), 5.0, "late and doubled points add nothing");
}

#[test]
fn deltas_add_up_each_once_and_late_ones_too() {
    let deltas = [counted(1, 2, 5.0), counted(3, 4, 7.0), counted(2, 3, 6.0), counted(3, 4, 7.0)];
    assert_eq!(increase(Kind::Delta, &deltas), 18.0);
    let negative = [counted(1, 2, -5.0), counted(2, 3, 2.0)];
    assert_eq!(increase(Kind::Delta, &negative), -3.0);
}

/// Figures of a gauge's two values under a function.
fn of_two(function: LensFunction, values: [f64; 2]) -> f64 {
    let mut panel = Panel::new(Kind::Gauge, by_team(function));
    panel.both(1, &[at("a", 1, 1, values[0]), at("a", 2, 1, values[1])]);
    panel.roll(10);
    panel.lens().total.baseline
}

#[test]
fn least_and_largest_of_negative_values_are_right() {
    assert_eq!(of_two(LensFunction::Max, [-3.0, -5.0]), -3.0);
    assert_eq!(of_two(LensFunction::Min, [-3.0, -5.0]), -5.0);
    assert_eq!(of_two(LensFunction::Min, [3.0, 5.0]), 3.0);
    assert_eq!(of_two(LensFunction::Avg, [-3.0, -5.0]), -4.0);
    assert_eq!(of_two(LensFunction::Count, [-3.0, -5.0]), 2.0, "two processes");
}

#[test]
fn a_group_that_the_candidate_shows_only_now_and_then_has_gaps_and_is_off_by_them() {
    let lens = Lens { lookback: Duration::from_secs(10), ..by_team(LensFunction::Avg) };
    for function in [LensFunction::Sum, LensFunction::Avg, LensFunction::Max, LensFunction::Min] {
        let mut panel = Panel::new(Kind::Gauge, Lens { function, ..lens.clone() });
        for second in [1, 11, 21, 31] {
            let point = [at("a", 1, second, 8.0)];
            panel.at(second, &point, if second % 20 == 1 { &point } else { &[] });
        }
        panel.roll(40);
        let lens = panel.lens();
        let a = group(&lens, "a");
        assert_eq!((a.gaps, a.instants, a.shown), (2, 4, [4, 2]), "{function:?}");
        assert_eq!((a.relative_error, a.is_lost()), (Some(-0.5), false), "{function:?}");
        assert!(lens.limit.as_ref().expect("a limit").violated);
        let worst = a.worst.expect("an instant");
        assert_eq!((worst.time, worst.figures), (START + 20 * SECOND, [8.0, 0.0]), "the first of equal ones");
    }
}

#[test]
fn a_deleted_attribute_loses_every_group_by_name_though_the_total_stays() {
    let mut panel = Panel::new(Kind::Gauge, by_team(LensFunction::Sum));
    for second in [1, 11] {
        let points = [at("a", 1, second, 30.0), at("b", 2, second, 70.0)];
        let without = points.clone().map(|point| Point { team: None, ..point });
        panel.at(second, &points, &without);
    }
    panel.roll(20);
    let lens = panel.lens();
    assert_eq!(lens.total.relative_error, Some(0.0));
    assert_eq!((lens.groups, lens.groups_lost, lens.groups_new), (3, 2, 1));
    for name in ["a", "b"] {
        assert!(group(&lens, name).is_lost() && group(&lens, name).relative_error == Some(-1.0));
    }
    assert!(group(&lens, "(none)").is_new());
    // An empty label is none to a backend.
    panel.both(11, &[at("", 3, 11, 1.0)]);
    panel.roll(20);
    assert!(panel.lens().named().all(|group| !group.group.is_empty()));
    let limit = lens.limit.expect("a limit");
    assert_eq!((limit.lost, limit.beyond, limit.total_beyond, limit.violated), (2, 3, false, true));
    assert!(lens.measured.is_measured(), "the baseline's series have the attribute");
}

/// One lens on many groups of 1 and a large one, of which the candidate changes some.
fn judged(lens: Lens, change: impl Fn(usize, f64) -> Option<f64>) -> LensReport {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "large"];
    let mut panel = Panel::new(Kind::Gauge, lens);
    let value = |place: usize| if place == 11 { 10_000.0 } else { 1.0 };
    let baseline: Vec<Point> =
        NAMES.iter().enumerate().map(|(place, team)| at(team, place as u64, 1, value(place))).collect();
    let changed =
        |point: &Point| Some(Point { value: change(point.process as usize, point.value)?, ..point.clone() });
    panel.at(1, &baseline, &baseline.iter().filter_map(changed).collect::<Vec<_>>());
    panel.roll(10);
    panel.lens()
}

#[test]
fn a_limit_counts_all_groups_the_small_ones_together_and_the_lost_ones_at_any_share() {
    let limit = |lens: &LensReport| lens.limit.clone().expect("a limit");
    let lens = by_team(LensFunction::Sum);
    let same = limit(&judged(lens.clone(), |_, value| Some(value)));
    assert_eq!((same.judged, same.small, same.violated), (1, 11, false));
    let small = limit(&judged(lens.clone(), |place, value| Some(if place < 5 { 2.0 } else { value })));
    assert_eq!((small.beyond, small.total_beyond), (0, false), "5 of 10,011 are nothing in the total");
    assert_eq!((small.small_difference, small.small_baseline), (5.0, 11.0));
    assert!(small.small_beyond && small.violated);
    let lost = judged(lens.clone(), |place, value| (place != 3).then_some(value));
    assert_eq!((limit(&lost).lost, limit(&lost).small_beyond, limit(&lost).violated), (1, false, true));
    let allowed = Lens { max_groups_lost: Some(1), ..lens.clone() };
    let lost = judged(allowed, |place, value| (place != 3).then_some(value));
    assert_eq!((limit(&lost).lost, limit(&lost).violated), (1, false), "one may go");
    let margin = Lens { absolute_margin: Some(5.0), ..lens };
    let small = judged(margin, |place, value| Some(if place < 5 { 2.0 } else { value }));
    assert!(!limit(&small).violated, "5 are within the absolute margin");
}

#[test]
fn something_where_the_baseline_has_zero_is_beyond_any_share_but_not_an_absolute_margin() {
    let zero = |lens: Lens, candidate: f64| {
        let mut panel = Panel::new(Kind::Gauge, lens);
        panel.at(1, &[at("a", 1, 1, 0.0)], &[at("a", 1, 1, candidate)]);
        panel.roll(10);
        let lens = panel.lens();
        (lens.total.relative_error, lens.limit.expect("a limit").violated)
    };
    let lens = Lens { max_error: Some(10.0), ..by_team(LensFunction::Sum) };
    assert_eq!(zero(lens.clone(), 0.0), (Some(0.0), false));
    assert_eq!(zero(lens.clone(), 1.0), (None, true));
    assert!(!zero(Lens { absolute_margin: Some(2.0), ..lens }, 1.0).1);
}

#[test]
fn a_difference_that_is_rounding_alone_is_none() {
    let mut panel = Panel::new(Kind::Gauge, by_team(LensFunction::Sum));
    let values = [1e15, 0.1, -1e15];
    let points: Vec<Point> =
        values.iter().zip(0..).map(|(value, process)| at("a", process, 1, *value)).collect();
    let mut other = points.clone();
    other[1].value = 0.1 + 1e-3;
    panel.at(1, &points, &other);
    panel.roll(10);
    let lens = panel.lens();
    assert_eq!((lens.groups_that_differ, lens.total.relative_error), (0, Some(0.0)));
}

#[test]
fn what_did_not_enter_says_why_and_what_would_help() {
    let measured = |kind, lens: Lens, point: Point| {
        let mut panel = Panel::new(kind, lens);
        panel.both(1, &[point]);
        panel.roll(10);
        let lens = panel.lens();
        let reason = lens.measured.reason(&lens);
        (lens.measured, reason.unwrap_or_default())
    };
    let (absent, reason) =
        measured(Kind::Gauge, Lens::new("l", "memories", "team", LensFunction::Sum), at("a", 1, 1, 1.0));
    assert_eq!(absent, Measured::MetricAbsent { near: vec!["memory".to_owned()] });
    assert_eq!(reason, "No series entered the lens l: memories did not come in, memory did.");
    let (absent, reason) =
        measured(Kind::Gauge, Lens::new("l", "memory", "owner", LensFunction::Sum), at("a", 1, 1, 1.0));
    let attributes = vec!["process.pid".to_owned(), "team".to_owned()];
    assert_eq!(absent, Measured::AttributeAbsent { attributes });
    assert!(reason.ends_with("nothing has the attribute owner; there are process.pid, team."), "{reason}");
    let (unfit, reason) = measured(Kind::Gauge, by_team(LensFunction::Rate), at("a", 1, 1, 1.0));
    assert_eq!(unfit, Measured::FunctionUnfit { kind: "values".to_owned() });
    assert!(reason.ends_with("rate has no meaning for values such as memory."), "{reason}");
    for function in [LensFunction::Max, LensFunction::Min] {
        let (unfit, _) = measured(Kind::Counter, by_team(function), counted(1, 2, 1.0));
        assert!(matches!(unfit, Measured::FunctionUnfit { .. }));
    }
    assert!(matches!(
        measured(Kind::Histogram, by_team(LensFunction::Max), at("a", 1, 1, 1.0)).0,
        Measured::FunctionUnfit { .. }
    ));
    assert_eq!(
        measured(Kind::Histogram, by_team(LensFunction::Count), at("a", 1, 1, 1.0)).0,
        Measured::Measured
    );
}

#[test]
fn a_metric_that_comes_in_and_is_put_out_by_none_is_not_measured() {
    let mut panel = Panel::new(Kind::Gauge, by_team(LensFunction::Sum));
    let input = batch(Kind::Gauge, &[at("a", 1, 1, 1.0)]);
    panel.observer.input(&input, START + SECOND);
    panel.roll(10);
    assert_eq!(panel.lens().measured, Measured::NotPutOut);
}

#[test]
fn a_lens_that_says_nothing_is_refused_by_the_name_of_its_field() {
    let lens = by_team(LensFunction::Sum);
    let field = |lens: Lens| lens.problem().map(|(field, ..)| field);
    assert_eq!(field(lens.clone()), None);
    assert_eq!(field(Lens { lookback: Duration::ZERO, ..lens.clone() }), Some("lookback"));
    assert_eq!(field(Lens { lookback: Duration::from_secs(7 * 86_400), ..lens.clone() }), Some("lookback"));
    assert_eq!(field(Lens { max_error: Some(f64::NAN), ..lens.clone() }), Some("max_error"));
    assert_eq!(field(Lens { min_group_share: Some(1.5), ..lens.clone() }), Some("min_group_share"));
    let refined = Lens { max_error: None, absolute_margin: Some(1.0), ..lens };
    assert_eq!(field(refined), Some("max_error"));
}

fn dirty() -> impl Strategy<Value = Vec<(u64, usize, u64, f64, u32, bool)>> {
    // Second, team, process, value, flags, and whether the candidate shows it too.
    let point = (1_u64..120, 0_usize..4, 0_u64..5, -9.0_f64..99.0, 0_u32..8, any::<bool>());
    proptest::collection::vec(point, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn windows_merge_in_any_order_and_grouping(
        mut points in dirty(),
        counter in any::<bool>(),
        hold in 0_u64..40,
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        cut in 0_usize..12,
    ) {
        const TEAMS: [&str; 4] = ["a", "b", "c", "d"];
        points.sort_by_key(|(second, ..)| *second);
        let lenses = vec![by_team(if counter { LensFunction::Avg } else { LensFunction::Max })];
        let settings = Settings { lenses, hold_nanos: hold * SECOND, ..Settings::default() };
        let mut panel = Panel::with(if counter { Kind::Counter } else { Kind::Gauge }, settings);
        for (second, team, process, value, flags, shown) in points {
            panel.roll(second);
            let point = [Point { flags: u32::from(flags == 0), ..at(TEAMS[team], process, second, value) }];
            panel.at(second, &point, if shown { &point } else { &[] });
        }
        (1..=12).for_each(|window| panel.roll(window * 10));
        let windows: Vec<&Summary> = panel.windows.iter().collect();
        let straight = panel.lens_of(&windows);
        let shuffled: Vec<&Summary> =
            order.iter().filter_map(|place| windows.get(*place).copied()).collect();
        prop_assert_eq!(&panel.lens_of(&shuffled), &straight);
        let merged = |windows: &[&Summary]| {
            let mut all = Summary::default();
            windows.iter().for_each(|window| all.merge(window));
            all
        };
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        let (left, right) = (merged(left), merged(right));
        prop_assert_eq!(&panel.lens_of(&[&right, &Summary::default(), &left]), &straight);
    }
}
