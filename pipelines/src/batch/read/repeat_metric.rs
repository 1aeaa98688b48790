//! Repetition of a metric: one that is, but for times and values, the one in the same place of the scope before.
//!
//! The metrics of one process are those of the process before it, in the same order and byte for byte, but for times
//! and values. A metric's *predecessor* is the one in the same place of the scope before. Where all that comes before
//! its data is the predecessor's, or all that follows a point's value, a comparison takes the place of reading it: the
//! same bytes are as well-formed as they were, and mean the same, further on.

use crate::batch::rows::{AttrRow, Cell, MetricRow, PointRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::{Reader, varint_len};

use super::Parser;

impl Parser<'_> {
    /// Adds a metric as its predecessor is, its data still to be read; nothing where it differs, which is no verdict
    /// on it. Returns the predecessor's points.
    #[inline]
    pub(super) fn repeat_metric(&mut self, raw: Span, predecessor: usize) -> Option<std::ops::Range<usize>> {
        let predecessor = &self.batch.metrics[predecessor];
        if !predecessor.touched.is_regular() {
            return None;
        }
        // Up to the tag of the data, and with it.
        let head =
            predecessor.data.start() - varint_len(predecessor.data.len() as u64) - predecessor.raw.start();
        let ours = self.buf[raw.start()..raw.end()].get(..head)?;
        if ours != &self.buf[predecessor.raw.start()..predecessor.raw.start() + head] {
            return None;
        }
        let mut rest = Reader::new(self.buf, Span::received(raw.start() + head, raw.len() - head));
        let len = rest.varint().ok()?;
        let data = rest.position();
        if len != (raw.end() - data) as u64 || data - raw.start() - head != varint_len(len) {
            return None;
        }
        let by = (raw.start() - predecessor.raw.start()) as u32;
        let points = predecessor.points.range();
        let row = MetricRow {
            raw,
            data: Span::received(data, raw.end() - data),
            touched: predecessor.touched,
            digest: 0,
            name: predecessor.name.moved(by),
            description: predecessor.description.moved(by),
            unit: predecessor.unit.moved(by),
            kind: predecessor.kind,
            temporality: 0,
            monotonic: false,
            points: Rows::default(),
        };
        self.batch.metrics.push(row);
        Some(points)
    }

    /// Returns the distance in bytes from a predecessor to this point, if what follows the value is the same in both.
    /// Encoders leave a start of zero out; the first tag tells.
    #[inline]
    pub(super) fn repeated_tail(&self, raw: Span, tail: Span, predecessor: &PointRow) -> Option<u32> {
        let by = raw.start() - predecessor.raw.start();
        let like = predecessor.touched.is_regular()
            && predecessor.raw.len() == raw.len()
            && self.buf[predecessor.raw.start()] == self.buf[raw.start()]
            && self.buf[tail.start() - by..tail.end() - by] == self.buf[tail.start()..tail.end()];
        like.then_some(by as u32)
    }

    /// Repeats a predecessor's attributes so many bytes further on.
    #[inline]
    pub(super) fn repeat_attributes(&mut self, attrs: Rows, by: u32) {
        for attr in attrs.range() {
            let row = self.batch.attrs[attr].moved(by);
            self.batch.attrs.push(row);
        }
    }
}

impl AttrRow {
    #[inline]
    fn moved(&self, by: u32) -> Self {
        let value = match self.value {
            Cell::Text(span) => Cell::Text(span.moved(by)),
            Cell::Bytes(span) => Cell::Bytes(span.moved(by)),
            Cell::List(span) => Cell::List(span.moved(by)),
            Cell::Map(span) => Cell::Map(span.moved(by)),
            value => value,
        };
        Self { raw: self.raw.moved(by), key: self.key.moved(by), value, ..*self }
    }
}
