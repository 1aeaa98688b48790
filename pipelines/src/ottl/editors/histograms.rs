//! Editors of histograms.

use crate::batch::data::{Exponential, Histogram};
use crate::batch::{MetricKind, NewMetric, NewPoint, Number};
use crate::ottl::check::bind::literal;
use crate::ottl::check::call::{Argument, Call};
use crate::ottl::functions::{Preparation, fixed_text, sprintf};
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::double_like;
use crate::ottl::run::value::Val;

use super::Work;
use super::percentile as of;

fn doubles(call: &Call, place: usize) -> &[f64] {
    match call.arguments.get(place) {
        Some(Some(Argument::Doubles(numbers))) => numbers,
        _ => &[],
    }
}

pub(super) fn check_explicit(call: &Call) -> Result<Preparation, String> {
    if doubles(call, 1).is_empty() {
        return Err("there are no bounds".to_owned());
    }
    match fixed_text(call, 0) {
        Some(b"upper" | b"midpoint" | b"uniform") => Ok(Preparation::Nothing),
        Some(b"random" | b"") => {
            Err("random is not run: the same input must give the same output; use uniform".to_owned())
        }
        _ => Err("the distribution must be upper, midpoint or uniform".to_owned()),
    }
}

/// An exponential histogram with given bounds. Buckets of zero and below are left out, though the count stays.
pub(super) fn to_explicit(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind != MetricKind::ExponentialHistogram {
        return Ok(());
    }
    let (bounds, how) = (doubles(call, 1), fixed_text(call, 0).unwrap_or_default());
    let mut rows = work.points();
    for row in &mut rows {
        let from = Exponential::read(work.batch.bytes(row.raw));
        let to = Histogram {
            count: from.count,
            sum: Some(from.sum.unwrap_or(0.0)),
            min: Some(from.min.unwrap_or(0.0)),
            max: Some(from.max.unwrap_or(0.0)),
            counts: distributed(&from, bounds, how),
            bounds: bounds.to_vec(),
            exemplars: from.exemplars,
            flags: 0,
        };
        row.raw = work.batch.intern_with(|out| to.write(out));
        row.flags = 0;
        *row = work.batch.touched_point(*row);
    }
    let points = work.batch.push_points(&rows);
    work.batch.edit_metric(work.at, |metric| {
        metric.kind = MetricKind::Histogram;
        metric.points = points;
        metric.raw = crate::batch::Span::NONE;
        metric.data = crate::batch::Span::NONE;
    });
    Ok(())
}

/// Counts per bound: as many as there are bounds, which is one less than a histogram needs.
fn distributed(from: &Exponential, bounds: &[f64], how: &[u8]) -> Vec<u64> {
    let factor = std::f64::consts::LN_2 * 2_f64.powi(-from.scale);
    let mut counts = vec![0_u64; bounds.len()];
    let last = bounds.len() - 1;
    if from.zero_count > 0 && bounds[0] == 0.0 {
        counts[0] += from.zero_count;
    }
    for (place, count) in from.positive.counts.iter().enumerate() {
        let index = from.positive.offset.wrapping_add(place as i32);
        let upper = (f64::from(index.wrapping_add(1)) * factor).exp();
        let lower = (f64::from(index) * factor).exp();
        if lower > bounds[last] {
            counts[last] += count;
        } else if let Some(at) = (1..bounds.len()).find(|at| lower > bounds[at - 1] && upper <= bounds[*at]) {
            counts[at - 1] += count;
        } else {
            spread(*count, (lower, upper), bounds, how, &mut counts);
        }
    }
    counts
}

fn spread(count: u64, (lower, upper): (f64, f64), bounds: &[f64], how: &[u8], counts: &mut [u64]) {
    let last = bounds.len() - 1;
    let first_from =
        |value: f64, from: usize| bounds[from..].iter().position(|b| value <= *b).map(|at| at + from);
    match how {
        b"upper" => counts[first_from(upper, 0).unwrap_or(last)] += count,
        b"midpoint" => {
            let at = first_from((upper + lower) / 2.0, 0);
            counts[at.map_or(last, |at| at.saturating_sub(1))] += count;
        }
        _ => {
            let start = first_from(lower, 0).unwrap_or(last);
            let end = first_from(upper, start).unwrap_or(last);
            let share = (end - start + 1) as u64;
            for (place, slot) in counts[start..=end].iter_mut().enumerate() {
                *slot += count / share + u64::from((place as u64) < count % share);
            }
        }
    }
}

