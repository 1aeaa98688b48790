//! Previews of pipelines that files have, on requests of a host.

use std::time::{Duration, Instant};

use bytes::Bytes;
use observe::Comparison;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;

use super::*;
use crate::admission::Budget;
use crate::app::tests::beside::{experiment, slow};
use crate::app::tests::harness::{config, export, load};
use crate::app::tests::held::candidate_holds;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000;

/// A request of so many processes with a point each, made at a second.
pub fn request(processes: usize, second: u64) -> Bytes {
    let mut request = export(processes, 1);
    let scopes = request.resource_metrics.iter_mut().flat_map(|it| &mut it.scope_metrics);
    for metric in scopes.flat_map(|it| &mut it.metrics) {
        let Some(Data::Gauge(gauge)) = &mut metric.data else { continue };
        gauge.data_points.iter_mut().for_each(|point| point.time_unix_nano = second * SECOND);
    }
    request.encode_to_vec().into()
}

/// Requests of so many processes, an `every` of seconds apart.
fn kept(requests: u64, every: u64, processes: usize) -> KeptRequests {
    let at = |n: u64| START + n * every;
    let request = |n| KeptRequest { at: at(n) * SECOND, message: request(processes, at(n)) };
    KeptRequests { requests: (0..requests).map(request).collect(), too_large: None, limit: 4 << 20 }
}

fn sink() -> std::net::SocketAddr {
    "127.0.0.1:9".parse().expect("an address")
}

/// A baseline that passes everything on, and a candidate with these processors.
fn candidate(processors: &str) -> String {
    let more = format!(
        "processors: {processors}
service:
  pipelines:
    metrics/today: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/next: {{ receivers: [otlp], processors: [it], exporters: [otlp] }}
phoenix:
  experiment: {{ baseline: metrics/today, candidate: metrics/next, unit: process, allow: [held], weight: 0% }}"
    );
    let name = processors.trim_start_matches('{').split(':').next().unwrap_or_default().trim();
    config(sink(), &more.replace("[it]", &format!("[{name}]")))
}

fn job(text: &str) -> PreviewJob {
    let settings = load(text);
    PreviewJob {
        baseline: settings.intent.baseline.expect("a baseline"),
        experiment: settings.intent.experiment.expect("an experiment"),
        limits: CandidateLimits { cpu: 1.0, ..settings.limits },
        agent_uid: "agent".to_owned(),
    }
}

fn run(job: &PreviewJob, kept: KeptRequests) -> (Stretch, Result<Previewed, Early>) {
    run_until(job, kept, &PreviewProgress::default())
}

fn run_until(
    job: &PreviewJob,
    kept: KeptRequests,
    progress: &PreviewProgress,
) -> (Stretch, Result<Previewed, Early>) {
    let (budget, mut stretch) = (Budget::of_process(512 << 20, || None), Stretch::default());
    let beside = budget.beside();
    let outcome = previewed(Run::new(job, job.limits, (&budget, &beside), progress), kept, &mut stretch);
    assert_eq!((budget.used(), beside.used()), (0, 0), "all is given back");
    (stretch, outcome)
}

fn measured(job: &PreviewJob, kept: KeptRequests) -> (Stretch, Comparison) {
    match run(job, kept) {
        (stretch, Ok(Previewed::Measured(comparison))) => (stretch, *comparison),
        (_, other) => panic!("{other:?}"),
    }
}

fn why(outcome: Result<Previewed, Early>) -> String {
    match outcome {
        Err(Early::Ended(Previewed::NotMeasured(why) | Previewed::Failed(why) | Previewed::Busy(why))) => why,
        other => panic!("{other:?}"),
    }
}

const DROPS: &str = "{ filter/drop: { metrics: { datapoint: ['resource.attributes[\"process.executable.name\"] == \"app-0\"'] } } }";

#[test]
fn a_candidate_is_compared_on_all_that_was_kept() {
    let (stretch, comparison) = measured(&job(&candidate(DROPS)), kept(4, 10, 20));
    assert_eq!((stretch.batches, stretch.seconds, stretch.scrapes), (4, 30.0, 4));
    assert_eq!(stretch.bytes, comparison.input.bytes);
    assert_eq!((comparison.input.points, comparison.baseline.output.points), (80, 80));
    assert_eq!((comparison.candidate.output.points, comparison.candidate.series.value), (64, 16));
    assert_eq!(
        (comparison.lost_by_candidate.value, comparison.fates.lost),
        (4, 4),
        "each of which is one fate"
    );
    assert_eq!((comparison.fates.as_it_is, comparison.exact), (16, true));
    assert_eq!(comparison.saving.points, Some(0.2));
    let rules: Vec<u64> = comparison.candidate.rules.iter().map(|rule| rule.dropped).collect();
    assert_eq!(rules, [16], "by the rule that did it");
}

