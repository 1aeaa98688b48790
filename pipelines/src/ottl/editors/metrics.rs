//! Editors of metrics: kinds converted, metrics copied, extracted, scaled and aggregated.

use crate::aggregate::AGGREGATIONS;
use crate::batch::data::{Exponential, Histogram, Summary};
use crate::batch::{MetricKind, MetricRow, NewMetric, NewPoint, Number, PointRow};
use crate::ottl::check::call::{Argument, Call};
use crate::ottl::functions::{
    Availability, ParamType, Parameter, Preparation, Signature, editor, fixed_text, optional, required,
};
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure};

use super::{TOO_LARGE, Work, histograms, scale, summaries};

const SUFFIX: Parameter = optional("suffix", ParamType::FixedText);

pub(in crate::ottl) const TABLE: &[Signature] = &[
    editor(
        "convert_gauge_to_sum",
        &[required("string_agg_temp", ParamType::FixedText), required("monotonic", ParamType::FixedBool)],
        gauge_to_sum,
    )
    .prepared(check_temporality)
    .known(Availability::Metric),
    editor("convert_sum_to_gauge", &[], sum_to_gauge).known(Availability::Metric),
    editor(
        "copy_metric",
        &[
            optional("name", ParamType::Text),
            optional("description", ParamType::Text),
            optional("unit", ParamType::Text),
        ],
        copy,
    )
    .known(Availability::Metric),
    editor("extract_sum_metric", &[required("monotonic", ParamType::FixedBool), SUFFIX], |call, work| {
        extract(call, work, b"_sum", None, sum_of)
    })
    .known(Availability::Metric),
    editor("extract_count_metric", &[required("monotonic", ParamType::FixedBool), SUFFIX], |call, work| {
        extract(call, work, b"_count", Some(b"1"), count_of)
    })
    .known(Availability::Metric),
    editor(
        "extract_percentile_metric",
        &[required("percentile", ParamType::FixedDouble), SUFFIX],
        histograms::percentile,
    )
    .prepared(histograms::check_percentile)
    .known(Availability::Metric),
    editor(
        "scale_metric",
        &[required("multiplier", ParamType::FixedDouble), optional("unit", ParamType::Text)],
        scale::run,
    )
    .known(Availability::Metric),
    editor(
        "aggregate_on_attributes",
        &[
            required("aggregation_function", ParamType::FixedText),
            optional("attributes", ParamType::FixedTexts),
        ],
        aggregate_on_attributes,
    )
    .prepared(check_aggregation)
    .known(Availability::Metric),
    editor(
        "aggregate_on_attribute_value",
        &[
            required("aggregation_function", ParamType::FixedText),
            required("attribute", ParamType::FixedText),
            required("values", ParamType::FixedTexts),
            required("new_value", ParamType::FixedText),
        ],
        aggregate_on_value,
    )
    .prepared(check_aggregation)
    .known(Availability::Metric),
    editor(
        "convert_exponential_histogram_to_histogram",
        &[
            required("distribution_fn", ParamType::FixedText),
            required("explicit_bounds", ParamType::FixedDoubles),
        ],
        histograms::to_explicit,
    )
    .prepared(histograms::check_explicit)
    .known(Availability::Metric),
    editor(
        "convert_summary_quantile_val_to_gauge",
        &[optional("attribute_key", ParamType::FixedText), SUFFIX],
        summaries::quantiles,
    )
    .known(Availability::Metric),
    editor(
        "convert_summary_sum_val_to_sum",
        &[
            required("string_agg_temp", ParamType::FixedText),
            required("monotonic", ParamType::FixedBool),
            SUFFIX,
        ],
        |call, work| summaries::part(call, work, b"_sum", |summary| Number::Double(summary.sum)),
    )
    .prepared(check_temporality)
    .known(Availability::DataPoint),
    editor(
        "convert_summary_count_val_to_sum",
        &[
            required("string_agg_temp", ParamType::FixedText),
            required("monotonic", ParamType::FixedBool),
            SUFFIX,
        ],
        |call, work| summaries::part(call, work, b"_count", |summary| Number::Int(summary.count as i64)),
    )
    .prepared(check_temporality)
    .known(Availability::DataPoint),
    editor(
        "merge_histogram_buckets",
        &[required("target_value", ParamType::DoubleLike), optional("method", ParamType::FixedText)],
        histograms::merge_buckets,
    )
    .prepared(histograms::check_merge)
    .known(Availability::DataPoint),
];

