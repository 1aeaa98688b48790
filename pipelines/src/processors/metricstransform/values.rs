//! Operations on values.

use crate::Batch;
use crate::batch::data::{Exponential, Histogram};
use crate::batch::{MetricKind, Number, Path, PointRow};
use crate::ottl::{cut, scale_exemplars, scale_histogram};

use super::config::Transform;

impl Transform {
    /// Turns integers into doubles and doubles into integers, where the point matches.
    pub(super) fn toggle(&self, batch: &mut Batch, at: Path) {
        if !batch.metric_at(at.metric).kind.has_numbers() {
            return;
        }
        batch.rework_points(at, |batch, _, mut point| {
            if self.matches_point(batch, &point) {
                point.value = match point.value {
                    Number::None => Number::None,
                    Number::Int(value) => Number::Double(value as f64),
                    Number::Double(value) => Number::Int(cut(value)),
                };
                point = batch.touched_point(point);
            }
            Some(point)
        });
    }

    /// Multiplies values, where the point matches. Summaries stay as they are.
    pub(super) fn scale(&self, batch: &mut Batch, at: Path, by: f64) {
        let kind = batch.metric_at(at.metric).kind;
        batch.rework_points(at, |batch, _, point| {
            let matches = self.matches_point(batch, &point);
            Some(if matches { scaled(batch, kind, point, by) } else { point })
        });
    }
}

fn scaled(batch: &mut Batch, kind: MetricKind, mut point: PointRow, by: f64) -> PointRow {
    match kind {
        MetricKind::None | MetricKind::Summary => return point,
        MetricKind::Gauge | MetricKind::Sum => {
            point.value = match point.value {
                Number::None => Number::None,
                Number::Int(value) => Number::Int(cut(value as f64 * by)),
                Number::Double(value) => Number::Double(value * by),
            };
        }
        MetricKind::Histogram => {
            let mut read = Histogram::read(batch.bytes(point.raw));
            scale_histogram(&mut read, by);
            point.raw = batch.intern_with(|out| read.write(out));
        }
        MetricKind::ExponentialHistogram => {
            let mut read = Exponential::read(batch.bytes(point.raw));
            scale_exponential(&mut read, by);
            point.raw = batch.intern_with(|out| read.write(out));
        }
    }
    batch.touched_point(point)
}

/// The buckets move as a whole: counts and scale stay.
fn scale_exponential(point: &mut Exponential, by: f64) {
    for value in [&mut point.sum, &mut point.min, &mut point.max].into_iter().flatten() {
        *value *= by;
    }
    point.zero_threshold *= by;
    for buckets in [&mut point.positive, &mut point.negative] {
        if !buckets.counts.is_empty() {
            buckets.offset = moved(point.scale, buckets.offset, by);
        }
    }
    scale_exemplars(&mut point.exemplars, by);
}

/// The bucket that the middle of a bucket falls into once it is scaled.
fn moved(scale: i32, offset: i32, by: f64) -> i32 {
    let base = (-f64::from(scale)).exp2().exp2();
    let middle = (base.powf(f64::from(offset)) + base.powf(f64::from(offset) + 1.0)) / 2.0;
    let factor = std::f64::consts::LOG2_E * f64::from(scale).exp2();
    (((middle * by).ln() * factor).ceil() - 1.0) as i32
}
