//! Captures compared without an agent: by the definitions of an experiment, as far as captures tell.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use observe::Variant;
use observe::offline::{Answer, Check, Offline, OfflinePolicy, OfflineReport};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
const CUMULATIVE: i32 = 2;
const DELTA: i32 = 1;

fn attribute(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn number(second: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: START - 100 * SECOND,
        time_unix_nano: START + second * SECOND,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}

fn gauge(name: &str, second: u64, value: f64) -> Metric {
    metric(name, Data::Gauge(Gauge { data_points: vec![number(second, value)] }))
}

fn counter(second: u64, value: f64, aggregation_temporality: i32) -> Metric {
    let data_points = vec![number(second, value)];
    metric("process.cpu.time", Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
}

fn histogram(second: u64, counts: [u64; 2]) -> Metric {
    let point = HistogramDataPoint {
        time_unix_nano: START + second * SECOND,
        count: counts.iter().sum(),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![1.0],
        ..HistogramDataPoint::default()
    };
    let data = Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    metric("latency", Data::Histogram(data))
}

/// A request of what processes say, each named by its executable; the number of the process is its pid.
fn request(processes: &[(&str, Vec<Metric>)]) -> Batch {
    let of = |(pid, (executable, metrics)): (usize, &(&str, Vec<Metric>))| {
        let mut attributes =
            vec![attribute("host.name", "web-1"), attribute("process.pid", &pid.to_string())];
        if !executable.is_empty() {
            attributes.push(attribute("process.executable.name", executable));
        }
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: metrics.clone(), ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }
    };
    let request =
        ExportMetricsServiceRequest { resource_metrics: processes.iter().enumerate().map(of).collect() };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

fn policy(text: &str) -> OfflinePolicy {
    OfflinePolicy::parse("policy.yaml", text, &|_| None).expect("a policy")
}

fn compared(policy: &OfflinePolicy, captures: [&[Batch]; 2]) -> (OfflineReport, Vec<Check>) {
    let mut offline = Offline::new(policy.settings());
    for (variant, requests) in Variant::BOTH.into_iter().zip(captures) {
        requests.iter().for_each(|request| offline.add(variant, request));
    }
    let report = offline.report();
    let checks = policy.check(&report);
    (report, checks)
}

fn answer<'a>(checks: &'a [Check], rule: &str) -> &'a Check {
    checks.iter().find(|check| check.rule == rule).unwrap_or_else(|| panic!("no {rule} in {checks:#?}"))
}

/// Scrapes with all that is awkward: a repeated request, no number, infinities, a histogram, two points of one time.
fn awkward() -> Vec<Batch> {
    let scrape = |second: u64| {
        let twice = Gauge { data_points: vec![number(second, 1.0), number(second, 2.0)] };
        request(&[
            (
                "java",
                vec![gauge("process.memory.usage", second, 5.0), counter(second, second as f64, CUMULATIVE)],
            ),
            ("nginx", vec![gauge("process.memory.usage", second, f64::NAN), histogram(second, [second, 3])]),
            ("", vec![gauge("up", second, f64::INFINITY), metric("twice", Data::Gauge(twice))]),
        ])
    };
    vec![scrape(1), scrape(11), scrape(11), scrape(1), scrape(21)]
}

#[test]
fn a_capture_compared_with_itself_is_identical_whatever_it_holds() {
    let policy = policy("max_lens_error: 0.0\nmax_series_lost: 0\nmax_values_changed: 0\n");
    let captured = awkward();
    let (report, checks) = compared(&policy, [&captured, &captured]);
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    assert_eq!((report.values.changed, report.values.without_partner, report.values.not_compared), (0, 0, 0));
    assert!(report.values.compared > 10, "{:?}", report.values);
    assert_eq!(report.comparison.fates.as_it_is, report.comparison.fates.of.value);
    let collisions = report.comparison.baseline.collisions.value;
    assert_eq!(collisions, 1, "two values of one time collide, a repeated request does not");
    assert_eq!(report.comparison.candidate_only_collisions.value, 0);
    // The same content, the repeated requests left out: the same but for points and bytes.
    let once: Vec<Batch> = awkward()
        .into_iter()
        .enumerate()
        .filter(|(at, _)| ![2, 3].contains(at))
        .map(|(_, one)| one)
        .collect();
    let (report, checks) = compared(&policy, [&captured, &once]);
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    assert_eq!(report.values.changed, 0);
}

