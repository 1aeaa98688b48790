//! Metrics of the index, and their data.

use crate::batch::rows::{Marks, MetricKind, MetricRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::{Malformed, Reader, once, varint_len};

use super::attribute::check_key_value;
use super::{Parser, Shape};

impl Parser<'_> {
    pub(super) fn metric(&mut self, raw: Span) -> Result<(), Malformed> {
        self.row(raw.start())?;
        let at = self.batch.metrics.len();
        let like = self.predecessors.next().and_then(|predecessor| self.repeat_metric(raw, predecessor));
        let shape = if like.is_some() { Shape::Regular } else { self.metric_fields(raw)? };
        let first = self.batch.points.len() as u32;
        let plain = self.data(at, like.clone().unwrap_or_default())?;
        let row = &mut self.batch.metrics[at];
        row.points = Rows { start: first, end: self.batch.points.len() as u32 };
        row.touched = match (plain, shape) {
            (true, Shape::Regular) => Marks::regular(like.is_some()),
            (plain, shape) => Marks::received(plain && shape.is_plain()),
        };
        Ok(())
    }

    /// All of a metric but what is in its data.
    fn metric_fields(&mut self, raw: Span) -> Result<Shape, Malformed> {
        let mut row = MetricRow {
            raw,
            data: Span::NONE,
            touched: Marks::default(),
            digest: 0,
            name: Span::NONE,
            description: Span::NONE,
            unit: Span::NONE,
            kind: MetricKind::None,
            temporality: 0,
            monotonic: false,
            points: Rows::default(),
        };
        let (mut plain, mut regular) = (true, false);
        let mut fields = Reader::new(self.buf, raw);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => row.name = self.text(field.message()?)?,
                2 => row.description = self.text(field.message()?)?,
                3 => row.unit = self.text(field.message()?)?,
                // Metadata: carried along, but its values must be readable all the same.
                12 => {
                    check_key_value(self.buf, field.message()?, 0)?;
                    plain = false;
                }
                number => match MetricKind::from_field(number) {
                    Some(kind) => {
                        row.data = once(row.data, field.message()?)?;
                        row.kind = kind;
                        let framed = field.at + 1 + varint_len(row.data.len() as u64);
                        regular = row.data.end() == raw.end() && row.data.start() == framed;
                    }
                    None => plain = false,
                },
            }
        }
        self.batch.metrics.push(row);
        Ok(match (plain, regular) {
            (true, true) => Shape::Regular,
            (true, false) => Shape::Plain,
            (false, _) => Shape::Odd,
        })
    }

    /// Reads a metric's data, of which `predecessors` are the points in the scope before. Returns whether it holds
    /// nothing but what the rows do.
    fn data(&mut self, metric: usize, mut predecessors: std::ops::Range<usize>) -> Result<bool, Malformed> {
        let MetricRow { data, kind, .. } = self.batch.metrics[metric];
        if data.is_none() {
            return Ok(true);
        }
        let (mut plain, mut temporality, mut monotonic) = (true, 0, false);
        let mut fields = Reader::new(self.buf, data);
        loop {
            while let Some(point) = fields.framed(1 << 3 | 2) {
                self.point(point, kind, predecessors.next())?;
            }
            if let (MetricKind::Sum, [0x10, kept @ ..=0x7f, 0x18, rises @ ..=0x7f]) = (kind, fields.rest()) {
                (temporality, monotonic) = (*kept, *rises != 0);
                break;
            }
            let Some(field) = fields.next()? else { break };
            match (field.number, kind) {
                (1, _) => self.point(field.message()?, kind, predecessors.next())?,
                (2, MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram) => {
                    temporality = field.varint()?.min(255) as u8;
                }
                (3, MetricKind::Sum) => monotonic = field.varint()? != 0,
                _ => plain = false,
            }
        }
        let row = &mut self.batch.metrics[metric];
        (row.temporality, row.monotonic) = (temporality, monotonic);
        Ok(plain)
    }
}
