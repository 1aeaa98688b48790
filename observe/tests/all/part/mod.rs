//! A part of each batch is all that both variants are compared on, because the candidate does not keep up.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use observe::{Comparison, Lens, LensError, LensReport, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use pipelines::processors::Pipeline;
use prost::Message as _;

use super::processors::pipeline;

mod functions;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
const PROCESSES: u64 = 2_000;
/// A stage that changes each point, and drops the quiet ones.
const BUSY: &str = "transform/b: { metric_statements: [ { context: datapoint, statements: \
    ['set(attributes[\"seen\"], \"yes\")'] } ] }";
const LOUD: &str = "filter/l: { metrics: { datapoint: ['attributes[\"quiet\"] == \"yes\"'] } }";
/// One that drops half of the executables.
const HALF: &str = "filter/h: { metrics: { datapoint: \
    ['IsMatch(resource.attributes[\"process.executable.name\"], \"[0-4]$\")'] } }";
const INTERVAL: &str = "interval/i: { interval: 30s, pass_through: { gauge: false } }";

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Process of a fleet, with three gauges; one in a hundred is critical.
fn process(fleet: u64, at: u64, time: u64) -> ResourceMetrics {
    let executable = if at % 100 == 7 { "postgres".to_owned() } else { format!("app-{}", at % 10) };
    let metric = |name: &str| {
        let point = NumberDataPoint {
            attributes: if at.is_multiple_of(3) {
                vec![attribute("quiet", "yes".to_owned())]
            } else {
                Vec::new()
            },
            time_unix_nano: time,
            value: Some(Value::AsInt(at.cast_signed())),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        Metric { name: name.to_owned(), data, ..Metric::default() }
    };
    let attributes = vec![
        attribute("host.name", format!("fleet-{fleet}")),
        attribute("process.pid", at.to_string()),
        attribute("process.executable.name", executable),
    ];
    let metrics = ["process.memory.usage", "process.threads", "m"].map(metric).to_vec();
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

fn settings() -> Arc<Settings> {
    let mut settings = Settings::default();
    settings.critical[0].metrics = vec!["process.memory.usage".to_owned()];
    settings.critical[0].executables = vec!["postgres".to_owned()];
    Arc::new(settings)
}

/// Both variants beside each other, and the observer of both.
struct Beside {
    settings: Arc<Settings>,
    observer: Observer,
    variants: [Pipeline; 2],
    fleet: u64,
    one_in: u32,
}

impl Beside {
    fn new(fleet: u64, baseline: &[&str], candidate: &[&str]) -> Self {
        let variants = [baseline, candidate].map(|stages| pipeline(stages, START));
        let settings = settings();
        Self { observer: Observer::new(Arc::clone(&settings), START), settings, variants, fleet, one_in: 1 }
    }

    /// With these lenses.
    fn looking(self, lenses: Vec<Lens>) -> Self {
        let settings = Arc::new(Settings { lenses, ..(*settings()).clone() });
        Self { observer: Observer::new(Arc::clone(&settings), START), settings, ..self }
    }

    fn sampled(self, one_in: u32) -> Self {
        Self { one_in, ..self }
    }

    /// What is followed of an input, where it is a part.
    fn part(&mut self, input: &Batch) -> Option<Vec<bool>> {
        if self.one_in == 1 {
            self.observer.takes_all();
            return None;
        }
        self.observer.follow_one_in(self.one_in);
        Some(self.observer.takes_part_of(input))
    }

    /// A scrape of all processes, in requests of 200: the baseline runs whole, the candidate gets what is followed.
    fn scrape(&mut self, now: u64) {
        for first in (0..PROCESSES).step_by(200) {
            let all = (first..first + 200).map(|at| process(self.fleet, at, now));
            let request = ExportMetricsServiceRequest { resource_metrics: all.collect() };
            let mut input = Batch::parse(request.encode_to_vec().into()).expect("a request");
            input.identify();
            let mut outputs = [Batch::default(), Batch::default()];
            self.variants[0].process(&input, now, &mut outputs[0]).expect("a baseline that works");
            if let Some(followed) = self.part(&input) {
                input.narrow(&followed);
                outputs[0].narrow(&followed);
            }
            self.variants[1].process(&input, now, &mut outputs[1]).expect("a candidate that works");
            self.observer.input(&input, now);
            for variant in Variant::BOTH {
                let output = &mut outputs[variant.index()];
                output.identify();
                self.observer.output(variant, &input, output, output.encoded_len() as u64);
            }
        }
    }

    /// What both variants have held back.
    fn flush(&mut self, now: u64) {
        for variant in Variant::BOTH {
            for mut flush in self.variants[variant.index()].advance(now) {
                if let Some(followed) = self.part(&flush.input) {
                    flush.input.narrow(&followed);
                    flush.output.narrow(&followed);
                }
                flush.output.identify();
                let bytes = flush.output.encoded_len() as u64;
                self.observer.flushed(variant, &flush.input, &flush.output, bytes);
            }
        }
    }

    fn window(&mut self, at: u64) -> Summary {
        let now = START + (1 + 10 * at) * SECOND;
        self.flush(now);
        self.scrape(now);
        self.observer.cut(now + 9 * SECOND)
    }

    fn compared(mut self) -> Comparison {
        let mut all = self.window(0);
        all.merge(&self.window(1));
        Comparison::of(&all, &self.settings)
    }
}

fn whole(baseline: &[&str], candidate: &[&str], fleet: u64) -> Comparison {
    Beside::new(fleet, baseline, candidate).compared()
}

fn near(value: u64, truth: u64, margin: f64) -> bool {
    (value as f64 / truth as f64 - 1.0).abs() < margin
}

#[test]
fn an_equal_candidate_that_gets_a_part_of_each_batch_differs_by_nothing_and_all_counts_are_of_all() {
    for stages in [&[][..], &[BUSY], &[LOUD, BUSY], &[INTERVAL]] {
        let truth = whole(stages, stages, 1);
        for one_in in [2, 8, 64] {
            let found = Beside::new(1, stages, stages).sampled(one_in).compared();
            assert!(found.differs_by_nothing(), "{stages:?} 1 in {one_in}: {found:?}");
            let sample = found.sample.expect("a sample");
            assert!(sample.overloaded && sample.one_in == one_in, "{sample:?}");
            assert!(!found.exact && !found.input_series.exact && !found.baseline.series.exact);
            assert!(!found.candidate_only_collisions.exact && !found.candidate.collisions.exact);
            assert_eq!(found.input, truth.input, "what came in is counted whole");
            // Entities of one size: the share of those in the sample scatters as a coin's does.
            let margin = 4.0 * (f64::from(one_in) / PROCESSES as f64).sqrt();
            assert!(near(found.input_series.value, truth.input_series.value, margin), "{one_in}");
            if truth.baseline.output.points > 0 {
                assert!(near(found.baseline.series.value, truth.baseline.series.value, 1.5 * margin));
                assert!(near(found.baseline.output.points, truth.baseline.output.points, 1.5 * margin));
                assert!(near(found.candidate.output.bytes, truth.candidate.output.bytes, 1.5 * margin));
            }
            assert_eq!(found.coverage, truth.coverage, "all that is critical is followed");
            assert!(found.lenses.iter().all(|lens| lens.truncated), "no lens is of all");
        }
    }
}

#[test]
fn savings_and_losses_of_a_part_cover_the_true_ones_in_18_of_20_fleets() {
    let once = |fleet: u64, one_in: u32| {
        let summary = Beside::new(fleet, &[], &[HALF]).sampled(one_in).window(0);
        Comparison::of(&summary, &settings())
    };
    let shares: [fn(&Comparison) -> f64; 3] = [
        |found| found.saving.billed_series.expect("a share"),
        |found| found.lost_by_candidate.value as f64 / found.baseline.series.value as f64,
        |found| found.saving.points.expect("a share"),
    ];
    let mut covered = [[0; 3]; 2];
    for fleet in 0..20 {
        let truth = once(fleet, 1);
        for (covered, one_in) in covered.iter_mut().zip([4, 32]) {
            let found = once(fleet, one_in);
            let margin = found.sample.expect("a sample").margin();
            for (covered, share) in covered.iter_mut().zip(shares) {
                *covered += u32::from((share(&found) - share(&truth)).abs() <= margin);
            }
            assert!(!found.lost_by_candidate.exact && found.lost_by_candidate.value > 0);
        }
    }
    // Of 95 % intervals one in twenty misses on average.
    assert!(covered.iter().flatten().all(|covered| *covered >= 18), "{covered:?}");
}

/// A lens's total, and each of its groups, lie in their intervals; what is lost whole in a sample is past a limit for sure.
#[test]
fn lenses_of_a_part_have_intervals_in_which_those_of_all_lie_in_19_of_20_fleets() {
    let once = |fleet: u64, stages: &[&str], one_in: u32| {
        let mut beside = Beside::new(fleet, &[], stages).sampled(one_in);
        let mut all = beside.window(0);
        all.merge(&beside.window(1));
        let found = Comparison::of(&all, &settings());
        found.lenses.into_iter().find(|lens| lens.name == "memory by executable").expect("the lens")
    };
    let (mut covered, mut groups) = (0, [0_u32; 2]);
    for fleet in 0..20 {
        let (truth, found) = (once(fleet, &[HALF], 1), once(fleet, &[HALF], 4));
        assert!(truth.total.sampled.is_none() && truth.total.interval(1).is_none());
        let covers = |of: &LensError, truth: &LensError, figures| {
            let [least, most] = of.interval(figures).expect("an interval");
            (least..=most).contains(&truth.error())
        };
        covered += u32::from(covers(&found.total, &truth.total, 1));
        let [least, most] = found.total.interval(1).expect("an interval");
        assert!(least > -0.8 && most < -0.2, "half are lost, and 500 entities tell it: {least} to {most}");
        for of in found.named() {
            let truth = truth.named().find(|one| one.group == of.group).expect("the group");
            groups[usize::from(covers(of, truth, found.groups))] += 1;
            if of.is_lost() {
                assert_eq!(of.interval(1).map(|interval| interval[0]), Some(-1.0), "{of:?}");
            }
        }
        if fleet > 2 {
            continue;
        }
        let equal = once(fleet, &[], 4);
        assert_eq!(equal.total.interval(1), Some([0.0; 2]));
        assert!(equal.named().all(|group| group.interval(1) == Some([0.0; 2])), "{equal:?}");
        assert_eq!(equal.unnamed.within, (equal.unnamed.groups > 0).then_some([0.0; 2]));
    }
    assert!(covered >= 19 && groups[1] >= 100 && groups[0] * 20 <= groups[1], "{covered} {groups:?}");
}

#[test]
fn a_part_after_all_adds_up_to_figures_of_all_that_are_as_wide_as_the_part_leaves_open() {
    let mut beside = Beside::new(9, &[], &[HALF]);
    let whole = beside.window(0);
    let exact = Comparison::of(&whole, &settings()).lenses[0].clone();
    beside.one_in = 8;
    let part = beside.window(1);
    let alone = Comparison::of(&part, &settings()).lenses[0].clone();
    let (mut one, mut other) = (whole.clone(), part.clone());
    one.merge(&part);
    other.merge(&whole);
    let [one, other] = [one, other].map(|of| Comparison::of(&of, &settings()).lenses[0].clone());
    assert_eq!(one.total.sampled, other.total.sampled);
    let sums = |lens: &LensReport| lens.total.sampled.expect("a sample").sums;
    assert!((sums(&one)[0] - exact.total.sums[0] - sums(&alone)[0]).abs() < 1e-3);
    let width = |lens: &LensReport| lens.total.interval(1).map(|[least, most]| most - least);
    assert!(width(&one) < width(&alone), "{one:?}");
}

#[test]
fn a_critical_process_that_is_hidden_is_found_whether_the_hash_picks_it_or_not() {
    const HIDES: &str = "filter/c: { metrics: { datapoint: \
        ['resource.attributes[\"process.executable.name\"] == \"postgres\"'] } }";
    let found = Beside::new(3, &[], &[HIDES]).sampled(64).compared();
    let coverage = &found.coverage;
    assert_eq!((coverage.critical, coverage.baseline, coverage.candidate), (20, 20, 0), "{coverage:?}");
    assert_eq!(coverage.vanished_count, 20);
}

#[test]
fn collisions_of_a_part_are_never_called_none() {
    const MERGES: &str = "transform/p: { metric_statements: [ { context: resource, statements: [\
        'delete_key(attributes, \"process.pid\")', 'delete_key(attributes, \"process.executable.name\")'] } ] }";
    assert!(whole(&[], &[MERGES], 4).candidate_only_collisions.value > 0);
    let found = Beside::new(4, &[], &[MERGES]).sampled(64).compared();
    assert!(!found.candidate_only_collisions.exact && !found.candidate.collisions.exact);
}

#[test]
fn what_was_seen_whole_and_what_was_seen_in_part_add_up_to_a_sample_of_the_smaller_share() {
    let mut beside = Beside::new(5, &[], &[HALF]);
    let mut all = beside.window(0);
    for (at, one_in) in [(1, 4), (2, 16)] {
        beside.one_in = one_in;
        all.merge(&beside.window(at));
    }
    let found = Comparison::of(&all, &settings());
    let sample = found.sample.expect("a sample");
    assert!(sample.one_in == 16 && sample.overloaded, "{sample:?}");
    assert!((60.0..200.0).contains(&sample.entities), "{sample:?}");
    assert!(near(found.input_series.value, 3 * PROCESSES, 0.4), "{:?}", found.input_series);
    let truth = whole(&[], &[HALF], 5).saving.series.expect("a share");
    let share = found.saving.series.expect("a share");
    assert!((share - truth).abs() < sample.margin(), "{share} and {truth}");
    // Back to all, in an observer of its own: shares never rise within one.
    let whole = Beside::new(5, &[], &[HALF]).compared();
    assert!(whole.sample.is_none() && whole.exact);
}

#[test]
fn the_time_of_a_candidate_that_gets_a_part_is_not_told() {
    let mut beside = Beside::new(6, &[], &[]).sampled(8);
    beside.scrape(START + SECOND);
    for variant in Variant::BOTH {
        beside.observer.spent(variant, 1_000, 100);
    }
    let found = Comparison::of(&beside.observer.cut(START + 9 * SECOND), &settings());
    assert_eq!(found.baseline.nanos_per_point, Some(10.0));
    assert_eq!((found.candidate.nanos_per_point, found.candidate.latency.p99), (None, 0));
}
