//! The splicing writer.
//!
//! It writes from the end of its buffer to the front: a message's length is known once its content stands, so
//! nested messages need neither a second pass nor placeholders. What nobody touched is copied as one range, a
//! touched row's own fields are encoded again and everything else in it is spliced, unknown fields included.

mod backward;
mod fields;
mod rows;

use bytes::Bytes;

use super::Batch;
use super::data::write;
use super::rows::{AttrRow, Cell, LEFT_OUT, MIXED, MetricKind, PointRow, ResourceRow, ScopeRow};
use super::span::Span;
use super::wire::varint_len;

use backward::{Backward, Counter, Output};

/// Part of a batch that is to be written.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// Everything.
    All,
    /// Points of those input resources for which this holds, by index of the input resource.
    Homes(&'a [bool]),
}

impl Keep<'_> {
    fn keeps(self, home: u32) -> bool {
        match self {
            Self::All => home != LEFT_OUT,
            Self::Homes(homes) => homes.get(home as usize).copied().unwrap_or(false),
        }
    }
}

/// A batch on the wire.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// An `ExportMetricsServiceRequest`; empty where nothing was kept.
    pub bytes: Bytes,
    /// Data points in it.
    pub points: u64,
}

impl Batch {
    /// Writes the batch. An unchanged one written whole is the received bytes themselves.
    #[must_use]
    pub fn encode(&self, keep: Keep<'_>) -> Encoded {
        if matches!(keep, Keep::All) && !self.changed {
            return Encoded { bytes: self.source.clone(), points: self.point_count() as u64 };
        }
        if let Some(whole) = self.encode_whole(keep) {
            return whole;
        }
        let mut writer = Writer::new(self, keep, Backward::with_capacity(self.room(keep)));
        writer.request();
        Encoded { bytes: writer.out.into_bytes(), points: writer.points }
    }

    /// Writes the batch if every resource that is kept is as it was received: one after the other, from the front, in a
    /// buffer that need not be filled first.
    fn encode_whole(&self, keep: Keep<'_>) -> Option<Encoded> {
        let as_received = |row: &ResourceRow| {
            !row.touched.any() && !row.raw.is_none() && !row.raw.is_scratch() && row.home != MIXED
        };
        if !self.resources.iter().all(as_received) {
            return None;
        }
        let kept = || self.resources.iter().filter(|row| keep.keeps(row.home));
        let mut bytes =
            Vec::with_capacity(kept().map(|row| 1 + varint_len(row.raw.len() as u64) + row.raw.len()).sum());
        let mut points = 0;
        for row in kept() {
            write::message(&mut bytes, 1, self.bytes(row.raw));
            points += self.count(row);
        }
        Some(Encoded { bytes: bytes.into(), points })
    }

    fn count(&self, row: &ResourceRow) -> u64 {
        let metrics = self.scopes(row).iter().flat_map(|scope| self.metrics(scope));
        metrics.map(|metric| metric.points.len() as u64).sum()
    }

    /// Estimate of the encoded length in bytes: what was received of the resources that are written, and something for
    /// what was changed. A buffer is filled with zeros first, so a large one for a small output costs.
    fn room(&self, keep: Keep<'_>) -> usize {
        let mut room = 64;
        for row in &self.resources {
            if row.raw.is_none() || row.home == MIXED {
                return self.source.len() + 64;
            }
            if keep.keeps(row.home) {
                let more = if row.touched.any() { row.raw.len() / 8 + 64 } else { 8 };
                room += row.raw.len() + more;
            }
        }
        room
    }

    /// Returns the number of bytes [`Batch::encode`] of everything would take, without writing them.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        if !self.changed {
            return self.source.len();
        }
        let mut writer = Writer::new(self, Keep::All, Counter(0));
        writer.request();
        writer.out.0
    }
}

impl Batch {
    /// Appends a point of a metric of this kind as it would be written, without a field number before it.
    pub(crate) fn write_point(&self, row: &PointRow, kind: MetricKind, out: &mut Vec<u8>) {
        if row.touched.any() {
            return self.write_part(row.raw.len() + 128, out, |writer| writer.point_fields(row, kind));
        }
        out.extend_from_slice(self.bytes(row.raw));
    }

    /// Appends a resource as field 1 of its `ResourceMetrics`.
    pub(crate) fn write_resource(&self, row: &ResourceRow, out: &mut Vec<u8>) {
        self.write_part(row.own.len() + 256, out, |writer| writer.resource_own(row));
    }

    /// Appends a scope as field 1 of its `ScopeMetrics`.
    pub(crate) fn write_scope(&self, row: &ScopeRow, out: &mut Vec<u8>) {
        self.write_part(row.own.len() + 128, out, |writer| writer.scope_own(row));
    }

    /// Puts a whole attribute into the scratch buffer. A stage does so once a batch for what its config says.
    pub(crate) fn intern_attribute(&mut self, key: &[u8], value: Cell) -> AttrRow {
        let bare = AttrRow::bare(self.intern(key), value);
        let mut encoded = Vec::new();
        self.write_part(key.len() + 64, &mut encoded, |writer| writer.attribute(&bare));
        let raw = self.intern(&encoded);
        let key = Span::scratch(raw.start() + 1 + varint_len(key.len() as u64), key.len());
        let last = |span: Span| Span::scratch(raw.end() - span.len(), span.len());
        let (value, canonical) = match value {
            Cell::Text(span) => (Cell::Text(last(span)), true),
            Cell::Bytes(span) => (Cell::Bytes(last(span)), true),
            Cell::List(span) => (Cell::List(last(span)), false),
            Cell::Map(span) => (Cell::Map(last(span)), false),
            value => (value, true),
        };
        AttrRow { raw, canonical, key, value }
    }

    fn write_part(&self, capacity: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_, Backward>)) {
        let mut writer = Writer::new(self, Keep::All, Backward::with_capacity(capacity));
        write(&mut writer);
        out.extend_from_slice(writer.out.written_bytes());
    }
}

/// State of the way through a batch that is written.
struct Writer<'a, O> {
    batch: &'a Batch,
    keep: Keep<'a>,
    out: O,
    points: u64,
    /// Ranges of a message that are spliced around what is encoded again.
    pieces: Vec<Span>,
}

impl<'a, O: Output> Writer<'a, O> {
    fn new(batch: &'a Batch, keep: Keep<'a>, out: O) -> Self {
        Self { batch, keep, out, points: 0, pieces: Vec::new() }
    }
}
