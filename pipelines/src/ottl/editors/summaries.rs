//! Metrics made of summaries.

use crate::batch::data::Summary;
use crate::batch::{AttrRow, MetricKind, NewMetric, NewPoint, Number, Owner, Path};
use crate::ottl::check::call::{Argument, Call};
use crate::ottl::functions::fixed_text;
use crate::ottl::run::eval::Evaluated;
use crate::ottl::run::value::Val;

use super::metrics::{fixed_bool, temporality};
use super::{Work, encode};

/// A sum of one part of every point of a summary. It runs once a point, and each time takes all of them: so it is
/// in the Collector.
pub(super) fn part(
    call: &Call,
    work: &mut Work<'_>,
    suffix: &[u8],
    part: impl Fn(&Summary) -> Number,
) -> Evaluated<()> {
    if work.metric().kind != MetricKind::Summary {
        return Ok(());
    }
    let points: Vec<NewPoint> = work
        .points()
        .iter()
        .map(|point| {
            let value = part(&Summary::read(work.batch.bytes(point.raw)));
            NewPoint { value, ..NewPoint::like(point) }
        })
        .collect();
    let made = work.derived(fixed_text(call, 2).unwrap_or(suffix), MetricKind::Sum, &points)?;
    work.add(NewMetric { temporality: temporality(call), monotonic: fixed_bool(call, 1), ..made });
    Ok(())
}

/// A gauge with a point for every quantile.
pub(super) fn quantiles(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind != MetricKind::Summary {
        return Ok(());
    }
    let text = |place: usize, otherwise: &'static [u8]| match call.arguments.get(place) {
        Some(Some(Argument::Text(text))) => text.to_vec(),
        _ => otherwise.to_vec(),
    };
    let (key, suffix) = (text(0, b"quantile"), text(1, b".quantiles"));
    let (mut points, mut quantiles) = (Vec::new(), Vec::new());
    for point in work.points() {
        for (quantile, value) in Summary::read(work.batch.bytes(point.raw)).quantiles {
            points.push(NewPoint { value: Number::Double(value), ..NewPoint::like(&point) });
            quantiles.push(quantile);
        }
    }
    let made = work.derived(&suffix, MetricKind::Gauge, &points)?;
    work.add(made);
    let metrics = work.batch.scope_at(work.at.scope).metrics;
    let metric = metrics.end as usize - 1;
    let rows = work.batch.metric_at(metric).points.range();
    for (point, quantile) in rows.zip(quantiles) {
        let row: AttrRow =
            work.read_then_take(|_, pending| encode::attribute(pending, &key, &Val::Double(quantile)))?;
        work.batch.set_attribute(Owner::Point(Path { metric, point, ..work.at }), row);
    }
    Ok(())
}