#[test]
fn a_candidate_without_a_point_does_not_pass_whatever_it_saves() {
    let captured = awkward();
    let (report, checks) = compared(&policy("min_cardinality_reduction: 50%\n"), [&captured, &[]]);
    assert_eq!(report.comparison.saving.points, Some(1.0));
    assert_eq!(answer(&checks, "min_cardinality_reduction").answer, Answer::Met);
    let zero = answer(&checks, "zero_output");
    assert_eq!((zero.answer, zero.passed), (Answer::Violated, false), "{zero:?}");
    let (_, checks) = compared(&policy(""), [&captured, &captured]);
    assert_eq!(answer(&checks, "zero_output").answer, Answer::Met);
}

#[test]
fn a_counter_weighs_by_its_increase_within_the_capture() {
    let policy = policy("max_lens_error: 5%\n");
    let scrape = |second: u64, with_old: bool| {
        let young = ("young", vec![counter(second, 100.0 * second as f64, CUMULATIVE)]);
        let old = ("old", vec![counter(second, 1e9 + second as f64, CUMULATIVE)]);
        if with_old { request(&[young, old]) } else { request(&[young]) }
    };
    let captures = [true, false].map(|with_old| vec![scrape(0, with_old), scrape(10, with_old)]);
    let (report, checks) = compared(&policy, [&captures[0], &captures[1]]);
    let lenses = &report.comparison.lenses;
    let cpu = lenses.iter().find(|lens| lens.name == "cpu by executable").expect("a default lens");
    assert_eq!((cpu.total.baseline, cpu.total.candidate), (1_010.0, 1_000.0));
    let check = answer(&checks, "max_lens_error: cpu by executable");
    assert_eq!(
        check.answer,
        Answer::Violated,
        "the total is within the limit, and a group is lost: {check:?}"
    );
    assert!(check.sentence.contains("Lost: old"), "{check:?}");
}

#[test]
fn cumulative_and_delta_are_compared_as_increases() {
    let baseline: Vec<Batch> =
        [0, 10, 20].map(|at| request(&[("java", vec![counter(at, 5.0 * at as f64, CUMULATIVE)])])).into();
    let deltas = |last: f64| -> Vec<Batch> {
        [(10, 50.0), (20, last)]
            .map(|(at, value)| request(&[("java", vec![counter(at, value, DELTA)])]))
            .into()
    };
    let policy = policy("allow: [renamed]\n");
    let (report, checks) = compared(&policy, [&baseline, &deltas(50.0)]);
    assert_eq!((report.values.compared_as_increases, report.values.changed), (1, 0), "{:?}", report.values);
    assert_eq!(answer(&checks, "changed").answer, Answer::Met);
    let (report, checks) = compared(&policy, [&baseline, &deltas(49.0)]);
    assert_eq!((report.values.samples[0].baseline, report.values.samples[0].candidate), (100.0, 99.0));
    assert_eq!(answer(&checks, "changed").answer, Answer::Violated);
}

#[test]
fn without_a_policy_changed_values_and_an_attribute_that_lenses_group_by_do_not_pass() {
    let capture = |executable: &str, value: f64| {
        vec![request(&[(executable, vec![gauge("process.memory.usage", 1, value)])])]
    };
    let default = OfflinePolicy::default();
    let (_, checks) = compared(&default, [&capture("java", 5.0), &capture("java", 0.0)]);
    let check = answer(&checks, "changed");
    assert!(check.answer == Answer::Violated && check.sentence.contains("allow: [changed]"), "{check:?}");
    let (_, checks) = compared(&default, [&capture("java", 5.0), &capture("", 5.0)]);
    let check = answer(&checks, "attributes_used");
    assert!(
        check.answer == Answer::Violated && check.sentence.contains("process.executable.name of memory"),
        "{check:?}"
    );
    let allowed = policy("allow: [renamed, changed]\n");
    let (_, checks) = compared(&allowed, [&capture("java", 5.0), &capture("", 0.0)]);
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
}