#[test]
fn the_same_pipeline_differs_by_nothing() {
    let mut job = job(&candidate(DROPS));
    job.experiment.candidate = job.baseline.clone();
    let (_, comparison) = measured(&job, kept(4, 10, 20));
    assert!(comparison.differs_by_nothing(), "{comparison:?}");
}

#[test]
fn a_month_costs_what_the_bytes_of_whole_intervals_cost() {
    let mut job = job(&candidate(DROPS));
    let mut settings = (*job.experiment.observation).clone();
    (settings.price.usd_per_1000_active_series, settings.price.usd_per_gigabyte) = (0.0, 1_000.0);
    job.experiment.observation = settings.into();
    let cost = |requests| measured(&job, kept(requests, 10, 20)).1.baseline.monthly_usd;
    let (two, eight) = (cost(2), cost(8));
    assert!((two - eight).abs() < 1e-6 * eight, "{two} of two scrapes, {eight} of eight");
}

#[test]
fn fewer_than_two_scrapes_are_not_measured_and_so_is_nothing_at_all() {
    let job = job(&candidate(DROPS));
    assert!(why(run(&job, kept(1, 10, 20)).1).contains("fewer than two scrapes"));
    assert!(why(run(&job, KeptRequests::default()).1).contains("has kept no request"));
    let too_large = KeptRequests { too_large: Some(9), ..KeptRequests::default() };
    assert!(why(run(&job, too_large).1).contains("the last request has 9 bytes"));
    assert!(why(run(&job, kept(3, 10, 0)).1).contains("no point of any series is in the 3 requests"));
    let (stretch, _) = run(&job, kept(2, 10, 20));
    assert_eq!(stretch.scrapes, 2, "two are enough");
}

#[test]
fn what_a_stage_holds_is_compared_over_whole_intervals_and_not_measured_in_fewer_than_two() {
    let job = job(&candidate_holds(sink(), "0%", "60s"));
    let said = why(run(&job, kept(12, 10, 5)).1);
    assert!(
        said.contains("interval holds points for up to 60 s, so that requests of 120 s are needed"),
        "{said}"
    );
    // Of 179 s two intervals are compared: what came since would have left in the third one.
    for requests in [13, 18] {
        let (stretch, comparison) = measured(&job, kept(requests, 10, 5));
        assert_eq!((stretch.batches, stretch.seconds), (12, 120.0));
        let points = [&comparison.baseline, &comparison.candidate].map(|side| side.output.points);
        assert_eq!(points, [60, 10], "one of six: {requests}");
        assert_eq!((comparison.lost_by_candidate.value, comparison.fates.lost), (0, 0));
    }
}

#[test]
fn a_stage_that_gathers_state_is_not_judged_while_it_does() {
    let mut job = job(&candidate(DROPS));
    let mut settings = (*job.experiment.observation).clone();
    settings.warm_up_scrapes = 1;
    job.experiment.observation = settings.clone().into();
    let said = why(run(&job, kept(2, 10, 5)).1);
    assert!(said.contains("have seen a scrape; 3 scrapes are needed, and this agent has kept 2"), "{said}");
    settings.warm_up_scrapes = 2;
    job.experiment.observation = settings.into();
    let said = why(run(&job, kept(3, 10, 5)).1);
    assert!(said.contains("4 scrapes are needed, and this agent has kept 3"), "{said}");
    let (stretch, comparison) = measured(&job, kept(8, 10, 5));
    assert_eq!(stretch.batches, 8);
    assert!((20..=30).contains(&comparison.input.points), "what came before counts nowhere: {comparison:?}");
}

#[test]
fn a_panic_of_the_candidate_is_told_and_goes_no_further() {
    let mut kept = kept(3, 10, 5);
    let mut poison = export(1, 1);
    poison.resource_metrics[0].scope_metrics[0].metrics[0].name = "poison".to_owned();
    kept.requests[1].message = poison.encode_to_vec().into();
    let job =
        job(&candidate("{ resource/panics: { attributes: [ { action: upsert, key: a, value: b } ] } }"));
    let said = why(run(&job, kept).1);
    assert!(said.contains("the candidate failed on a request: panic: poison"), "{said}");
}

#[test]
fn an_endless_candidate_stops_in_the_midst_of_a_request_once_nobody_waits() {
    let job = job(&slow(sink(), 600, &experiment("0%")));
    let progress = PreviewProgress::default();
    let began = Instant::now();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            progress.abandon();
        });
        run_until(&job, kept(40, 10, 2_000), &progress).1
    });
    assert!(matches!(outcome, Err(Early::Abandoned)), "{outcome:?}");
    // All of it would take minutes.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn more_memory_than_the_candidate_may_have_ends_it() {
    let mut job = job(&candidate(DROPS));
    job.limits.memory = 10_000;
    let said = why(run(&job, kept(3, 10, 200)).1);
    assert!(said.contains("bytes of memory, and 10000 is what"), "{said}");
}
