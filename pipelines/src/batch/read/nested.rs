//! Reading what the index does not hold: nested values, and fields of the received messages that few ask for.
//!
//! Everything here was checked by [`Batch::parse`] already or was encoded by us, so what does not read is
//! taken as absent.

use crate::batch::rows::{MetricKind, MetricRow, PointRow, ResourceRow, ScopeRow};
use crate::batch::span::Span;
use crate::batch::wire::{Reader, Wire};
use crate::batch::{Batch, Value};

use super::attribute::{read_key_value, read_value};

/// The items of an encoded `ArrayValue`.
pub(crate) fn items(list: &[u8]) -> impl Iterator<Item = Value<'_>> {
    messages(list, 1).map(|item| read_value(list, item, 0).map_or(Value::Empty, |cell| Value::of(list, cell)))
}

/// The entries of a message that repeats `KeyValue` in field `number`; 1 is a `KeyValueList`.
pub(crate) fn entries(map: &[u8], number: u32) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    messages(map, number).filter_map(move |pair| {
        let attr = read_key_value(map, pair, 0).ok()?;
        Some((Value::bytes(map, attr.key), Value::of(map, attr.value)))
    })
}

/// Iterates over field `number`, which is a message or text, each time that it occurs.
fn messages(buf: &[u8], number: u32) -> impl Iterator<Item = Span> {
    let mut fields = Reader::new(buf, Span::received(0, buf.len()));
    std::iter::from_fn(move || {
        while let Ok(Some(field)) = fields.next() {
            if let (true, Wire::Len(span)) = (field.number == number, field.value) {
                return Some(span);
            }
        }
        None
    })
}

/// The last value of a numeric field, as its bits.
fn number(buf: &[u8], number: u32) -> Option<u64> {
    let mut fields = Reader::new(buf, Span::received(0, buf.len()));
    let mut found = None;
    while let Ok(Some(field)) = fields.next() {
        match field.value {
            Wire::Varint(bits) | Wire::Fixed64(bits) if field.number == number => found = Some(bits),
            _ => {}
        }
    }
    found
}

/// Observations that a point of a histogram or of a summary stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observations {
    /// Number of them.
    pub count: u64,
    /// Sum of their values; a histogram need not have one, and a summary has 0 if it says none.
    pub sum: Option<f64>,
}

impl Batch {
    /// The observations of a point of a histogram, an exponential histogram or a summary: fields 4 and 5 in all three.
    pub fn observations(&self, kind: MetricKind, row: &PointRow) -> Observations {
        let point = self.bytes(row.raw);
        let sum = number(point, 5).map(f64::from_bits);
        let unsaid = (kind == MetricKind::Summary).then_some(0.0);
        Observations { count: number(point, 4).unwrap_or(0), sum: sum.or(unsaid) }
    }

    /// The entries of a histogram's point (`bucket_counts`, each 8 bytes) or of a summary's (`quantile_values`): field
    /// 6 in both; 0 for other kinds.
    pub fn entry_count(&self, metric: &MetricRow, row: &PointRow) -> u32 {
        let point = self.bytes(row.raw);
        let spans = messages(point, 6);
        let entries = match metric.kind {
            MetricKind::Histogram => spans.map(|span| span.len() / 8).sum(),
            MetricKind::Summary => spans.count(),
            _ => 0,
        };
        u32::try_from(entries).unwrap_or(u32::MAX)
    }

    /// The resource's `dropped_attributes_count`.
    pub(crate) fn resource_dropped_attributes(&self, row: &ResourceRow) -> u64 {
        number(self.bytes(row.own), 2).unwrap_or(0)
    }

    /// The scope's `dropped_attributes_count`.
    pub(crate) fn scope_dropped_attributes(&self, row: &ScopeRow) -> u64 {
        number(self.bytes(row.own), 4).unwrap_or(0)
    }

    /// The received encoding of a metric, whose field 12 repeats its metadata.
    pub(crate) fn metric_encoding(&self, row: &MetricRow) -> &[u8] {
        self.bytes(row.raw)
    }

    /// The bits of a numeric field of a point, as it was received.
    pub(crate) fn point_field(&self, row: &PointRow, field: u32) -> Option<u64> {
        number(self.bytes(row.raw), field)
    }

    /// Returns the number of times a message stands in a field of a point.
    pub(crate) fn point_parts(&self, row: &PointRow, field: u32) -> usize {
        messages(self.bytes(row.raw), field).count()
    }

    /// The bits of a numeric field of a message that a point holds; the message may be missing.
    pub(crate) fn point_inner_field(&self, row: &PointRow, message: u32, field: u32) -> Option<u64> {
        let raw = self.bytes(row.raw);
        let inner = messages(raw, message).last()?;
        number(Value::bytes(raw, inner), field)
    }
}