fn check_temporality(call: &Call) -> Result<Preparation, String> {
    match fixed_text(call, 0) {
        Some(b"delta" | b"cumulative") => Ok(Preparation::Nothing),
        _ => Err("the temporality must be delta or cumulative".to_owned()),
    }
}

pub(super) fn temporality(call: &Call) -> u8 {
    if fixed_text(call, 0) == Some(b"delta") { 1 } else { 2 }
}

pub(super) fn fixed_bool(call: &Call, place: usize) -> bool {
    matches!(call.arguments.get(place), Some(Some(Argument::Bool(true))))
}

impl Work<'_> {
    pub(super) fn metric(&self) -> MetricRow {
        *self.batch.metric_at(self.at.metric)
    }

    pub(super) fn points(&self) -> Vec<PointRow> {
        self.batch.points(&self.metric()).to_vec()
    }

    /// A metric named after this one, with its description and unit.
    pub(super) fn derived(
        &mut self,
        suffix: &[u8],
        kind: MetricKind,
        points: &[NewPoint],
    ) -> Evaluated<NewMetric> {
        if !self.batch.has_room(points.len() + 1) {
            return Err(TOO_LARGE);
        }
        let metric = self.metric();
        let mut name = self.batch.bytes(metric.name).to_vec();
        name.extend_from_slice(suffix);
        let mut rows = Vec::with_capacity(points.len());
        for point in points {
            let attrs = self.batch.copy_attributes(point.attrs);
            rows.push(self.batch.new_point(NewPoint { attrs, ..*point }));
        }
        Ok(NewMetric {
            raw: crate::batch::Span::NONE,
            name: self.batch.intern(String::from_utf8_lossy(&name).as_bytes()),
            description: metric.description,
            unit: metric.unit,
            kind,
            temporality: 0,
            monotonic: false,
            points: self.batch.push_points(&rows),
        })
    }

    /// Appends a metric to the scope.
    pub(super) fn add(&mut self, metric: NewMetric) {
        let row = self.batch.new_metric(metric);
        self.batch.push_metric(self.at, row);
    }
}

fn gauge_to_sum(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind == MetricKind::Gauge {
        let (temporality, monotonic) = (temporality(call), fixed_bool(call, 1));
        work.batch.edit_metric(work.at, |metric| {
            (metric.kind, metric.temporality, metric.monotonic) = (MetricKind::Sum, temporality, monotonic);
        });
    }
    Ok(())
}

fn sum_to_gauge(_: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind == MetricKind::Sum {
        work.batch.edit_metric(work.at, |metric| {
            (metric.kind, metric.temporality, metric.monotonic) = (MetricKind::Gauge, 0, false);
        });
    }
    Ok(())
}

