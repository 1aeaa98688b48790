//! Real scrapes, real pipelines, and what the observer says they did.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use crate::processors::pipeline;
use observe::{
    Comparison, Critical, Delivery, DeliveryReport, Evidence, Experiment, Granularity, Lens, LensFunction,
    Measured, Observer, Price, Settings, Summary, Variant,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use pipelines::Batch;
use pipelines::processors::Pipeline;
use proptest::prelude::*;
use prost::Message;
use simulator::profile::{Host, Profile, Role};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

/// An observer between two pipelines.
struct Bench {
    observer: Observer,
    variants: [Pipeline; 2],
    closed: Vec<Summary>,
    settings: Arc<Settings>,
    /// Time of the last batch.
    now: u64,
}

impl Bench {
    fn new(baseline: &[&str], candidate: &[&str]) -> Self {
        Self::with(Settings::default(), baseline, candidate)
    }

    fn with(settings: Settings, baseline: &[&str], candidate: &[&str]) -> Self {
        let settings = Arc::new(settings);
        let observer = Observer::new(settings.clone(), START);
        let variants = [pipeline(baseline, 0), pipeline(candidate, 0)];
        Self { observer, variants, closed: Vec::new(), settings, now: START }
    }

    fn feed(&mut self, request: &ExportMetricsServiceRequest, now: u64) {
        self.now = now;
        self.closed.extend(self.observer.roll(now));
        let mut input = Batch::parse(request.encode_to_vec().into()).expect("a real request");
        input.identify();
        self.observer.input(&input, now);
        for variant in Variant::BOTH {
            let mut output = Batch::default();
            self.variants[variant.index()].process(&input, now, &mut output).expect("a pipeline that works");
            output.identify();
            self.observer.output(variant, &input, &output, output.encoded_len() as u64);
        }
    }

    /// Scrapes a host every ten seconds, `scrapes` times.
    fn run(&mut self, host: &mut Host, scrapes: u64) {
        for scrape in 0..scrapes {
            let now = START + (scrape * 10 + 1) * SECOND;
            host.step(std::time::Duration::from_secs(10));
            self.feed(&host.scrape(now), now);
        }
    }

    fn comparison(mut self) -> Comparison {
        self.closed.push(self.observer.cut(self.now + 9 * SECOND));
        let mut total = Summary::default();
        self.closed.iter().for_each(|window| total.merge(window));
        Comparison::of(&total, &self.settings)
    }
}

fn host(profile: Profile) -> Host {
    Host::new(profile, Role::Web, "web-1", 60, 5)
}

#[test]
fn a_candidate_that_is_the_baseline_differs_by_exactly_nothing() {
    for profile in [Profile::Realistic, Profile::HighCardinality, Profile::HighChurn] {
        let mut bench = Bench::new(&[], &[]);
        bench.run(&mut host(profile), 6);
        let comparison = bench.comparison();
        assert!(comparison.differs_by_nothing(), "{comparison:#?}");
        assert!(comparison.exact && comparison.input.points > 1000);
        assert!(
            comparison.coverage.critical > 0 && comparison.coverage.candidate == comparison.coverage.critical
        );
        // The scraper does not send threads and descriptors unless it is asked to; virtual memory is what else arrives.
        let shown = comparison.lenses.iter().filter(|lens| lens.groups > 0);
        assert_eq!(shown.filter(|lens| lens.total.baseline > 0.0).count(), 8);
    }
}

/// Active series that the candidate saves, where a backend makes labels of these resource attributes.
fn active_saved(promoted: Option<&[&str]>, candidate: &str) -> (u64, u64) {
    let promoted_attributes = promoted.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let price = Price { promoted_attributes, ..Price::default() };
    let mut bench = Bench::with(Settings { price, ..Settings::default() }, &[], &[candidate]);
    bench.run(&mut host(Profile::Realistic), 4);
    let comparison = bench.comparison();
    let (baseline, saving) = (&comparison.baseline, comparison.saving.monthly_usd);
    assert_eq!(saving > 0.0, comparison.candidate.active_series < baseline.active_series);
    (baseline.active_series, baseline.active_series - comparison.candidate.active_series)
}

#[test]
fn a_saving_that_the_backend_would_not_show_is_not_counted() {
    // All processes of an executable become one series, by a roll-up and by dropping the rest.
    let by_executable = "filter/one: { metrics: { datapoint: ['not IsMatch(resource.attributes[\"process.executable.name\"], \"^nginx$\")'] } }";
    let (all, saved) = active_saved(None, by_executable);
    assert!(saved > all / 2, "most processes are no nginx: {saved} of {all}");
    // Where no resource attribute is a label, all processes are one already: only what no nginx has can be saved.
    let (one, saved) = active_saved(Some(&[]), by_executable);
    assert!(one < 20 && saved == 0, "{saved} of {one}");
    let (by_name, saved) = active_saved(Some(&["process.executable.name"]), by_executable);
    assert!(one < by_name && by_name < all && saved > 0, "{saved} of {by_name}");
}

#[test]
fn a_lens_shows_what_its_function_makes_of_a_group() {
    let lens = |function| {
        Lens::new(function_name(function), "process.memory.usage", "process.executable.name", function)
    };
    let lenses: Vec<Lens> = LensFunction::WORDS.iter().map(|(_, function)| lens(*function)).collect();
    let one = "filter/one: { metrics: { datapoint: ['value_int < 1000000000000 and resource.attributes[\"process.pid\"] == 300'] } }";
    let mut bench = Bench::with(Settings { lenses, ..Settings::default() }, &[], &[one]);
    let mut scraped = host(Profile::Realistic);
    bench.run(&mut scraped, 1);
    let request = scraped.scrape(START + SECOND);
    let memory: Vec<f64> = values_of(&request, "process.memory.usage");
    let comparison = bench.comparison();
    let total = |function: LensFunction| {
        let found =
            comparison.lenses.iter().find(|lens| lens.name == function_name(function)).expect("a lens");
        (found.total.baseline, found.members[0])
    };
    let (sum, n): (f64, usize) = (memory.iter().sum(), memory.len());
    assert_eq!(total(LensFunction::Sum), (sum, n as u64));
    assert!((total(LensFunction::Avg).0 - sum / n as f64).abs() < 1.0);
    assert_eq!(total(LensFunction::Max).0, memory.iter().copied().fold(0.0, f64::max));
    assert_eq!(total(LensFunction::Count).0, n as f64, "a process each");
    assert_eq!(total(LensFunction::Min).0, memory.iter().copied().fold(f64::MAX, f64::min));
    let rate = comparison.lenses.iter().find(|lens| lens.function == LensFunction::Rate).expect("a lens");
    assert_eq!(rate.measured, Measured::FunctionUnfit { kind: "values".to_owned() });
}

fn function_name(function: LensFunction) -> String {
    format!("memory, {}", function.name())
}

/// The values of a metric's points.
fn values_of(request: &ExportMetricsServiceRequest, name: &str) -> Vec<f64> {
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    let sums = metrics.filter(|metric| metric.name == name).filter_map(|metric| match &metric.data {
        Some(Data::Sum(sum)) => Some(&sum.data_points),
        Some(Data::Gauge(gauge)) => Some(&gauge.data_points),
        _ => None,
    });
    let points = sums.flatten().filter_map(|point| point.value);
    let number = |value| match value {
        Value::AsInt(number) => number as f64,
        Value::AsDouble(number) => number,
    };
    points.map(number).collect()
}

#[test]
fn the_default_lenses_count_processes_and_do_not_depend_on_how_many_series_each_has() {
    let mut bench =
        Bench::new(&[], &["filter/wait: { metrics: { datapoint: ['attributes[\"state\"] == \"wait\"'] } }"]);
    bench.run(&mut host(Profile::Realistic), 3);
    let comparison = bench.comparison();
    let lens = |name: &str| comparison.lenses.iter().find(|lens| lens.name == name).expect("a default lens");
    let processes = lens("processes by executable");
    assert_eq!((processes.total.relative_error, processes.groups_that_differ), (Some(0.0), 0));
    assert_eq!(processes.total.baseline, processes.members[0] as f64 / 3.0, "three states each");
    assert!(lens("memory by owner").total.baseline > 0.0 && lens("disk I/O by host").groups == 1);
}

#[test]
fn the_values_of_both_are_described_and_of_equals_nothing_lies_apart() {
    let mut equals = Bench::new(&[], &[]);
    equals.run(&mut host(Profile::Realistic), 4);
    for described in equals.comparison().distributions {
        let distances = described.distances.expect("values of both");
        assert_eq!((distances.wasserstein, distances.kolmogorov_smirnov, distances.psi), (0.0, 0.0, 0.0));
        assert!(
            described.count[0] > 100 && described.quantiles[0] == described.quantiles[1],
            "{described:?}"
        );
    }
    let small = "filter/small: { metrics: { datapoint: ['metric.name == \"process.memory.usage\" and value_int < 50000000'] } }";
    let mut differs = Bench::new(&[], &[small]);
    differs.run(&mut host(Profile::Realistic), 4);
    let comparison = differs.comparison();
    let of =
        |metric: &str| comparison.distributions.iter().find(|one| one.metric == metric).expect("described");
    let memory = of("process.memory.usage");
    assert!(memory.count[1] < memory.count[0] && memory.quantiles[1][0] > 45e6, "{memory:?}");
    let distances = memory.distances.expect("values of both");
    assert!(distances.wasserstein > 1e6 && distances.kolmogorov_smirnov > 0.1, "{distances:?}");
    assert!(distances.psi > distances.psi_of_equals, "{distances:?}");
    assert_eq!(of("process.cpu.time").distances.expect("values of both").wasserstein, 0.0);
}

#[test]
fn what_destinations_did_adds_up_over_windows() {
    let mut bench = Bench::new(&[], &[]);
    bench.observer.settled(
        Variant::Candidate,
        &Delivery { confirmed: 7, rejected: 2, wire_bytes: 90, ..Delivery::default() },
    );
    bench.run(&mut host(Profile::Realistic), 3);
    bench.observer.settled(
        Variant::Candidate,
        &Delivery { confirmed: 1, failed: 4, doubtful: 3, ..Delivery::default() },
    );
    let comparison = bench.comparison();
    let delivery = comparison.candidate.delivery;
    assert_eq!((delivery.confirmed, delivery.wire_bytes, delivery.doubtful), (8, 90, 3));
    assert_eq!(delivery.settled_and_lost(), [14, 6]);
    assert_eq!(comparison.baseline.delivery, DeliveryReport::default());
}

#[test]
fn the_account_of_the_rules_adds_up_over_windows() {
    let drop = "filter/disk: { metrics: { datapoint: ['metric.name == \"process.disk.io\"'] } }";
    let mut bench = Bench::new(&[], &[drop]);
    let mut host = Host::new(Profile::Realistic, Role::Batch, "batch-1", 40, 5);
    for scrape in 0..3 {
        let now = START + (scrape * 10 + 1) * SECOND;
        bench.feed(&host.scrape(now), now);
        let account = bench.variants[1].take_rule_stats();
        bench.observer.account(Variant::Candidate, account);
    }
    let comparison = bench.comparison();
    let [rule] = comparison.candidate.rules.as_slice() else { panic!("{:?}", comparison.candidate.rules) };
    assert_eq!(
        (rule.stage.as_str(), rule.rule.as_str()),
        ("filter/disk", "metric.name == \"process.disk.io\"")
    );
    assert_eq!((rule.dropped, rule.series.value, rule.series.exact), (3 * 2 * 40, 2 * 40, true));
    assert!(rule.samples.len() == 10 && rule.samples[0].contains("direction="), "{:?}", rule.samples);
    assert!(comparison.baseline.rules.is_empty());
}

#[test]
fn what_a_filter_drops_is_lost_by_name_and_everything_else_is_kept() {
    let drop = "filter/disk: { metrics: { datapoint: ['metric.name == \"process.disk.io\"'] } }";
    let mut bench = Bench::new(&[], &[drop]);
    bench.run(&mut Host::new(Profile::Realistic, Role::Web, "web-1", 40, 5), 1);
    let comparison = bench.comparison();
    assert_eq!(comparison.lost_by_candidate.value, 2 * 40, "read and write of every process");
    assert!(comparison.lost.iter().all(|row| row.metric == "process.disk.io"));
    assert_eq!(comparison.lost.iter().map(|row| row.series).sum::<u64>(), 80);
    let by_metric = &comparison.fates.by_metric;
    assert_eq!(by_metric.iter().map(|row| (row.lost, row.as_it_is)).collect::<Vec<_>>(), [(80, 0)]);
    assert_eq!(comparison.lost_samples.len(), 10);
    assert_eq!(comparison.input.points - comparison.candidate.output.points, 80);
    for lens in &comparison.lenses {
        let lost = u64::from(lens.metric == "process.disk.io");
        assert_eq!((lens.groups_that_differ, lens.groups_lost), (lost, lost), "{}", lens.name);
    }
    let fates = &comparison.fates;
    assert_eq!((fates.renamed, fates.fewer_attributes, fates.merged, fates.split), (0, 0, 0, 0));
}

#[test]
fn a_stripped_attribute_leaves_series_with_fewer_attributes_and_loses_none() {
    let strip = "resource/strip: { attributes: [ { key: process.command_line, action: delete } ] }";
    let mut bench = Bench::new(&[], &[strip]);
    bench.run(&mut host(Profile::HighCardinality), 2);
    let comparison = bench.comparison();
    assert_eq!(comparison.lost_by_candidate.value, 0);
    let fates = &comparison.fates;
    assert!(fates.fewer_attributes > 0 && fates.renamed == 0, "{fates:?}");
    assert_eq!(fates.as_it_is + fates.fewer_attributes, comparison.input_series.value);
    let [attribute] = fates.by_attribute.as_slice() else { panic!("{fates:?}") };
    assert_eq!(attribute.attribute, "process.command_line");
    assert_eq!((attribute.fewer_attributes, attribute.others), (fates.fewer_attributes, 0));
    assert_eq!(comparison.candidate.collisions.value, 0, "the pid still tells them apart");
    assert!(comparison.saving.bytes.expect("bytes came") > 0.05);
    assert_eq!(comparison.coverage.candidate, comparison.coverage.critical);
}

#[test]
fn deleting_the_pid_without_merging_collides_and_hides_critical_processes_by_name() {
    let mut keys = vec!["process.pid", "process.parent_pid", "process.command_line", "process.command"];
    keys.push("process.executable.path");
    let actions: Vec<String> = keys.iter().map(|key| format!("{{ key: {key}, action: delete }}")).collect();
    let strip = format!("resource/strip: {{ attributes: [ {} ] }}", actions.join(", "));
    let mut bench = Bench::new(&[], &[&strip]);
    bench.run(&mut host(Profile::Realistic), 3);
    let comparison = bench.comparison();
    assert_eq!(comparison.baseline.collisions.value, 0);
    assert!(comparison.candidate.collisions.value > 0);
    let nginx = comparison.collisions.iter().find(|collision| collision.series.contains("nginx"));
    let nginx = nginx.expect("several nginx processes write one series");
    assert_ne!(nginx.writers[0], nginx.writers[1]);
    assert!(nginx.writers.iter().all(|writer| writer.starts_with("nginx (pid ")), "{nginx:?}");
    assert_eq!(comparison.coverage.candidate, 0, "no output names a process any more");
    assert!(comparison.coverage.vanished.iter().any(|one| one.process.contains("nginx") && one.wholly));
    let memory =
        comparison.lenses.iter().find(|lens| lens.name == "memory by executable").expect("a default lens");
    assert!(
        memory.total.relative_error.expect("memory is used") < -0.1,
        "one of several is kept: {memory:?}"
    );
}

#[test]
fn an_executable_that_must_be_named_may_lose_its_pid() {
    let critical = vec![Critical { granularity: Granularity::Executable, ..Critical::default() }];
    let strip = "resource/strip: { attributes: [ { key: process.pid, action: delete } ] }";
    let mut bench = Bench::with(Settings { critical, ..Settings::default() }, &[], &[strip]);
    bench.run(&mut host(Profile::Realistic), 2);
    let coverage = bench.comparison().coverage;
    assert!(coverage.critical > 0);
    assert_eq!(coverage.candidate, coverage.critical);
}

#[test]
fn a_pid_without_its_executable_names_no_critical_process() {
    let strip = "resource/strip: { attributes: [ { key: process.executable.name, action: delete } ] }";
    let mut bench = Bench::new(&[], &[strip]);
    bench.run(&mut host(Profile::Realistic), 2);
    let comparison = bench.comparison();
    assert_eq!(comparison.lost_by_candidate.value, 0, "every series is still there");
    assert!(comparison.coverage.critical > 0);
    assert_eq!(comparison.coverage.candidate, 0);
    assert!(comparison.coverage.vanished.iter().any(|one| one.process.contains("nginx")));
}

#[test]
fn without_a_critical_process_coverage_says_nothing() {
    let critical = vec![Critical { executables: vec!["no-such-thing".into()], ..Critical::default() }];
    let mut bench = Bench::with(Settings { critical, ..Settings::default() }, &[], &[]);
    bench.run(&mut host(Profile::Realistic), 1);
    let coverage = bench.comparison().coverage;
    assert_eq!((coverage.critical, coverage.baseline, coverage.candidate), (0, 0, 0));
}

/// The sums that the lenses must show, taken from the decoded requests by arithmetic of its own.
fn expected(requests: &[ExportMetricsServiceRequest]) -> (f64, f64) {
    let (mut memory, mut cpu) = (std::collections::HashMap::new(), std::collections::HashMap::new());
    // A window closes after each request; nothing ends for longer than the look-back.
    let mut instants = Vec::new();
    for request in requests {
        add(request, &mut memory, &mut cpu);
        instants.push(memory.values().sum::<f64>());
    }
    let mean = instants.iter().sum::<f64>() / instants.len() as f64;
    (mean, cpu.values().map(|(first, last)| last - first).sum())
}

fn add(
    request: &ExportMetricsServiceRequest,
    memory: &mut std::collections::HashMap<String, f64>,
    cpu: &mut std::collections::HashMap<String, (f64, f64)>,
) {
    for resource in &request.resource_metrics {
        let name = format!("{:?}", resource.resource);
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let Some(Data::Sum(sum)) = &metric.data else { continue };
            for point in &sum.data_points {
                match (metric.name.as_str(), &point.value) {
                    ("process.memory.usage", Some(Value::AsInt(bytes))) => {
                        memory.insert(name.clone(), *bytes as f64);
                    }
                    ("process.cpu.time", Some(Value::AsDouble(seconds))) => {
                        let key = format!("{name}{:?}", point.attributes);
                        let born = point.start_time_unix_nano >= START;
                        let first = if born { 0.0 } else { *seconds };
                        let entry = cpu.entry(key).or_insert((first, *seconds));
                        entry.1 = *seconds;
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn lenses_reduce_in_time_first_and_then_across_series() {
    let mut host = host(Profile::HighChurn);
    let mut bench = Bench::new(&[], &[]);
    let mut requests = Vec::new();
    for scrape in 0..5 {
        let now = START + (scrape * 10 + 1) * SECOND;
        host.step(std::time::Duration::from_secs(10));
        requests.push(host.scrape(now));
        bench.feed(&requests[scrape as usize], now);
    }
    let comparison = bench.comparison();
    let (memory, cpu) = expected(&requests);
    let total = |name: &str| {
        let lens = comparison.lenses.iter().find(|lens| lens.name == name).expect("a default lens");
        lens.total.baseline
    };
    let close = |found: f64, expected: f64| (found - expected).abs() <= expected.abs() * 1e-9;
    assert!(close(total("memory by host"), memory), "{} {memory}", total("memory by host"));
    assert!(close(total("memory by executable"), memory));
    assert!(cpu > 0.0 && close(total("cpu by host"), cpu), "{} {cpu}", total("cpu by host"));
}

/// Windows without traffic, one after another.
fn empty_windows(settings: &Arc<Settings>, count: u64) -> Vec<Summary> {
    let mut observer = Observer::new(settings.clone(), START);
    (1..=count).filter_map(|closed| observer.roll(START + closed * settings.window_nanos)).collect()
}

#[test]
fn a_horizon_is_at_least_two_scrapes_and_a_new_generation_begins_anew() {
    let settings = Arc::new(Settings { window_nanos: 5 * SECOND, ..Settings::default() });
    let experiment = |generation, candidate: &str| Experiment {
        name: "local".into(),
        generation,
        candidate: candidate.into(),
        ..Experiment::default()
    };
    let mut evidence = Evidence::new(settings.clone(), experiment(1, "a"));
    let windows = empty_windows(&settings, 4);
    for closed in 1..=3 {
        evidence.add(windows[closed - 1].clone(), Some(10 * SECOND));
        assert!(
            evidence.report().last_horizon.is_none(),
            "{closed} windows of 5 s are less than two scrapes of 10 s"
        );
    }
    evidence.add(windows[3].clone(), Some(10 * SECOND));
    assert_eq!(evidence.report().last_horizon.expect("20 s are two scrapes").windows, 4);
    let same_plans = evidence.clone().succeeded_by(settings.clone(), experiment(2, "a")).report();
    assert_eq!((same_plans.generation.windows, same_plans.experiment_total.windows), (0, 4));
    assert_eq!(same_plans.windows.len(), 4, "earlier windows stay visible");
    let other_plans = evidence.succeeded_by(settings, experiment(2, "b")).report();
    assert_eq!((other_plans.generation.windows, other_plans.experiment_total.windows), (0, 0));
}

#[test]
fn windows_in_the_warm_up_are_shown_and_not_judged() {
    let settings = Arc::new(Settings { warm_up_scrapes: 1, ..Settings::default() });
    let mut evidence = Evidence::new(settings.clone(), Experiment::default());
    for window in empty_windows(&settings, 2) {
        evidence.add(window, Some(10 * SECOND));
    }
    let report = evidence.report();
    assert_eq!(report.windows.iter().map(|row| row.warming_up).collect::<Vec<_>>(), [true, false]);
    assert_eq!(report.generation.windows, 1);
}

/// Windows of a candidate that loses, renames and collides.
fn windows(seed: u64) -> (Vec<Summary>, Arc<Settings>) {
    let strip = "resource/strip: { attributes: [ { key: process.pid, action: delete }, { key: process.command_line, action: delete } ] }";
    let drop = "filter/small: { metrics: { datapoint: ['value_int < 50000000'] } }";
    let mut bench = Bench::new(&[], &[drop, strip]);
    bench.run(&mut Host::new(Profile::HighChurn, Role::Batch, "b", 15, seed), 5);
    (bench.closed, bench.settings)
}

fn merged(parts: &[&Summary]) -> Summary {
    let mut total = Summary::default();
    parts.iter().for_each(|part| total.merge(part));
    total
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn windows_merge_in_any_order_and_grouping(seed in 0_u64..1000, order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let (windows, settings) = windows(seed);
        prop_assert_eq!(windows.len(), 4);
        let read = |summary: &Summary| Comparison::of(summary, &settings);
        let straight = read(&merged(&windows.iter().collect::<Vec<_>>()));
        let shuffled = read(&merged(&order.iter().map(|at| &windows[*at]).collect::<Vec<_>>()));
        prop_assert_eq!(&shuffled, &straight);
        let (left, right) = (merged(&[&windows[0], &windows[1]]), merged(&[&windows[2], &windows[3]]));
        prop_assert_eq!(&read(&merged(&[&left, &right])), &straight);
        prop_assert_eq!(&read(&merged(&[&right, &left, &Summary::default()])), &straight);
        prop_assert!(straight.lost_by_candidate.value > 0);
    }
}
