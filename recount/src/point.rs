//! Points, each with its series, as they stand in a request.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
    metric::Data, number_data_point::Value,
};

use super::attributes::Attributes;
use super::plan::Figure;
use super::series::{Form, Kind, Scope, Series};

/// OTLP's flag of a point that holds no recorded value.
pub const NO_RECORDED_VALUE: u32 = 1;

/// Measurement of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// No number.
    Nothing,
    /// A whole number.
    Int(i64),
    /// A double.
    Double(f64),
    /// A histogram or a summary.
    Distribution {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Buckets, bounds, quantiles, least and largest value, as they are written for debugging.
        rest: String,
        /// Buckets of a histogram, quantiles of a summary.
        entries: u64,
    },
}

impl Measure {
    /// Number that rises where a series is a counter, or a distribution of which this figure is looked at.
    #[must_use]
    pub fn rising(&self, of: Figure) -> Option<f64> {
        match (self, of) {
            (Self::Distribution { count, .. }, Figure::Count) => Some(*count as f64),
            (Self::Distribution { sum, .. }, Figure::Sum) => Some(*sum),
            _ => self.number(),
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            Self::Nothing | Self::Distribution { .. } => None,
        }
    }
}

/// One data point.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its series.
    pub series: Arc<Series>,
    /// Its time, Unix nanoseconds.
    pub time: u64,
    /// Its start time.
    pub start: u64,
    /// Flags.
    pub flags: u32,
    /// Measurement.
    pub measure: Measure,
    /// Number by which it is known again; nothing where no exemplar tells it.
    pub id: Option<u64>,
}

/// An exemplar that carries such a number.
#[must_use]
pub fn exemplar(id: u64) -> Exemplar {
    let mut trace_id = vec![0xEE; 8];
    trace_id.extend(id.to_be_bytes());
    Exemplar { trace_id, span_id: vec![1; 8], ..Exemplar::default() }
}

fn id_of(exemplars: &[Exemplar]) -> Option<u64> {
    let [one] = exemplars else { return None };
    let number: [u8; 8] = one.trace_id.get(8..)?.try_into().ok()?;
    Some(u64::from_be_bytes(number))
}

/// All points of a request, in order.
#[must_use]
pub fn points(request: &ExportMetricsServiceRequest) -> Vec<Point> {
    let mut all = Vec::new();
    for resource in &request.resource_metrics {
        let attributes =
            resource.resource.as_ref().map(|of| Attributes::of(&of.attributes)).unwrap_or_default();
        for scope in &resource.scope_metrics {
            let of = scope.scope.clone().unwrap_or_default();
            let named =
                Scope { name: of.name, version: of.version, attributes: Attributes::of(&of.attributes) };
            for metric in &scope.metrics {
                let parts = (attributes.clone(), named.clone());
                all.extend(points_of(metric, &parts));
            }
        }
    }
    all
}

fn points_of(metric: &Metric, (resource, scope): &(Attributes, Scope)) -> Vec<Point> {
    let (form, temporality, monotonic) = match &metric.data {
        Some(Data::Gauge(_)) => (Form::Gauge, 0, false),
        Some(Data::Sum(sum)) => (Form::Sum, sum.aggregation_temporality, sum.is_monotonic),
        Some(Data::Histogram(of)) => (Form::Histogram, of.aggregation_temporality, false),
        Some(Data::ExponentialHistogram(of)) => {
            (Form::ExponentialHistogram, of.aggregation_temporality, false)
        }
        Some(Data::Summary(_)) => (Form::Summary, 0, false),
        None => return Vec::new(),
    };
    let series = |attributes: &[_]| {
        Arc::new(Series {
            metric: metric.name.clone(),
            unit: metric.unit.clone(),
            kind: Kind { form, temporality, monotonic },
            resource: resource.clone(),
            scope: scope.clone(),
            attributes: Attributes::of(attributes),
        })
    };
    match &metric.data {
        Some(Data::Gauge(of)) => of.data_points.iter().map(|p| number(p, series(&p.attributes))).collect(),
        Some(Data::Sum(of)) => of.data_points.iter().map(|p| number(p, series(&p.attributes))).collect(),
        Some(Data::Histogram(of)) => {
            of.data_points.iter().map(|p| histogram(p, series(&p.attributes))).collect()
        }
        Some(Data::ExponentialHistogram(of)) => {
            of.data_points.iter().map(|p| exponential(p, series(&p.attributes))).collect()
        }
        Some(Data::Summary(of)) => of.data_points.iter().map(|p| summary(p, series(&p.attributes))).collect(),
        None => Vec::new(),
    }
}

/// A point of one of the protobuf types, which share the names of their fields.
macro_rules! point {
    ($of:expr, $series:expr, $measure:expr, $id:expr) => {
        Point {
            series: $series,
            time: $of.time_unix_nano,
            start: $of.start_time_unix_nano,
            flags: $of.flags,
            measure: $measure,
            id: $id,
        }
    };
}

fn number(of: &NumberDataPoint, series: Arc<Series>) -> Point {
    let measure = match of.value {
        None => Measure::Nothing,
        Some(Value::AsInt(number)) => Measure::Int(number),
        Some(Value::AsDouble(number)) => Measure::Double(number),
    };
    point!(of, series, measure, id_of(&of.exemplars))
}

fn histogram(of: &HistogramDataPoint, series: Arc<Series>) -> Point {
    let rest = format!("{:?}", (&of.bucket_counts, &of.explicit_bounds, of.min, of.max));
    let entries = of.bucket_counts.len() as u64;
    let measure = Measure::Distribution { count: of.count, sum: of.sum(), rest, entries };
    point!(of, series, measure, id_of(&of.exemplars))
}

fn exponential(of: &ExponentialHistogramDataPoint, series: Arc<Series>) -> Point {
    let rest = format!("{:?}", (of.scale, of.zero_count, &of.positive, &of.negative, of.min, of.max));
    let measure = Measure::Distribution { count: of.count, sum: of.sum(), rest, entries: 0 };
    point!(of, series, measure, id_of(&of.exemplars))
}

fn summary(of: &SummaryDataPoint, series: Arc<Series>) -> Point {
    let rest = format!("{:?}", of.quantile_values);
    let entries = of.quantile_values.len() as u64;
    let measure = Measure::Distribution { count: of.count, sum: of.sum, rest, entries };
    point!(of, series, measure, None)
}