/// The copy is there even if a name for it cannot be had.
fn copy(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if !work.batch.has_room(work.metric().points.len() + 1) {
        return Err(TOO_LARGE);
    }
    let mut made = work.batch.copy_metric(work.at.metric);
    let mut outcome = Ok(());
    for place in 0..3 {
        let text = {
            let row = work.row();
            let args = Args { call, row: &row };
            if !args.has(place) {
                continue;
            }
            args.text(place).map(std::borrow::Cow::into_owned)
        };
        match text {
            Ok(text) => {
                let span = work.batch.intern(String::from_utf8_lossy(&text).as_bytes());
                *[&mut made.name, &mut made.description, &mut made.unit][place] = span;
            }
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    let index = work.batch.push_metric(work.at, made);
    let copy = crate::batch::Path { metric: index, ..work.at };
    work.batch.edit_metric(copy, |_| {});
    outcome
}

/// The temporality of what is extracted from a metric; a summary counts from its start.
fn extracted(metric: &MetricRow) -> Evaluated<u8> {
    let temporality = match metric.kind {
        MetricKind::Histogram | MetricKind::ExponentialHistogram => metric.temporality,
        MetricKind::Summary => 2,
        _ => 0,
    };
    match temporality {
        0 => Err(Failure("only a histogram or a summary holds sums and counts")),
        temporality => Ok(temporality),
    }
}

fn sum_of(kind: MetricKind, raw: &[u8]) -> Option<Number> {
    Some(Number::Double(match kind {
        MetricKind::Histogram => Histogram::read(raw).sum?,
        MetricKind::ExponentialHistogram => Exponential::read(raw).sum?,
        _ => Summary::read(raw).sum,
    }))
}

fn count_of(kind: MetricKind, raw: &[u8]) -> Option<Number> {
    let count = match kind {
        MetricKind::Histogram => Histogram::read(raw).count,
        MetricKind::ExponentialHistogram => Exponential::read(raw).count,
        _ => Summary::read(raw).count,
    };
    Some(Number::Int(count as i64))
}

fn extract(
    call: &Call,
    work: &mut Work<'_>,
    suffix: &[u8],
    unit: Option<&[u8]>,
    part: impl Fn(MetricKind, &[u8]) -> Option<Number>,
) -> Evaluated<()> {
    let metric = work.metric();
    let temporality = extracted(&metric)?;
    let points: Vec<NewPoint> = work
        .points()
        .iter()
        .filter_map(|point| {
            let value = part(metric.kind, work.batch.bytes(point.raw))?;
            Some(NewPoint { value, ..NewPoint::like(point) })
        })
        .collect();
    if points.is_empty() {
        return Ok(());
    }
    let suffix = fixed_text(call, 1).unwrap_or(suffix);
    let mut made = work.derived(suffix, MetricKind::Sum, &points)?;
    if let Some(unit) = unit {
        made.unit = work.batch.intern(unit);
    }
    work.add(NewMetric { temporality, monotonic: fixed_bool(call, 0), ..made });
    Ok(())
}

fn check_aggregation(call: &Call) -> Result<Preparation, String> {
    let name = fixed_text(call, 0);
    let known = AGGREGATIONS.iter().find(|(known, _)| Some(known.as_bytes()) == name);
    known
        .map(|(_, function)| Preparation::Aggregation(*function))
        .ok_or_else(|| "the function must be sum, mean, min, max, median or count".to_owned())
}

fn aggregate_on_attributes(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind == MetricKind::Summary {
        return Err(Failure("summaries are not aggregated"));
    }
    let Preparation::Aggregation(function) = call.prepared else {
        return Err(Failure("an unknown aggregation"));
    };
    if let Some(Some(Argument::Texts(keep))) = call.arguments.get(1) {
        for point in work.metric().points.range() {
            let owner = crate::batch::Owner::Point(crate::batch::Path { point, ..work.at });
            work.batch
                .retain_attributes(owner, |batch, row| keep.iter().any(|key| **key == *batch.bytes(row.key)));
        }
    }
    work.batch.aggregate(work.at, function);
    Ok(())
}

fn aggregate_on_value(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let Preparation::Aggregation(function) = call.prepared else {
        return Err(Failure("an unknown aggregation"));
    };
    let key = fixed_text(call, 1).unwrap_or_default();
    let values: &[Box<[u8]>] = match call.arguments.get(2) {
        Some(Some(Argument::Texts(values))) => values,
        _ => &[],
    };
    let new = fixed_text(call, 3).unwrap_or_default();
    work.batch.rename_values(work.at, key, |value| values.iter().any(|known| **known == *value), new);
    // A summary's points cannot be merged, and none of them is left.
    work.batch.aggregate(work.at, function);
    if work.metric().kind == MetricKind::Summary {
        work.batch.edit_metric(work.at, |metric| metric.points.end = metric.points.start);
    }
    Ok(())
}
