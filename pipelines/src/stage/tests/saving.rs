//! Saved state: a pipeline that goes on with it sends what the one before would have sent.

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint,
    exponential_histogram_data_point::Buckets,
};

use super::*;

const SECOND: u64 = 1_000_000_000;
/// Configs of every processor that has a state, and the names by which a pipeline runs them.
const CONFIGS: [(&str, &str); 7] = [
    ("  cumulativetodelta: {}", "cumulativetodelta"),
    ("  cumulativetodelta: {max_staleness: 1h}", "cumulativetodelta"),
    ("  rollup: {}", "rollup"),
    ("  topk: {k: 2, by: [cpu, memory], stay: 30s}", "topk"),
    ("  topk: {k: 1, by: [cpu], other: true, stay: 0s}\n  cumulativetodelta: {}", "topk, cumulativetodelta"),
    (
        "  adaptive: {measure: series, window: 10s, levels: [{name: all, keep: 1, up_to: 8}, {name: half, keep: 0.5}]}",
        "adaptive",
    ),
    ("  priority: {classes: [{name: busy, above: {memory: 12}}], default: idle, stay: 25s}", "priority"),
];

/// A histogram and an exponential one that have counted so many.
fn histograms(time: u64, count: u64) -> [Metric; 2] {
    let explicit = HistogramDataPoint {
        time_unix_nano: time,
        count: 2 * count,
        sum: Some(count as f64),
        bucket_counts: vec![count, count],
        explicit_bounds: vec![1.0],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: time,
        count,
        sum: Some(count as f64),
        positive: Some(Buckets { offset: 3, bucket_counts: vec![count] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let explicit = Histogram { data_points: vec![explicit], aggregation_temporality: 2 };
    let exponential = ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 2 };
    let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    [metric("h", Data::Histogram(explicit)), metric("e", Data::ExponentialHistogram(exponential))]
}

/// A scrape of five processes, of which one starts anew and one comes late.
fn scrape(second: u64) -> Vec<ResourceMetrics> {
    let time = second * SECOND;
    let present = (1..=5_u64).filter(|pid| *pid < 5 || second > 35);
    let one = |pid: u64| {
        let start = if pid == 4 && second > 25 { 25 * SECOND } else { pid };
        let counted = pid * second % 97 + second * pid * pid;
        let mut metrics = vec![
            sum("cpu", true, (start, time, counted as i64)),
            sum("memory", false, (0, time, (pid * second % 13) as i64)),
        ];
        metrics.extend(histograms(time, counted));
        process(if pid.is_multiple_of(2) { "even" } else { "odd" }, pid as u32, metrics)
    };
    present.map(one).collect()
}

fn bytes(pipeline: &mut Pipeline, second: u64) -> Vec<u8> {
    let mut out = Batch::default();
    pipeline.process(&batch(scrape(second)), second * SECOND, &mut out).unwrap();
    out.encode(Keep::All).bytes.to_vec()
}

#[test]
fn a_pipeline_that_goes_on_with_saved_state_sends_what_the_one_before_would_have() {
    for (config, list) in CONFIGS {
        let mut whole = pipeline(config, list);
        let mut first = pipeline(config, list);
        for second in [10, 20, 30] {
            assert_eq!(bytes(&mut whole, second), bytes(&mut first, second));
        }
        let saved = first.save().expect("it has state");
        let mut next = pipeline(config, list);
        let restored = next.restore(&saved, 31 * SECOND);
        assert_eq!(restored.len(), list.split(", ").count(), "{config}");
        assert_eq!(next.save(), Some(saved), "{config}");
        for second in [40, 50, 60] {
            assert_eq!(bytes(&mut whole, second), bytes(&mut next, second), "{config} at {second}");
        }
        let mut anew = pipeline(config, list);
        let differs = [40, 50, 60].map(|second| bytes(&mut anew, second) != bytes(&mut whole, second));
        assert!(differs.contains(&true), "{config}: without state the scrapes tell nothing");
    }
}

#[test]
fn a_stage_of_another_config_or_id_begins_without_state_and_so_do_stages_that_hold() {
    let mut first = pipeline("  rollup: {}\n  cumulativetodelta: {}", "rollup, cumulativetodelta");
    bytes(&mut first, 10);
    let saved = first.save().expect("it has state");
    let ids = |config, list| {
        let restored = pipeline(config, list).restore(&saved, 0);
        restored.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        ids("  rollup: {}\n  cumulativetodelta: {initial_value: drop}", "rollup, cumulativetodelta"),
        ["rollup"]
    );
    assert_eq!(
        ids("  rollup/2: {}\n  cumulativetodelta: {}", "cumulativetodelta, rollup/2"),
        ["cumulativetodelta"]
    );
    assert_eq!(pipeline("  filter: {}", "filter").save(), None);
    assert_eq!(pipeline("  interval: {}", "interval").save(), None);
}

#[test]
fn any_bytes_are_restored_or_refused() {
    for (config, list) in CONFIGS {
        let mut first = pipeline(config, list);
        bytes(&mut first, 10);
        bytes(&mut first, 20);
        let saved = first.save().expect("it has state");
        for end in 0..saved.len() {
            let mut next = pipeline(config, list);
            next.restore(&saved[..end], SECOND);
            if end.is_multiple_of(16) {
                bytes(&mut next, 30);
            }
        }
        for at in 0..saved.len() {
            let mut damaged = saved.clone();
            damaged[at] ^= 1 << (at % 8);
            let mut next = pipeline(config, list);
            next.restore(&damaged, SECOND);
            if at % 16 < 4 {
                bytes(&mut next, 30);
            }
        }
    }
}

#[test]
fn series_that_were_stale_before_the_start_are_not_gone_on_with() {
    let config = "  cumulativetodelta: {max_staleness: 1m}";
    let mut first = pipeline(config, "cumulativetodelta");
    bytes(&mut first, 10);
    let saved = first.save().expect("it has state");
    let file = |start| {
        let text = format!(
            "processors:\n{config}\nservice: {{pipelines: {{metrics: {{processors: [cumulativetodelta]}}}}}}\n"
        );
        let file = CollectorFile::parse("test.yaml", &text, &|_| None).unwrap();
        let mut next = Pipeline::build(&file.check("metrics").unwrap(), start);
        next.restore(&saved, start);
        next.kept().map(|(_, kept)| kept.series).sum::<u64>()
    };
    assert!(file(60 * SECOND) > 0);
    assert_eq!(file(90 * SECOND), 0);
}
