//! Lenses of what arrives: totals of metrics that nobody asked a lens for, by owner.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use observe::{Comparison, LensReport, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

/// A gauge, or a counter if its name begins so: its name, the resource's only attribute, its value.
type Series = (String, (&'static str, &'static str), f64);

fn series(metric: &str, owner: (&'static str, &'static str), value: f64) -> Series {
    (metric.to_owned(), owner, value)
}

fn batch(all: &[Series], time: u64) -> Batch {
    let of = |(metric, (key, owner), value): &Series| {
        let value = Some(Value::AsDouble(*value));
        let start = START + SECOND;
        let point = NumberDataPoint { time_unix_nano: time, value, ..Default::default() };
        let data = Some(if metric.starts_with("count.") {
            // It began after watching did.
            let data_points = vec![NumberDataPoint { start_time_unix_nano: start, ..point }];
            Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true })
        } else {
            Data::Gauge(Gauge { data_points: vec![point] })
        });
        let metrics = vec![Metric { name: metric.clone(), data, ..Default::default() }];
        let owner = any_value::Value::StringValue((*owner).to_owned());
        let value = Some(AnyValue { value: Some(owner) });
        let attribute = KeyValue { key: (*key).to_owned(), value, ..Default::default() };
        ResourceMetrics {
            resource: Some(Resource { attributes: vec![attribute], ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
            ..Default::default()
        }
    };
    let request = ExportMetricsServiceRequest { resource_metrics: all.iter().map(of).collect() };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

struct Watched {
    observer: Observer,
    settings: Arc<Settings>,
    window: u64,
    closed: Vec<Summary>,
}

impl Watched {
    fn new() -> Self {
        let settings = Arc::new(Settings { window_nanos: 10 * SECOND, ..Settings::default() });
        let observer = Observer::new(Arc::clone(&settings), START);
        Self { observer, settings, window: 0, closed: Vec::new() }
    }

    /// A window in which all of this comes in twice; the candidate makes the part that `keeps` keeps.
    fn window(&mut self, all: &[Series], keeps: impl Fn(&Series) -> bool) {
        for half in [1, 6] {
            let now = START + (self.window * 10 + half) * SECOND;
            self.closed.extend(self.observer.roll(now));
            let input = batch(all, now);
            self.observer.input(&input, now);
            self.observer.output(Variant::Baseline, &input, &input, 0);
            let kept: Vec<Series> = all.iter().filter(|one| keeps(one)).cloned().collect();
            let dropped = |one: &Series| !kept.contains(one);
            let output = without(&input, all, dropped);
            self.observer.output(Variant::Candidate, &input, &output, 0);
        }
        self.window += 1;
    }

    fn lenses(&mut self) -> Vec<LensReport> {
        self.closed.extend(self.observer.roll(START + (self.window * 10 + 1) * SECOND));
        let mut all = self.closed.clone().into_iter();
        let mut total = all.next().expect("a window");
        all.for_each(|one| total.merge(&one));
        Comparison::of(&total, &self.settings).lenses
    }

    fn arrivals(&mut self) -> Vec<LensReport> {
        self.lenses().into_iter().filter(|lens| lens.group_by == observe::OWNER).collect()
    }
}

/// The input without what a candidate drops, by a real filter.
fn without(input: &Batch, all: &[Series], dropped: impl Fn(&Series) -> bool) -> Batch {
    let conditions: Vec<String> = all
        .iter()
        .filter(|one| dropped(one))
        .map(|(metric, (key, owner), _)| {
            format!("'metric.name == \"{metric}\" and resource.attributes[\"{key}\"] == \"{owner}\"'")
        })
        .collect();
    let mut output = Batch::default();
    if conditions.is_empty() {
        return input.clone();
    }
    let text = format!(
        "processors: {{ filter: {{ metrics: {{ datapoint: [{}] }} }} }}\n\
         service: {{ pipelines: {{ metrics: {{ processors: [filter] }} }} }}\n",
        conditions.join(", ")
    );
    let file = pipelines::config::CollectorFile::parse("f.yaml", &text, &|_| None).expect("YAML");
    let plan = file.check("metrics").expect("checks");
    let mut pipeline = pipelines::processors::Pipeline::build(&plan, START);
    pipeline.process(input, START, &mut output).expect("runs");
    output.identify();
    output
}

#[test]
fn every_other_metric_gets_a_total_by_its_owner_and_tells_what_the_candidate_drops() {
    let all = [
        series("queue.length", ("service.name", "cart"), 3.0),
        series("queue.length", ("k8s.namespace.name", "payments"), 5.0),
        series("queue.length", ("host.name", "web-1"), 7.0),
        series("queue.length", ("rack", "9"), 1.0),
        series("process.threads", ("process.executable.name", "java"), 4.0),
        series("process.memory.virtual", ("host.name", "web-1"), 9.0),
    ];
    let mut watched = Watched::new();
    for _ in 0..3 {
        watched.window(&all, |(_, owner, _)| owner.1 != "payments");
    }
    let arrivals = watched.arrivals();
    let names: Vec<&str> = arrivals.iter().map(|lens| lens.name.as_str()).collect();
    assert_eq!(
        names,
        ["process.memory.virtual by owner", "queue.length by owner"],
        "of processes those that the process set does not look at"
    );
    let lens = &arrivals[1];
    assert!(lens.measured.is_measured() && lens.limit.is_none(), "{lens:#?}");
    assert_eq!((lens.groups, lens.groups_lost), (4, 1));
    assert_eq!((lens.total.baseline, lens.total.candidate), (16.0, 11.0));
    assert_eq!(lens.worst[0].group, "namespace payments");
    // The one that stands for all of them is none itself, and the process set is there as before.
    let all = watched.lenses();
    assert!(all.iter().all(|lens| lens.metric != observe::EVERY));
    assert!(all.iter().any(|lens| lens.name == "threads by executable" && lens.measured.is_measured()));
}

#[test]
fn where_requests_are_all_there_will_be_the_first_one_gets_lenses_at_once() {
    let all =
        [series("queue.depth", ("service.name", "cart"), 7.0), series("jobs", ("service.name", "cart"), 3.0)];
    for (at_once, lenses) in [(false, 0), (true, 2)] {
        let mut watched = Watched::new();
        if at_once {
            watched.observer = watched.observer.watching_at_once();
        }
        watched.window(&all, |(metric, ..)| metric == "jobs");
        watched.closed.push(watched.observer.cut(START + 8 * SECOND));
        let arrivals = watched.arrivals();
        assert_eq!(arrivals.len(), lenses, "{arrivals:?}");
        for lens in arrivals {
            assert!(lens.measured.is_measured(), "{lens:?}");
            assert_eq!(lens.groups_lost, u64::from(lens.metric == "queue.depth"), "{lens:?}");
        }
    }
}

#[test]
fn the_fifty_metrics_with_most_series_are_taken_and_stay() {
    let owners = [("service.name", "a"), ("service.name", "b"), ("service.name", "c")];
    let many = |at: usize| owners.map(|owner| series(&format!("many.{at:02}"), owner, 1.0));
    let mut all: Vec<Series> = (0..60).map(|at| series(&format!("few.{at:02}"), owners[0], 1.0)).collect();
    all.extend((0..45).flat_map(many));
    let mut watched = Watched::new();
    for _ in 0..4 {
        watched.window(&all, |_| true);
    }
    all.push(series("late", owners[0], 1.0));
    watched.window(&all, |_| true);
    let names: Vec<String> = watched.arrivals().into_iter().map(|lens| lens.metric).collect();
    assert_eq!(names.len(), 50);
    assert_eq!(names.iter().filter(|name| name.starts_with("many")).count(), 45);
    assert!(names.contains(&"few.04".to_owned()) && !names.contains(&"few.05".to_owned()), "{names:?}");
}

#[test]
fn the_set_is_closed_once_units_are_moved_and_not_before_anything_came_in() {
    let queue = series("queue.length", ("service.name", "cart"), 3.0);
    let late = series("late", ("service.name", "cart"), 3.0);
    for settles in [false, true] {
        let mut watched = Watched::new();
        if settles {
            watched.observer.settle_lenses();
        }
        for _ in 0..3 {
            watched.window(std::slice::from_ref(&queue), |_| true);
        }
        for _ in 0..3 {
            watched.window(&[queue.clone(), late.clone()], |_| true);
        }
        let found: Vec<String> = watched.arrivals().into_iter().map(|lens| lens.metric).collect();
        assert_eq!(found, if settles { vec!["queue.length"] } else { vec!["late", "queue.length"] });
    }
}

#[test]
fn lenses_that_observers_chose_apart_merge_in_any_order() {
    let observed = |metric: &str| {
        let mut watched = Watched::new();
        for _ in 0..3 {
            watched.window(&[series(metric, ("service.name", "cart"), 2.0)], |_| true);
        }
        watched.lenses();
        let mut all = watched.closed.into_iter();
        let mut total = all.next().expect("a window");
        all.for_each(|one| total.merge(&one));
        total
    };
    let [one, other] = ["one", "other"].map(observed);
    let settings = Settings::default();
    let (mut ab, mut ba) = (one.clone(), other.clone());
    ab.merge(&other);
    ba.merge(&one);
    let read = |summary: &Summary| Comparison::of(summary, &settings).lenses;
    assert_eq!(read(&ab), read(&ba));
    let names: Vec<String> = read(&ab).into_iter().map(|lens| lens.metric).collect();
    assert!(names.contains(&"one".to_owned()) && names.contains(&"other".to_owned()), "{names:?}");
}

#[test]
fn metrics_of_processes_outside_the_process_set_have_a_total_that_tells_what_is_dropped() {
    let all = ["process.memory.virtual", "process.paging.faults", "process.disk.operations"]
        .map(|metric| series(metric, ("host.name", "web-1"), 4.0));
    let mut watched = Watched::new();
    for _ in 0..3 {
        watched.window(&all, |(metric, ..)| metric != "process.paging.faults");
    }
    let lost = watched.arrivals().into_iter().map(|lens| (lens.metric, lens.groups_lost));
    let expected =
        [("process.disk.operations", 0), ("process.memory.virtual", 0), ("process.paging.faults", 1)];
    assert_eq!(lost.collect::<Vec<_>>(), expected.map(|(metric, lost)| (metric.to_owned(), lost)));
}

#[test]
fn metrics_past_the_fifty_and_those_that_come_too_late_are_counted_and_named() {
    let owner = ("service.name", "cart");
    let of = |from: usize, to: usize| (from..to).map(move |at| series(&format!("app.{at:02}"), owner, 1.0));
    let unwatched = |watched: &mut Watched| {
        watched.lenses();
        let mut all = watched.closed.clone().into_iter();
        let mut total = all.next().expect("a window");
        all.for_each(|one| total.merge(&one));
        Comparison::of(&total, &watched.settings).unwatched
    };
    let mut watched = Watched::new();
    let some: Vec<Series> = of(0, 45).collect();
    for _ in 0..3 {
        watched.window(&some, |_| true);
    }
    assert_eq!(unwatched(&mut watched), observe::UnwatchedMetrics::default(), "all of them have a lens");
    let more: Vec<Series> = of(0, 75).collect();
    for _ in 0..2 {
        watched.window(&more, |_| true);
    }
    let told = unwatched(&mut watched);
    let names: Vec<String> = (50..70).map(|at| format!("app.{at:02}")).collect();
    assert_eq!((told.count, told.at_least, told.names), (25, false, names));
    // Whoever names lenses alone has asked for no other.
    let settings = Settings { lenses: vec![], window_nanos: 10 * SECOND, ..Settings::default() };
    let settings = Arc::new(settings);
    let observer = Observer::new(Arc::clone(&settings), START);
    let mut alone = Watched { observer, settings, window: 0, closed: Vec::new() };
    alone.window(&some, |_| true);
    assert_eq!(unwatched(&mut alone), observe::UnwatchedMetrics::default());
}

#[test]
fn a_counter_comes_to_what_rose_since_its_lens_was_there_and_not_to_what_had_risen_before() {
    let owner = ("service.name", "cart");
    let mut watched = Watched::new();
    for (window, value) in [100.0, 200.0, 350.0, 420.0].into_iter().enumerate() {
        let mut all = vec![series("count.jobs", owner, value)];
        // One that comes up under the lens counts from its start.
        all.extend((window == 3).then(|| series("count.jobs", ("service.name", "new"), 40.0)));
        watched.window(&all, |_| true);
    }
    let total = &watched.arrivals()[0].total;
    assert_eq!((total.baseline, total.candidate), (110.0, 110.0));
}
