//! Changed values over the wire.

use observe::{ChangedFields, ChangedMetric, NamedCount, ValueChanges};

use super::{Invalid, named, number, read_named, read_sample, rows, sample};
use crate::v1;

/// The most metrics whose changed values are told.
pub(super) const MAX_METRICS: usize = 10;
/// The most of those that come with a series.
pub(super) const MAX_SAMPLES: usize = 6;

pub(super) fn changed(from: &ValueChanges) -> v1::Changed {
    v1::Changed {
        points: from.points,
        series: from.series,
        by_metric: from.by_metric.iter().take(MAX_METRICS).enumerate().map(metric).collect(),
        not_compared: from.not_compared.iter().take(MAX_METRICS).map(named).collect(),
        held: from.held.iter().take(MAX_METRICS).map(named).collect(),
        not_compared_series: from.not_compared_series,
        held_series: from.held_series,
    }
}

pub(super) fn read_changed(from: v1::Changed) -> Result<ValueChanges, Invalid> {
    let (not_compared, held) = (rows(from.not_compared, read_named)?, rows(from.held, read_named)?);
    // An agent of a release before this one tells no totals.
    let at_least = |rows: &[NamedCount]| rows.iter().map(|row| row.series).sum::<u64>();
    Ok(ValueChanges {
        points: number(from.points)?,
        series: number(from.series)?,
        by_metric: rows(from.by_metric, read_metric)?,
        not_compared_series: number(from.not_compared_series)?.max(at_least(&not_compared)),
        held_series: number(from.held_series)?.max(at_least(&held)),
        not_compared,
        held,
    })
}

fn metric((place, from): (usize, &ChangedMetric)) -> v1::ChangedMetric {
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
        sample: from.sample.as_ref().filter(|_| place < MAX_SAMPLES).map(sample),
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
