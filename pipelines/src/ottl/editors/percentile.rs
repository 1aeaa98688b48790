//! Percentiles of histograms: linear between bounds, logarithmic between those that grow exponentially.

use crate::batch::data::{Buckets, Exponential, Histogram};
use crate::ottl::run::eval::{Evaluated, Failure};

const MALFORMED: Failure = Failure("a histogram whose buckets do not add up");

fn wanted(count: u64, percentile: f64) -> u64 {
    (count as f64 * (percentile / 100.0)).ceil() as u64
}

fn linear(lower: f64, upper: f64, ratio: f64) -> Evaluated<f64> {
    if (0.0..=1.0).contains(&ratio) { Ok(lower + ratio * (upper - lower)) } else { Err(MALFORMED) }
}

/// A percentile of a histogram; none of one without observations.
pub(super) fn explicit(point: &Histogram, percentile: f64) -> Evaluated<Option<f64>> {
    if point.count == 0 || point.counts.is_empty() {
        return Ok(None);
    }
    let wanted = wanted(point.count, percentile);
    if point.counts.len() != point.bounds.len() + 1 {
        return Err(MALFORMED);
    }
    if point.bounds.is_empty() {
        let (Some(min), Some(max)) = (point.min, point.max) else { return Ok(None) };
        return linear(min, max, wanted as f64 / point.counts[0] as f64).map(Some);
    }
    let mut before = 0_u64;
    for (place, count) in point.counts.iter().enumerate() {
        let until = before.wrapping_add(*count);
        if until < wanted {
            before = until;
            continue;
        }
        let (lower, upper) = match (place.checked_sub(1), point.bounds.get(place)) {
            (None, Some(upper)) => match point.min {
                Some(min) if min < *upper => (min, *upper),
                _ if *upper < 0.0 => return Ok(Some(*upper)),
                _ => (0.0, *upper),
            },
            (Some(below), Some(upper)) => (point.bounds[below], *upper),
            (below, None) => {
                let lower = point.bounds[below.unwrap_or(0)];
                match point.max {
                    Some(max) if max > lower => (lower, max),
                    _ => return Ok(Some(lower)),
                }
            }
        };
        return linear(lower, upper, (wanted - before) as f64 / *count as f64).map(Some);
    }
    Err(MALFORMED)
}

/// A percentile of an exponential histogram; none of one without observations.
pub(super) fn exponential(point: &Exponential, percentile: f64) -> Evaluated<Option<f64>> {
    let (negative, positive) = (&point.negative, &point.positive);
    let empty = negative.counts.is_empty() && positive.counts.is_empty() && point.zero_count == 0;
    if point.count == 0 || empty {
        return Ok(None);
    }
    let wanted = wanted(point.count, percentile);
    let mut before = 0_u64;
    for (place, count) in negative.counts.iter().enumerate().rev() {
        let until = before.wrapping_add(*count);
        if until >= wanted {
            let ratio = (wanted - before) as f64 / *count as f64;
            return Ok(Some(-within(negative, place, point.scale, 1.0 - ratio)?));
        }
        before = until;
    }
    if before.wrapping_add(point.zero_count) >= wanted {
        let threshold = point.zero_threshold;
        let lower = if negative.counts.is_empty() && !positive.counts.is_empty() { 0.0 } else { -threshold };
        let upper = if positive.counts.is_empty() && !negative.counts.is_empty() { 0.0 } else { threshold };
        return linear(lower, upper, (wanted - before) as f64 / point.zero_count as f64).map(Some);
    }
    before = before.wrapping_add(point.zero_count);
    for (place, count) in positive.counts.iter().enumerate() {
        let until = before.wrapping_add(*count);
        if until >= wanted {
            let ratio = (wanted - before) as f64 / *count as f64;
            return within(positive, place, point.scale, ratio).map(Some);
        }
        before = until;
    }
    Err(MALFORMED)
}

/// A value inside of a bucket, logarithmically.
fn within(buckets: &Buckets, place: usize, scale: i32, ratio: f64) -> Evaluated<f64> {
    let index = i64::from(buckets.offset) + place as i64;
    let (lower, upper) = (bound(index, scale), bound(index + 1, scale));
    if !(0.0..=1.0).contains(&ratio) || lower <= 0.0 || upper <= 0.0 {
        return Err(MALFORMED);
    }
    let (low, high) = (lower.log2(), upper.log2());
    Ok((low + (high - low) * ratio).exp2())
}

fn bound(index: i64, scale: i32) -> f64 {
    if scale <= 0 {
        let power = i32::try_from(index.checked_shl(scale.unsigned_abs()).unwrap_or(0)).unwrap_or(i32::MAX);
        return 2_f64.powi(power);
    }
    (index as f64 * (std::f64::consts::LN_2 * 2_f64.powi(-scale))).exp()
}
