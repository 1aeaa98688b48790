//! Changed values over the wire.

use observe::{ChangedFields, ChangedMetric, ValueChanges};

use super::{Invalid, named, number, read_named, read_sample, rows, sample};
use crate::v1;

/// The most metrics whose changed values are told.
pub(super) const MAX_METRICS: usize = 6;

pub(super) fn changed(from: &ValueChanges) -> v1::Changed {
    v1::Changed {
        points: from.points,
        series: from.series,
        by_metric: from.by_metric.iter().take(MAX_METRICS).map(metric).collect(),
        not_compared: from.not_compared.iter().take(MAX_METRICS).map(named).collect(),
        held: from.held.iter().take(MAX_METRICS).map(named).collect(),
    }
}

pub(super) fn read_changed(from: v1::Changed) -> Result<ValueChanges, Invalid> {
    Ok(ValueChanges {
        points: number(from.points)?,
        series: number(from.series)?,
        by_metric: rows(from.by_metric, read_metric)?,
        not_compared: rows(from.not_compared, read_named)?,
        held: rows(from.held, read_named)?,
    })
}

fn metric(from: &ChangedMetric) -> v1::ChangedMetric {
    let ChangedFields { value, distribution, time, start, flags } = from.fields;
    v1::ChangedMetric {
        metric: from.metric.clone(),
        points: from.points,
        series: from.series,
        value,
        distribution,
        time,
        start,
        flags,
        largest_absolute: from.largest_absolute,
        largest_relative: from.largest_relative,
        sample: from.sample.as_ref().map(sample),
    }
}

fn read_metric(from: v1::ChangedMetric) -> Result<ChangedMetric, Invalid> {
    let v1::ChangedMetric { value, distribution, time, start, flags, .. } = from;
    let differences = [Some(from.largest_absolute), from.largest_relative];
    if differences.into_iter().flatten().any(|difference| !difference.is_finite() || difference < 0.0) {
        return Err(Invalid::Value("a difference of values is a number, 0 or more"));
    }
    Ok(ChangedMetric {
        metric: from.metric,
        points: number(from.points)?,
        series: number(from.series)?,
        fields: ChangedFields { value, distribution, time, start, flags },
        largest_absolute: from.largest_absolute,
        largest_relative: from.largest_relative,
        sample: from.sample.map(read_sample),
    })
}
