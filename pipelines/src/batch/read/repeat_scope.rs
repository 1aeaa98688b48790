//! Repetition of a scope: one that is, but for times and values, the one before.
//!
//! Times and values of numbers take eight bytes each, whatever they are. So the scope of one process is as long as that
//! of the process before it, and the same byte for byte everywhere else. Where it is, one comparison under a mask takes
//! the place of reading it: its rows are those of the scope before, further on, with times and values of their own.

use crate::batch::rows::{MetricRow, Origin, PointRow};
use crate::batch::span::{Rows, Span};

use super::Parser;
use super::point::plain_head;

/// Number of bytes that are compared at once.
const CHUNK: usize = 256;

/// Layout of the scope that was read last.
#[derive(Clone, Debug, Default)]
pub(in crate::batch) struct ScopeLayout {
    last: Option<ScopeRows>,
    /// Mask of its bytes: ones where a scope that is read like it must have the same.
    mask: Vec<u8>,
    /// True if the mask was made already.
    masked: bool,
}

/// The rows of a scope.
#[derive(Clone, Copy, Debug)]
struct ScopeRows {
    scope: usize,
    points: Rows,
    attrs: Rows,
}

impl ScopeLayout {
    pub(super) fn forget(&mut self) {
        (self.last, self.masked) = (None, false);
    }
}

impl Parser<'_> {
    /// Returns the place where a scope's rows will begin: its points and attributes.
    pub(super) fn rows_begin(&self) -> (u32, u32) {
        (self.batch.points.len() as u32, self.batch.attrs.len() as u32)
    }

    /// The last scope has been read; its rows begin there.
    pub(super) fn scope_was_read(&mut self, (points, attrs): (u32, u32)) {
        let (points_end, attrs_end) = self.rows_begin();
        self.layout.last = self.batch.scopes.len().checked_sub(1).map(|scope| ScopeRows {
            scope,
            points: Rows { start: points, end: points_end },
            attrs: Rows { start: attrs, end: attrs_end },
        });
        self.layout.masked = false;
    }

    /// Returns the number of points of a scope, if it is laid out like the one that was read last.
    pub(super) fn repeated_points(&mut self, raw: Span) -> Option<u64> {
        self.same_layout(raw).map(|last| last.points.len() as u64)
    }

    /// Adds a scope that is laid out like the one that was read last; nothing where it is not, which is no verdict on
    /// it.
    pub(super) fn repeat_scope(&mut self, raw: Span) -> Option<()> {
        let last = self.same_layout(raw)?;
        let scope = self.batch.scopes[last.scope];
        let rows = 1 + scope.metrics.len() + last.points.len() + last.attrs.len();
        self.rows_left = self.rows_left.checked_sub(rows)?;
        let by = (raw.start() - scope.raw.start()) as u32;
        let (points, attrs) = self.rows_begin();
        let metrics = self.batch.metrics.len() as u32;
        let shift = Shift { by, points: points - last.points.start, attrs: attrs - last.attrs.start };
        self.repeat_attributes(last.attrs, by);
        self.repeat_points(last.points, &shift);
        self.batch.metrics.extend_from_within(scope.metrics.range());
        for metric in &mut self.batch.metrics[metrics as usize..] {
            metric.shift(&shift);
        }
        let mut row = scope;
        row.raw = raw;
        row.own = row.own.moved(by);
        row.touched = row.touched.like();
        row.name = row.name.moved(by);
        row.version = row.version.moved(by);
        row.attrs = row.attrs.moved(shift.attrs);
        row.schema_url = row.schema_url.moved(by);
        row.metrics = row.metrics.moved(metrics - scope.metrics.start);
        self.batch.scopes.push(row);
        let masked = self.layout.masked;
        self.scope_was_read((points, attrs));
        self.layout.masked = masked;
        Some(())
    }

    fn repeat_points(&mut self, points: Rows, shift: &Shift) {
        let first = self.batch.points.len();
        let home = self.batch.resources.len() as u32;
        self.batch.points.extend_from_within(points.range());
        for (index, point) in self.batch.points.iter_mut().enumerate().skip(first) {
            point.shift(shift);
            (point.origin, point.home) = (Origin(index as u32), home);
            if point.touched.is_regular()
                && let Some((start, time, value, _)) =
                    plain_head(&self.buf[point.raw.start()..point.raw.end()])
            {
                (point.start, point.time, point.value) = (start, time, value);
            }
        }
    }

    fn same_layout(&mut self, raw: Span) -> Option<ScopeRows> {
        let last = self.layout.last?;
        let before = self.batch.scopes[last.scope].raw;
        if before.len() != raw.len() {
            return None;
        }
        if !self.layout.masked {
            self.make_mask(before, last.points);
        }
        let bytes = |span: Span| &self.buf[span.start()..span.end()];
        same_under(&self.layout.mask, bytes(before), bytes(raw)).then_some(last)
    }

    fn make_mask(&mut self, scope: Span, points: Rows) {
        let mask = &mut self.layout.mask;
        mask.clear();
        mask.resize(scope.len(), 0xff);
        for point in self.batch.points[points.range()].iter().filter(|point| point.touched.is_regular()) {
            let bytes = &self.buf[point.raw.start()..point.raw.end()];
            let Some((.., head)) = plain_head(bytes) else { continue };
            let at = point.raw.start() - scope.start();
            // Each behind a tag of one byte.
            for field in (at..at + head).step_by(9) {
                mask[field + 1..field + 9].fill(0);
            }
        }
        self.layout.masked = true;
    }
}

/// Distance from a row to its repetition: bytes, points and attributes.
struct Shift {
    by: u32,
    points: u32,
    attrs: u32,
}

impl MetricRow {
    fn shift(&mut self, shift: &Shift) {
        self.raw = self.raw.moved(shift.by);
        self.data = self.data.moved(shift.by);
        self.touched = self.touched.like();
        self.name = self.name.moved(shift.by);
        self.description = self.description.moved(shift.by);
        self.unit = self.unit.moved(shift.by);
        self.points = self.points.moved(shift.points);
    }
}

impl PointRow {
    fn shift(&mut self, shift: &Shift) {
        self.raw = self.raw.moved(shift.by);
        self.touched = self.touched.like();
        self.attrs = self.attrs.moved(shift.attrs);
    }
}

/// Returns whether two texts as long as the mask are the same where it has ones.
fn same_under(mask: &[u8], one: &[u8], other: &[u8]) -> bool {
    let ((masks, mask), (ones, one), (others, other)) =
        (mask.as_chunks::<CHUNK>(), one.as_chunks::<CHUNK>(), other.as_chunks::<CHUNK>());
    let whole = masks.iter().zip(ones).zip(others);
    whole.into_iter().all(|((mask, one), other)| differences(mask, one, other) == 0)
        && differences(mask, one, other) == 0
}

#[inline(always)]
fn differences(mask: &[u8], one: &[u8], other: &[u8]) -> u8 {
    mask.iter().zip(one).zip(other).fold(0, |found, ((mask, one), other)| found | (one ^ other) & mask)
}
