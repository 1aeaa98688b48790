//! Exponential histograms.
//!
//! Between two points the zero threshold may grow and the scale shrink; the earlier one is then coarsened to what
//! the later one tells.

use crate::batch::data::{Buckets, Exponential};
use crate::stage::Saved;

use super::Conversion;

/// Remembered part of a point.
#[derive(Debug, Clone)]
pub(super) struct Value {
    count: u64,
    sum: f64,
    zero_count: u64,
    zero_threshold: f64,
    scale: i32,
    positive: Buckets,
    negative: Buckets,
}

impl Value {
    pub(super) fn of(point: &Exponential) -> Self {
        Self {
            count: point.count,
            sum: point.sum.unwrap_or(0.0),
            zero_count: point.zero_count,
            zero_threshold: point.zero_threshold,
            scale: point.scale,
            positive: point.positive.clone(),
            negative: point.negative.clone(),
        }
    }

    /// Bytes of memory that it points to.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.positive.counts) + size_of_val(&*self.negative.counts)
    }

    /// Makes a point of it: scale and threshold stay, minimum and maximum of a delta are not known.
    pub(super) fn put(self, point: &mut Exponential) {
        point.count = self.count;
        if point.sum.is_some_and(|sum| !sum.is_nan()) {
            point.sum = Some(self.sum);
        }
        point.zero_count = self.zero_count;
        (point.positive, point.negative) = (self.positive, self.negative);
        (point.min, point.max) = (None, None);
    }
}

impl Saved for Value {
    fn save(&self, out: &mut Vec<u8>) {
        ((self.count, self.sum), (self.zero_count, self.zero_threshold)).save(out);
        self.scale.save(out);
        for Buckets { offset, counts } in [&self.positive, &self.negative] {
            offset.save(out);
            counts.save(out);
        }
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let ((count, sum), (zero_count, zero_threshold)) = Saved::restore(from)?;
        let scale = Saved::restore(from)?;
        let mut buckets = || Saved::restore(from).map(|(offset, counts)| Buckets { offset, counts });
        let (positive, negative) = (buckets()?, buckets()?);
        Some(Self { count, sum, zero_count, zero_threshold, scale, positive, negative })
    }
}

/// Difference between `last` and `now`. Counts and threshold only grow and the scale only shrinks; otherwise the series
/// began anew, and nothing is told until it has passed where it was.
pub(super) fn difference(last: &mut Value, now: &mut Value) -> Conversion<Value> {
    if now.sum.is_nan() {
        now.sum = last.sum;
    }
    if now.count < last.count || now.zero_threshold < last.zero_threshold || now.scale > last.scale {
        return Conversion::Nothing;
    }
    let mut last = last.clone();
    if now.zero_threshold > last.zero_threshold {
        let factor = f64::from(last.scale).exp2() * std::f64::consts::LOG2_E;
        let bucket = (now.zero_threshold.ln() * factor).ceil() - 1.0;
        last.zero_count = last.zero_count.wrapping_add(trim(&mut last.positive, bucket as i32));
        last.zero_count = last.zero_count.wrapping_add(trim(&mut last.negative, bucket as i32));
    }
    let lost = now.scale.abs_diff(last.scale);
    coarsen(&mut last.positive, lost);
    coarsen(&mut last.negative, lost);
    let (Some(positive), Some(negative)) =
        (grown(&last.positive, &now.positive), grown(&last.negative, &now.negative))
    else {
        return Conversion::Nothing;
    };
    Conversion::Delta(Value {
        count: now.count - last.count,
        sum: now.sum - last.sum,
        zero_count: now.zero_count.wrapping_sub(last.zero_count),
        positive,
        negative,
        ..now.clone()
    })
}

/// Takes away the buckets up to this one; what they counted.
fn trim(buckets: &mut Buckets, bucket: i32) -> u64 {
    let upto = i64::from(bucket) - i64::from(buckets.offset) + 1;
    let trimmed = usize::try_from(upto).unwrap_or(0).min(buckets.counts.len());
    buckets.offset = buckets.offset.wrapping_add(trimmed as i32);
    buckets.counts.drain(..trimmed).fold(0, u64::wrapping_add)
}

/// Halves the resolution so many times.
fn coarsen(buckets: &mut Buckets, bits: u32) {
    let bits = bits.min(31);
    if bits == 0 {
        return;
    }
    let offset = buckets.offset >> bits;
    let mut counts = Vec::new();
    for (place, count) in buckets.counts.iter().enumerate() {
        let bucket = (i64::from(buckets.offset) + place as i64) >> bits;
        // No larger than where it stood: a shift brings neighbors together.
        let place = usize::try_from(bucket - i64::from(offset)).unwrap_or(0);
        if place >= counts.len() {
            counts.resize(place + 1, 0_u64);
        }
        counts[place] = counts[place].wrapping_add(*count);
    }
    *buckets = Buckets { offset, counts };
}

/// Growth of each bucket, without those at either end that did not grow; none if one shrank.
fn grown(last: &Buckets, now: &Buckets) -> Option<Buckets> {
    let before = |bucket: i64| {
        let place = usize::try_from(bucket - i64::from(last.offset)).ok();
        place.and_then(|place| last.counts.get(place)).copied().unwrap_or(0)
    };
    let missed = (i64::from(now.offset) - i64::from(last.offset)).clamp(0, last.counts.len() as i64);
    if last.counts[..missed as usize].iter().any(|count| *count > 0) {
        return None;
    }
    let mut grown = Buckets::default();
    for (place, count) in now.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let bucket = i64::from(now.offset) + place as i64;
        let more = count.checked_sub(before(bucket))?;
        if more > 0 {
            if grown.counts.is_empty() {
                grown.offset = bucket as i32;
            }
            let at = usize::try_from(bucket - i64::from(grown.offset)).unwrap_or(0);
            grown.counts.resize(at, 0);
            grown.counts.push(more);
        }
    }
    Some(grown)
}
