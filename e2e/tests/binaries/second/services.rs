//! Metrics without processes: of hosts, and of services in all five types.

use e2e::reporter::SECOND;
use e2e::trial::WINDOW;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, Summary, SummaryDataPoint,
};
use recount::point::exemplar;

use super::scrape::{attribute, gauge, metric, number, point, resource, sum, text};

/// What a host sends besides its processes: its own metrics, and those of services on it.
pub fn of_host(host: &str, begin: u64, time: u64, window: u64) -> Vec<ResourceMetrics> {
    match host {
        "alpha" => vec![machine(host, begin, time, window), nothing()],
        "beta" => ["a", "b"].map(|instance| service(instance, begin, time, window)).to_vec(),
        _ => many(begin, time, window),
    }
}

/// More metrics than get a total of their own, of three owners, and one that comes late.
fn many(begin: u64, time: u64, window: u64) -> Vec<ResourceMetrics> {
    let owners = [("service.name", "shop"), ("k8s.namespace.name", "market"), ("rack", "9")];
    let of = |(place, (key, owner)): (usize, (&str, &str))| {
        let metrics = (0..48).filter(|at| at % 3 == place || (at + 1) % 6 == place).map(|at: usize| {
            let (name, value) = (format!("app.{at:02}"), window as f64 * (1.0 + at as f64));
            match at % 2 {
                0 => gauge(&name, "1", vec![double(&[], [0, time], value)]),
                _ => sum(&name, "1", (2, true), vec![double(&[], [begin, time], value)]),
            }
        });
        let late = (window > 6).then(|| gauge("late", "1", vec![double(&[], [0, time], 1.0)]));
        resource(vec![text(key, owner)], metrics.chain(late).collect())
    };
    owners.into_iter().enumerate().map(of).collect()
}

fn double(attributes: &[(&str, &str)], at: [u64; 2], value: f64) -> NumberDataPoint {
    let attributes = attributes.iter().map(|(name, value)| text(name, value)).collect();
    point(attributes, at, Value::AsDouble(value))
}

/// Metrics of a host: disks by device, and temperatures below zero of which some are no number.
fn machine(host: &str, begin: u64, time: u64, window: u64) -> ResourceMetrics {
    let at = [begin - 7_200 * SECOND, time];
    let n = window as f64;
    let disk = |device: &str, direction: &str, rate: f64| {
        double(&[("device", device), ("direction", direction)], at, 1_000.0 + n * rate)
    };
    let temperature = |zone: &str, value: f64| double(&[("zone", zone)], at, value);
    let mut outside = temperature("outside", -20.0 - n);
    if window == 6 {
        // Neither a value nor the flag that says so.
        outside.value = None;
    }
    let odd = point(vec![text("zone", ""), attribute("rack", None)], at, Value::AsDouble(4.5));
    let cold = match window {
        3 => f64::NAN,
        4 => f64::INFINITY,
        5 => f64::NEG_INFINITY,
        _ => -1.5 * n,
    };
    let disks = vec![
        disk("sda", "read", 10.0),
        disk("sda", "write", 20.0),
        disk("sdb", "read", 5.0),
        disk("sdb", "write", 2.5),
    ];
    let metrics = vec![
        sum("system.disk.io", "By", (2, true), disks),
        gauge("temperature", "Cel", vec![outside, temperature("inside", cold), odd]),
    ];
    resource(vec![text("host.name", host), text("os.type", "linux")], metrics)
}

/// A resource whose metrics have no points, or nothing at all.
fn nothing() -> ResourceMetrics {
    let empty = Metric { name: "of.no.type".to_owned(), ..Metric::default() };
    resource(vec![text("host.name", "alpha")], vec![gauge("of.no.points", "1", Vec::new()), empty])
}

/// An instance of a service, in all five types.
fn service(instance: &str, begin: u64, time: u64, window: u64) -> ResourceMetrics {
    let scale = if instance == "a" { 1 } else { 2 };
    let (start, n) = (begin - 60 * SECOND, window + 1);
    let before = time - WINDOW;
    let delta = |code: &str, value: u64| {
        point(vec![text("code", code)], [before, time], Value::AsInt((value * scale) as i64))
    };
    let jobs = point(vec![], [start, time], Value::AsInt((n * 3 * scale) as i64));
    let queue = point(vec![], [0, time], Value::AsDouble(n as f64 * 1.25 * scale as f64));
    let metrics = vec![
        sum("http.requests", "{request}", (1, true), vec![delta("200", 10 + n), delta("500", n % 3)]),
        sum("queue.change", "{job}", (1, false), vec![delta("in", n % 5)]),
        sum("jobs.done", "{job}", (2, true), vec![jobs]),
        gauge("queue.size", "{job}", vec![queue]),
        metric("http.duration", "s", Data::Histogram(histogram([start, time], n * scale))),
        metric("rpc.duration", "s", Data::ExponentialHistogram(exponential([start, time], n * scale))),
        metric("gc.pause", "s", Data::Summary(summary([start, time], n * scale))),
    ];
    let attributes = vec![
        text("service.name", "cart"),
        text("service.instance.id", instance),
        text("host.name", "beta"),
        text("service.version", if window < 6 { "1.0" } else { "1.1" }),
    ];
    resource(attributes, metrics)
}

fn histogram([start, time]: [u64; 2], n: u64) -> Histogram {
    let one = HistogramDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: 6 * n,
        sum: Some(1.5 * n as f64),
        bucket_counts: vec![n, 2 * n, 3 * n],
        explicit_bounds: vec![0.1, 1.0],
        exemplars: vec![exemplar(number())],
        ..HistogramDataPoint::default()
    };
    Histogram { data_points: vec![one], aggregation_temporality: 2 }
}

fn exponential([start, time]: [u64; 2], n: u64) -> ExponentialHistogram {
    let one = ExponentialHistogramDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: 4 * n,
        sum: Some(0.25 * n as f64),
        scale: 3,
        zero_count: n,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![n, 2 * n] }),
        exemplars: vec![exemplar(number())],
        ..ExponentialHistogramDataPoint::default()
    };
    ExponentialHistogram { data_points: vec![one], aggregation_temporality: 2 }
}

fn summary([start, time]: [u64; 2], n: u64) -> Summary {
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let one = SummaryDataPoint {
        start_time_unix_nano: start,
        // Its own, by which it is known again: a summary has no exemplars.
        time_unix_nano: time + number(),
        count: 10 * n,
        sum: 0.75 * n as f64,
        quantile_values: vec![quantile(0.5, 0.01), quantile(0.99, 0.2)],
        ..SummaryDataPoint::default()
    };
    Summary { data_points: vec![one] }
}