#[test]
fn what_was_asked_for_and_nothing_tells_is_not_measured_and_does_not_pass() {
    let capture = vec![request(&[("java", vec![gauge("up", 1, 1.0)])])];
    let asked = policy(
        "max_lens_error: 1%\ncritical_process_coverage: 1.0\n\
         lenses: [{ name: m, metric: process.memory.usage, group_by: host.name }]\n",
    );
    let (_, checks) = compared(&asked, [&capture, &capture]);
    let lens = answer(&checks, "max_lens_error: m");
    assert!(lens.answer == Answer::NotMeasured && !lens.passed, "{lens:?}");
    assert!(lens.sentence.contains("process.memory.usage did not come in"), "{lens:?}");
    assert_eq!(answer(&checks, "critical_process_coverage").answer, Answer::NotMeasured);
    let memory = |bytes: f64| vec![request(&[("java", vec![gauge("process.memory.usage", 1, bytes)])])];
    let (_, checks) = compared(&asked, [&memory(0.0), &memory(5.0)]);
    let lens = answer(&checks, "max_lens_error: m");
    assert!(lens.answer == Answer::Violated && lens.sentence.starts_with("m has a total where"), "{lens:?}");
    let (_, checks) = compared(&policy("max_lens_error: 1%\n"), [&capture, &capture]);
    assert!(checks.iter().all(|check| check.passed), "nobody asked for the default lenses: {checks:#?}");
}

#[test]
fn a_metric_that_no_lens_was_asked_for_has_a_total_by_its_owner() {
    let scrape = |queued: f64| [request(&[("java", vec![gauge("queue.length", 1, queued)])])];
    let (report, checks) = compared(&policy("max_lens_error: 0.0\n"), [&scrape(8.0), &scrape(6.0)]);
    let lens = report.comparison.lenses.iter().find(|lens| lens.name == "queue.length by owner");
    let lens = lens.expect("a lens");
    assert_eq!((lens.total.baseline, lens.total.candidate), (8.0, 6.0));
    assert_eq!(lens.worst[0].group, "host web-1");
    assert!(lens.limit.is_none(), "it describes");
    let judged = checks.iter().filter(|check| check.sentence.contains("queue.length"));
    assert!(judged.into_iter().all(|check| check.rule == "changed" || check.passed), "{checks:#?}");
}

#[test]
fn metrics_past_the_fifty_totals_of_a_capture_are_counted_and_named() {
    let metrics = (0..53).map(|at| gauge(&format!("app.{at:02}"), 1, 2.0)).collect();
    let capture = [request(&[("java", metrics)])];
    let (report, _) = compared(&policy("max_lens_error: 0.0\n"), [&capture, &capture]);
    let unwatched = &report.comparison.unwatched;
    assert_eq!((unwatched.count, unwatched.at_least), (3, false));
    assert_eq!(unwatched.names, ["app.50", "app.51", "app.52"]);
}

/// Twelve scrapes of one process, ten seconds apart, but for those that are left out.
fn scrapes(executable: &str, names: &[&str], there: impl Fn(u64) -> bool) -> Vec<Batch> {
    let seconds = (0..12).map(|at| at * 10).filter(|second| there(*second));
    let metrics = |second| names.iter().map(|name| gauge(name, second, 5.0)).collect();
    seconds.map(|second| request(&[(executable, metrics(second))])).collect()
}

