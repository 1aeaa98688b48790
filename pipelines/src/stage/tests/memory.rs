//! Memory of stages: each tells the bytes that its state takes.

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint,
    exponential_histogram_data_point::Buckets,
};

use super::*;

/// A histogram of a hundred bounds.
fn histogram(name: &str) -> Metric {
    let point = HistogramDataPoint {
        time_unix_nano: 1,
        count: 100,
        explicit_bounds: (0..100).map(f64::from).collect(),
        bucket_counts: vec![1; 101],
        ..HistogramDataPoint::default()
    };
    let data = Histogram { data_points: vec![point], aggregation_temporality: 2 };
    Metric { name: name.to_owned(), data: Some(Data::Histogram(data)), ..Metric::default() }
}

/// An exponential histogram of a hundred buckets on each side.
fn exponential(name: &str) -> Metric {
    let buckets = Some(Buckets { offset: 0, bucket_counts: vec![1; 100] });
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: 1,
        count: 200,
        positive: buckets.clone(),
        negative: buckets,
        ..ExponentialHistogramDataPoint::default()
    };
    let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: 2 };
    Metric { name: name.to_owned(), data: Some(Data::ExponentialHistogram(data)), ..Metric::default() }
}

fn counter(name: &str) -> Metric {
    sum(name, true, (0, 1, 7))
}

#[test]
fn each_stage_tells_the_bytes_that_its_state_takes() {
    const PROCESSES: u32 = 1_000;
    type Of = fn(&str) -> Metric;
    // What it keeps of one process takes so many bytes at least, and so many at most.
    let cases: [(&str, Of, [usize; 2]); 8] = [
        ("interval: {}", counter, [200, 1_500]),
        ("cumulativetodelta: {}", counter, [40, 200]),
        ("cumulativetodelta: {}", histogram, [1_600, 2_400]),
        ("cumulativetodelta: {}", exponential, [1_600, 2_400]),
        ("rollup: {}", counter, [60, 600]),
        ("topk: {k: 5, by: [m]}", counter, [40, 400]),
        ("priority: {classes: [{name: large, above: {m: 1}}], default: low, stay: 60s}", counter, [20, 600]),
        (
            "adaptive: {budget: 300, levels: [{name: full, keep: 1}, {name: half, keep: 0.5}]}",
            counter,
            [20, 200],
        ),
    ];
    for (config, of, [least, most]) in cases {
        let stage = config.split(':').next().unwrap_or_default();
        let mut pipeline = pipeline(&format!("  {config}"), stage);
        let nothing = pipeline.state_bytes();
        assert!(nothing < 1_000, "{config}: {nothing} bytes of nothing");
        let input = batch((0..PROCESSES).map(|pid| process("app", pid, vec![of("m")])).collect());
        pipeline.process(&input, 1, &mut Batch::default()).unwrap();
        let each = pipeline.state_bytes() / PROCESSES as usize;
        assert!((least..=most).contains(&each), "{config}: {each} bytes a process");
    }
}
