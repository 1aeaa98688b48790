//! Content of a point: what it measures, so that equal ones are told from others without keeping either.

use std::hash::{DefaultHasher, Hash, Hasher};

use pipelines::Batch;
use pipelines::batch::{MetricKind, Number, PointRow};

/// Content of one point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Content {
    /// Its time, Unix nanoseconds.
    pub time: u64,
    /// Hash of number or distribution, start time and flags. An integer and a double of one value are the same, and 0 and −0.
    pub hash: u64,
    /// The number, or the sum of a distribution, in the metric's unit.
    pub shown: f64,
}

impl Content {
    pub fn of(batch: &Batch, kind: MetricKind, point: &PointRow) -> Self {
        let measured = batch.measured(kind, point);
        let mut hasher = DefaultHasher::new();
        (measured.start, measured.flags).hash(&mut hasher);
        number(measured.value).hash(&mut hasher);
        if let Some(distribution) = measured.distribution {
            (distribution.count, distribution.sum.to_bits(), distribution.rest).hash(&mut hasher);
        }
        let shown = measured.distribution.map_or_else(|| measured.value.as_f64(), |of| Some(of.sum));
        Self { time: point.time, hash: hasher.finish(), shown: shown.unwrap_or(f64::NAN) }
    }
}

/// A number as the bits of a double, and what an integer has beyond it.
fn number(value: Number) -> Option<(u64, i128)> {
    let double = value.as_f64()? + 0.0;
    let beyond = match value {
        Number::Int(number) => i128::from(number) - double as i128,
        Number::Double(_) | Number::None => 0,
    };
    Some((double.to_bits(), beyond))
}