#[test]
fn other_values_of_what_people_group_by_and_more_of_anything_do_not_pass_unless_they_are_allowed() {
    let memory = "process.memory.usage";
    let today = scrapes("java", &[memory], |_| true);
    let hashed = scrapes("9f86d081", &[memory], |_| true);
    let twice = scrapes("java", &[memory, "process.memory.virtual"], |_| true);
    let none = OfflinePolicy::default();
    let (_, same) = compared(&none, [&today, &today]);
    let no_other = "No attribute went that a lens groups by, and none has other values.";
    assert_eq!(answer(&same, "attributes_used").sentence, no_other);
    assert_eq!(answer(&same, "more").answer, Answer::Met);

    let (_, checks) = compared(&none, [&today, &hashed]);
    let used = answer(&checks, "attributes_used");
    let said = "gives other values to what people group by: process.executable.name of memory by executable";
    assert!(used.answer == Answer::Violated && used.sentence.contains(said), "{used:?}");
    let (_, checks) = compared(&policy("allow: [renamed]"), [&today, &hashed]);
    assert!(!checks.iter().any(|check| check.rule == "attributes_used"), "{checks:#?}");

    let (_, checks) = compared(&none, [&today, &twice]);
    let more = answer(&checks, "more");
    let said = "The candidate has more billed series (2 where the baseline has 1), points (24 where the baseline has 12)";
    assert!(more.answer == Answer::Violated && more.sentence.starts_with(said), "{more:?}");
    let (_, checks) = compared(&policy("allow: [renamed, more]"), [&today, &twice]);
    assert!(!checks.iter().any(|check| check.rule == "more"), "{checks:#?}");
}

#[test]
fn series_that_come_for_a_part_of_the_time_are_told_and_those_that_come_seldom_are_not() {
    let today = scrapes("java", &["process.memory.usage"], |_| true);
    let interrupted = |there: fn(u64) -> bool| {
        let candidate = scrapes("java", &["process.memory.usage"], there);
        let (report, _) = compared(&OfflinePolicy::default(), [&today, &candidate]);
        let fates = report.comparison.fates;
        assert_eq!((fates.as_it_is, fates.lost), (1, 0));
        (fates.interrupted.as_it_is, fates.interrupted.metrics)
    };
    let told = (1, vec!["process.memory.usage".to_owned()]);
    assert_eq!(interrupted(|second| !(30..80).contains(&second)), told);
    assert_eq!(interrupted(|_| true), (0, Vec::new()));
    // As an interval of 30 s sends them; and once, which tells nothing of how often.
    assert_eq!(interrupted(|second| second % 30 == 0), (0, Vec::new()));
    assert_eq!(interrupted(|second| second == 50), (0, Vec::new()));
}

/// Scrapes of a service that is no process: two series of one metric, with other values, an hour off by `shift` seconds.
fn of_service(name: &str, unit: &str, resource: &[(&str, &str)], shift: i64) -> Vec<Batch> {
    let scrape = |second: u64| {
        let point = |route: &str, value: f64| {
            let time_unix_nano = (START + second * SECOND).saturating_add_signed(shift * SECOND as i64);
            let attributes = vec![attribute("route", route)];
            NumberDataPoint { attributes, time_unix_nano, ..number(second, value) }
        };
        let data_points = vec![point("/a", second as f64), point("/b", 2.0 * second as f64)];
        let made = Metric { unit: unit.to_owned(), ..metric(name, Data::Gauge(Gauge { data_points })) };
        let attributes = resource.iter().map(|(key, value)| attribute(key, value)).collect();
        let resource = ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![made], ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
        batch.identify();
        batch
    };
    [1, 11, 21].map(scrape).into()
}

const SHOP: [(&str, &str); 2] = [("service.name", "shop"), ("service.instance.id", "1")];

