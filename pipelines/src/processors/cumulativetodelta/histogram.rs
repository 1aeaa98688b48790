//! Histograms with explicit bounds.

use crate::batch::data::Histogram;
use crate::stage::Saved;

use super::Conversion;

/// Remembered part of a point.
#[derive(Debug, Clone)]
pub(super) struct Value {
    count: u64,
    sum: f64,
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

impl Value {
    pub(super) fn of(point: &Histogram) -> Self {
        let (bounds, counts) = (point.bounds.clone(), point.counts.clone());
        Self { count: point.count, sum: point.sum.unwrap_or(0.0), bounds, counts }
    }

    /// Bytes of memory that it points to.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.bounds) + size_of_val(&*self.counts)
    }

    /// Makes a point of it. A sum that was not there, or is no number, stays as it is; minimum and maximum of a
    /// delta are not known.
    pub(super) fn put(self, point: &mut Histogram) {
        point.count = self.count;
        if point.sum.is_some_and(|sum| !sum.is_nan()) {
            point.sum = Some(self.sum);
        }
        point.counts = self.counts;
        (point.min, point.max) = (None, None);
    }
}

impl Saved for Value {
    fn save(&self, out: &mut Vec<u8>) {
        (self.count, self.sum).save(out);
        self.bounds.save(out);
        self.counts.save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let ((count, sum), (bounds, counts)) = Saved::restore(from)?;
        Some(Self { count, sum, bounds, counts })
    }
}

/// Difference between `last` and `now`. A point with other bounds is what the next counts from; one that counts less
/// than before is not.
pub(super) fn difference(last: &mut Value, now: &mut Value) -> Conversion<Value> {
    if now.sum.is_nan() {
        now.sum = last.sum;
    }
    if now.counts.len() != last.counts.len() || now.bounds != last.bounds {
        return Conversion::Reference;
    }
    let fell = now.counts.iter().zip(&last.counts).any(|(now, last)| now < last);
    if now.count < last.count || fell {
        return Conversion::Nothing;
    }
    let counts = now.counts.iter().zip(&last.counts).map(|(now, last)| now - last).collect();
    let (count, sum) = (now.count - last.count, now.sum - last.sum);
    Conversion::Delta(Value { count, sum, bounds: Vec::new(), counts })
}
