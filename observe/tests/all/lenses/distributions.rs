//! Histograms and summaries enter a lens by the number of their observations or by their sum.

use observe::{Lens, LensFunction, LensReport, LensValue, Measured, Settings};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    ResourceMetrics, ScopeMetrics, Summary, SummaryDataPoint, metric::Data,
};
use pipelines::Batch;
use prost::Message as _;

use super::{Kind, Panel, SECOND, START, attribute, figures, nanos};

const CUMULATIVE: i32 = 2;
const DELTA: i32 = 1;

/// A point with so many observations and this sum at a second, of a series that began at second 1.
type Observed = (u64, u64, Option<f64>);

fn histogram(temporality: i32, (second, count, sum): Observed) -> Data {
    let start = if temporality == DELTA { second - 1 } else { 1 };
    let point = HistogramDataPoint {
        attributes: vec![attribute("team", "a")],
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(second),
        count,
        sum,
        ..HistogramDataPoint::default()
    };
    Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: temporality })
}

fn exponential(temporality: i32, (second, count, sum): Observed) -> Data {
    let point = ExponentialHistogramDataPoint {
        attributes: vec![attribute("team", "a")],
        start_time_unix_nano: nanos(1),
        time_unix_nano: nanos(second),
        count,
        sum,
        ..ExponentialHistogramDataPoint::default()
    };
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: temporality,
    })
}

fn summary(_: i32, (second, count, sum): Observed) -> Data {
    let point = SummaryDataPoint {
        attributes: vec![attribute("team", "a")],
        start_time_unix_nano: nanos(1),
        time_unix_nano: nanos(second),
        count,
        sum: sum.unwrap_or(0.0),
        ..SummaryDataPoint::default()
    };
    Data::Summary(Summary { data_points: vec![point] })
}

fn batch(data: Data) -> Batch {
    let metric = Metric { name: "memory".to_owned(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

/// Lenses of the count, the sum and its rate, after both variants put these out, the candidate only the last of them.
fn lenses(kind: fn(i32, Observed) -> Data, temporality: i32, observed: &[Observed]) -> [LensReport; 3] {
    let lens = |function, value| Lens { value, ..Lens::new("l", "memory", "team", function) };
    [
        lens(LensFunction::Sum, LensValue::Count),
        lens(LensFunction::Sum, LensValue::Sum),
        lens(LensFunction::Rate, LensValue::Sum),
    ]
    .map(|lens| {
        let mut panel = Panel::with(Kind::Gauge, Settings { lenses: vec![lens], ..Settings::default() });
        for (at, one) in observed.iter().enumerate() {
            let input = batch(kind(temporality, *one));
            let variants = if at + 1 == observed.len() { 2 } else { 1 };
            panel.put_out(one.0, &input, variants);
        }
        panel.roll(60);
        panel.lens()
    })
}

#[test]
fn a_distribution_rises_by_its_count_or_by_its_sum_whatever_its_kind() {
    let observed = [(2, 10, Some(1.5)), (12, 30, Some(2.5)), (22, 35, Some(7.0))];
    for kind in [histogram, exponential, summary] {
        let [count, sum, rate] = lenses(kind, CUMULATIVE, &observed);
        assert_eq!(figures(&count.total), (35.0, 35.0), "it began while watching: {count:?}");
        assert_eq!(figures(&sum.total), (7.0, 7.0), "{sum:?}");
        assert_eq!(figures(&rate.total), (7.0 / rate.seconds, 7.0 / rate.seconds), "{rate:?}");
        assert!(count.increases && count.measured == Measured::Measured);
    }
    let [count, sum, _] = lenses(histogram, DELTA, &observed);
    assert_eq!((figures(&count.total), figures(&sum.total)), ((75.0, 35.0), (11.0, 7.0)), "deltas add up");
}

#[test]
fn a_histogram_without_a_sum_is_no_number_to_a_lens_of_sums_alone() {
    let observed = [(2, 10, None), (12, 30, None)];
    let [count, sum, _] = lenses(histogram, CUMULATIVE, &observed);
    assert_eq!((figures(&count.total), count.no_value), ((30.0, 30.0), [0, 0]));
    assert_eq!(sum.no_value, [2, 1], "{sum:?}");
    let [_, sum, _] = lenses(summary, CUMULATIVE, &observed);
    assert_eq!(sum.no_value, [0, 0], "a summary's sum of nothing is 0 on the wire");
}

impl Panel {
    /// Puts a batch out by so many variants in a second.
    fn put_out(&mut self, second: u64, input: &Batch, variants: usize) {
        let now = START + second * SECOND;
        self.windows.extend(self.observer.roll(now));
        self.observer.input(input, now);
        for variant in observe::Variant::BOTH.into_iter().take(variants) {
            self.observer.output(variant, input, input, input.encoded_len() as u64);
        }
    }
}
