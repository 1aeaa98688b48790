//! Histograms added up, bucket by bucket. One without observations adds nothing.

use crate::Batch;
use crate::batch::PointRow;
use crate::batch::data::{Buckets, Exponential, Histogram};

/// Merges histograms of equal bounds; returns the result and their earliest start.
pub(super) fn histogram(batch: &Batch, group: &[PointRow]) -> (Histogram, u64) {
    let mut merged = Histogram::read(batch.bytes(group[0].raw));
    let mut start = group[0].start;
    for point in &group[1..] {
        let other = Histogram::read(batch.bytes(point.raw));
        if other.count == 0 {
            continue;
        }
        merged.count = merged.count.wrapping_add(other.count);
        merged.sum = Some(merged.sum.unwrap_or(0.0) + other.sum.unwrap_or(0.0));
        merged.min = least(merged.min, other.min);
        merged.max = most(merged.max, other.max);
        add(&mut merged.counts, &other.counts);
        merged.exemplars.extend(other.exemplars);
        start = start.min(point.start);
    }
    (merged, start)
}

fn least(own: Option<f64>, other: Option<f64>) -> Option<f64> {
    own.map(|own| if own > other.unwrap_or(0.0) { other.unwrap_or(0.0) } else { own })
}

fn most(own: Option<f64>, other: Option<f64>) -> Option<f64> {
    own.map(|own| if own < other.unwrap_or(0.0) { other.unwrap_or(0.0) } else { own })
}

fn add(to: &mut Vec<u64>, from: &[u64]) {
    if from.len() > to.len() {
        to.resize(from.len(), 0);
    }
    to.iter_mut().zip(from).for_each(|(to, from)| *to = to.wrapping_add(*from));
}

/// Merges exponential histograms of one scale; returns the result and their earliest start.
pub(super) fn exponential(batch: &Batch, group: &[PointRow]) -> (Exponential, u64) {
    let mut merged = Exponential::read(batch.bytes(group[0].raw));
    let mut start = group[0].start;
    for point in &group[1..] {
        let other = Exponential::read(batch.bytes(point.raw));
        if other.count == 0 {
            continue;
        }
        merged.count = merged.count.wrapping_add(other.count);
        merged.sum = Some(merged.sum.unwrap_or(0.0) + other.sum.unwrap_or(0.0));
        merged.zero_count = merged.zero_count.wrapping_add(other.zero_count);
        merged.min = least(merged.min, other.min);
        merged.max = most(merged.max, other.max);
        merge(&mut merged.negative, &other.negative);
        merge(&mut merged.positive, &other.positive);
        merged.exemplars.extend(other.exemplars);
        start = start.min(point.start);
    }
    (merged, start)
}

/// Distance of two offsets up to which the buckets between them are filled with zeros.
const MAX_APART: usize = 1 << 20;

/// Adds buckets as the Collector does. Lower ones are put in front without those that are empty, which moves the
/// rest when there is a gap: so it is there.
fn merge(to: &mut Buckets, from: &Buckets) {
    if to.offset == from.offset {
        return add(&mut to.counts, &from.counts);
    }
    if from.offset < to.offset {
        let lower = from.counts.iter().copied().filter(|count| *count > 0);
        to.counts.splice(0..0, lower);
    } else {
        let apart = (i64::from(from.offset) - i64::from(to.offset)) as usize;
        for (place, count) in from.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let place = place + apart;
            if place >= to.counts.len() {
                to.counts.resize((place + 1).min(MAX_APART), 0);
            }
            if let Some(own) = to.counts.get_mut(place) {
                *own = own.wrapping_add(*count);
            }
        }
    }
    if !from.counts.is_empty() {
        to.offset = to.offset.min(from.offset);
        let zeros = to.counts.iter().take_while(|count| **count == 0).count();
        to.counts.drain(..zeros);
    }
}