pub(super) fn check_merge(call: &Call) -> Result<Preparation, String> {
    let limits = match fixed_text(call, 1) {
        None | Some(b"remove_explicit_bound") => false,
        Some(b"limit_buckets") => true,
        Some(_) => return Err("the method must be remove_explicit_bound or limit_buckets".to_owned()),
    };
    let Some(Some(Argument::Expr(expr))) = call.arguments.first() else { return Ok(Preparation::Nothing) };
    let Some(value) = literal(expr) else { return Ok(Preparation::Nothing) };
    match double_like(&value) {
        Ok(None) => Err("the target value cannot be nil".to_owned()),
        Ok(Some(target)) if limits && most(target).is_err() => {
            Err("the number of buckets must be a whole number above 0".to_owned())
        }
        _ => Ok(Preparation::Nothing),
    }
}

fn most(target: f64) -> Evaluated<usize> {
    let whole = target >= 1.0 && target.trunc() == target && target <= i64::MAX as f64;
    if whole { Ok(target as usize) } else { Err(Failure("a number of buckets that is not whole")) }
}

/// Merges the bucket below a bound with the one above, or neighbors until few are left.
pub(super) fn merge_buckets(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    if work.metric().kind != MetricKind::Histogram {
        return Ok(());
    }
    let target = double_like(&Args { call, row: &work.row() }.value(0)?)?;
    let target = target.ok_or(Failure("the target value is nil"))?;
    let limit = match fixed_text(call, 1) {
        Some(b"limit_buckets") => Some(most(target)?),
        _ => None,
    };
    let mut point = Histogram::read(work.batch.bytes(work.batch.point_at(work.at.point).raw));
    let changed = match limit {
        Some(limit) => limit_buckets(&mut point, limit),
        None => remove_bound(&mut point, target),
    };
    if changed {
        let raw = work.batch.intern_with(|out| point.write(out));
        work.batch.edit_point(work.at, |row| row.raw = raw);
    }
    Ok(())
}

fn remove_bound(point: &mut Histogram, bound: f64) -> bool {
    let near = |known: &f64| (known - bound).abs() < 1e-12;
    let Some(at) = point.bounds.iter().position(near) else { return false };
    if point.bounds.len() + 1 != point.counts.len() {
        return false;
    }
    point.bounds.remove(at);
    let below = point.counts.remove(at);
    point.counts[at] = point.counts[at].wrapping_add(below);
    true
}

fn limit_buckets(point: &mut Histogram, limit: usize) -> bool {
    let rises = point.bounds.windows(2).all(|pair| pair[1] > pair[0]);
    if point.bounds.len() + 1 != point.counts.len() || point.counts.len() <= limit.max(1) || !rises {
        return false;
    }
    let each = (point.counts.len() - 1) / limit + 1;
    let sum = |chunk: &[u64]| chunk.iter().fold(0_u64, |sum, count| sum.wrapping_add(*count));
    point.counts = point.counts.chunks(each).map(sum).collect();
    point.bounds = point.bounds.iter().skip(each - 1).step_by(each).copied().collect();
    true
}

fn fixed_percentile(call: &Call) -> f64 {
    match call.arguments.first() {
        Some(Some(Argument::Double(percentile))) => *percentile,
        _ => 0.0,
    }
}

pub(super) fn check_percentile(call: &Call) -> Result<Preparation, String> {
    let percentile = fixed_percentile(call);
    match percentile > 0.0 && percentile < 100.0 {
        true => Ok(Preparation::Nothing),
        false => Err("a percentile is above 0 and below 100".to_owned()),
    }
}

/// A gauge of a percentile of every point; a point without observations has none.
pub(super) fn percentile(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let (metric, percentile) = (work.metric(), fixed_percentile(call));
    if !matches!(metric.kind, MetricKind::Histogram | MetricKind::ExponentialHistogram) {
        return Ok(());
    }
    let mut points = Vec::new();
    for point in work.points() {
        let raw = work.batch.bytes(point.raw);
        let value = match metric.kind {
            MetricKind::Histogram => of::explicit(&Histogram::read(raw), percentile)?,
            _ => of::exponential(&Exponential::read(raw), percentile)?,
        };
        if let Some(value) = value {
            points.push(NewPoint { value: Number::Double(value), ..NewPoint::like(&point) });
        }
    }
    if points.is_empty() {
        return Ok(());
    }
    let shown = sprintf("p%g", &[Val::Double(percentile)])?;
    let suffix = fixed_text(call, 1).filter(|suffix| !suffix.is_empty()).map(<[u8]>::to_vec);
    let suffix = suffix.unwrap_or_else(|| format!("_{shown}").into_bytes());
    let described = match work.batch.text(metric.description) {
        "" => shown,
        description => format!("{description} ({shown})"),
    };
    let made = work.derived(&suffix, MetricKind::Gauge, &points)?;
    let description = work.batch.intern(described.as_bytes());
    work.add(NewMetric { description, ..made });
    Ok(())
}