#[test]
fn another_name_or_unit_of_what_is_no_process_is_renamed_and_does_not_pass() {
    let today = of_service("app.queue", "1", &SHOP, 0);
    let none = OfflinePolicy::default();
    for candidate in [of_service("app.length", "1", &SHOP, 0), of_service("app.queue", "By", &SHOP, 0)] {
        let (report, checks) = compared(&none, [&today, &candidate]);
        let fates = &report.comparison.fates;
        assert_eq!((fates.renamed, fates.lost, report.only_in_candidate.value), (2, 0, 0), "{fates:?}");
        let check = answer(&checks, "renamed");
        assert!(check.answer == Answer::Violated && check.sentence.contains("app.queue"), "{check:?}");
    }
    // With fewer attributes of its resource it is still what it was.
    let (report, checks) =
        compared(&none, [&of_service("app.queue", "1", &[SHOP[0], SHOP[1], ("note", "x")], 0), &today]);
    assert_eq!((report.comparison.fates.fewer_attributes, report.values.compared), (2, 6));
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
}

#[test]
fn a_process_whose_metrics_all_have_other_names_is_renamed_by_its_values() {
    let capture =
        |names: [&str; 2]| vec![request(&[("java", vec![gauge(names[0], 1, 5.0), gauge(names[1], 1, 7.0)])])];
    let (report, checks) = compared(
        &OfflinePolicy::default(),
        [&capture(["process.threads", "io"]), &capture(["threads", "bytes"])],
    );
    assert_eq!((report.comparison.fates.renamed, report.comparison.fates.lost), (2, 0));
    assert_eq!(answer(&checks, "renamed").answer, Answer::Violated);
}

#[test]
fn lost_series_that_may_be_those_of_a_new_metric_are_not_measured() {
    let capture =
        |name: &str, value: f64| vec![request(&[("java", vec![gauge("up", 1, 1.0), gauge(name, 1, value)])])];
    let (report, checks) = compared(&OfflinePolicy::default(), [&capture("a", 5.0), &capture("b", 5000.0)]);
    assert_eq!((report.comparison.fates.lost, report.only_in_candidate.value), (1, 1));
    let check = answer(&checks, "renamed");
    assert!(check.answer == Answer::NotMeasured && !check.passed, "{check:?}");
    assert!(check.sentence.contains("the baseline has not, by name, unit and type (b)"), "{check:?}");
    let (_, checks) = compared(&policy("allow: [renamed]"), [&capture("a", 5.0), &capture("b", 5000.0)]);
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    // Lost, and nothing new: it is no other name.
    let only_up = vec![request(&[("java", vec![gauge("up", 1, 1.0)])])];
    let (_, checks) = compared(&OfflinePolicy::default(), [&capture("a", 5.0), &only_up]);
    assert_eq!(answer(&checks, "renamed").answer, Answer::Met);
}

#[test]
fn values_at_times_that_the_baseline_does_not_have_are_not_compared_and_do_not_pass() {
    let today = of_service("app.queue", "1", &SHOP, 0);
    for shift in [-3600, 1, 10] {
        let (report, checks) =
            compared(&OfflinePolicy::default(), [&today, &of_service("app.queue", "1", &SHOP, shift)]);
        let check = answer(&checks, "changed");
        assert!(report.values.at_other_times > 0 && !check.passed, "{shift}: {check:?}");
    }
    let (report, checks) =
        compared(&OfflinePolicy::default(), [&today, &of_service("app.queue", "1", &SHOP, -3600)]);
    assert_eq!(
        (report.values.compared, report.values.without_partner, report.values.at_other_times),
        (0, 12, 6)
    );
    let check = answer(&checks, "changed");
    assert_eq!(check.answer, Answer::NotMeasured);
    assert!(
        check.sentence.contains("points at times at which the baseline's series have none (6)"),
        "{check:?}"
    );
    // What the candidate leaves out is no other value.
    let (report, checks) = compared(&OfflinePolicy::default(), [&today, &today[1..]]);
    assert_eq!((report.values.without_partner, report.values.at_other_times), (2, 0));
    assert_eq!(answer(&checks, "changed").answer, Answer::Met);
    let (_, checks) =
        compared(&policy("allow: [changed]"), [&today, &of_service("app.queue", "1", &SHOP, -3600)]);
    assert!(!checks.iter().any(|check| check.rule == "changed"), "{checks:#?}");
}
