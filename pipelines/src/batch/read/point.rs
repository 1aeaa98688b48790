//! Data points of the index.

use crate::batch::rows::{Marks, MetricKind, Number, Origin, PointRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::{Malformed, Reader};

use super::{Parser, Shape};

impl Parser<'_> {
    pub(super) fn point(
        &mut self,
        raw: Span,
        kind: MetricKind,
        predecessor: Option<usize>,
    ) -> Result<(), Malformed> {
        self.row(raw.start())?;
        let index = self.batch.points.len() as u32;
        let mut row = PointRow {
            raw,
            touched: Marks::default(),
            origin: Origin(index),
            identity: 0,
            attrs: Rows::default(),
            time: 0,
            start: 0,
            value: Number::None,
            flags: 0,
            home: self.batch.resources.len() as u32,
        };
        row.attrs.start = self.batch.attrs.len() as u32;
        row.touched = match plain_head(&self.buf[raw.start()..raw.end()]) {
            Some((start, time, value, head)) if kind.has_numbers() => {
                (row.start, row.time, row.value) = (start, time, value);
                let tail = Span::received(raw.start() + head, raw.len() - head);
                self.tail(&mut row, kind, tail, predecessor)?
            }
            _ => Marks::received(self.point_fields(&mut row, kind, raw)?.is_plain()),
        };
        row.attrs.end = self.batch.attrs.len() as u32;
        self.batch.points.push(row);
        Ok(())
    }

    /// Reads what follows a point's value, and how it was received: it may be the same as in the predecessor.
    #[inline]
    fn tail(
        &mut self,
        row: &mut PointRow,
        kind: MetricKind,
        tail: Span,
        predecessor: Option<usize>,
    ) -> Result<Marks, Malformed> {
        if let Some(predecessor) = predecessor {
            let predecessor = &self.batch.points[predecessor];
            let attrs = predecessor.attrs;
            if let Some(by) =
                self.repeated_tail(row.raw, tail, predecessor).filter(|_| attrs.len() <= self.rows_left)
            {
                self.rows_left -= attrs.len();
                self.repeat_attributes(attrs, by);
                return Ok(Marks::regular(true));
            }
        }
        Ok(match self.point_fields(row, kind, tail)? {
            Shape::Regular => Marks::regular(false),
            shape => Marks::received(shape.is_plain()),
        })
    }

    /// The fields of a point, or of a part of it: regular where all of them are attributes.
    fn point_fields(&mut self, row: &mut PointRow, kind: MetricKind, of: Span) -> Result<Shape, Malformed> {
        let (attributes, flags) = (kind.attributes_field(), kind.flags_field());
        let mut shape = if kind.has_numbers() { Shape::Regular } else { Shape::Odd };
        let mut fields = Reader::new(self.buf, of);
        while let Some(field) = fields.next()? {
            if field.number == attributes {
                self.attribute(field.message()?)?;
                continue;
            }
            shape = shape.min(Shape::Plain);
            match field.number {
                2 => row.start = field.fixed64()?,
                3 => row.time = field.fixed64()?,
                4 if kind.has_numbers() => row.value = Number::Double(f64::from_bits(field.fixed64()?)),
                6 if kind.has_numbers() => row.value = Number::Int(field.fixed64()? as i64),
                number => {
                    if number == flags {
                        row.flags = field.varint()? as u32;
                    }
                    shape = Shape::Odd;
                }
            }
        }
        Ok(shape)
    }
}

/// Start, time and value of a number point that begins with them, as every encoder writes it, and how many
/// bytes they take. A start of zero is left out by encoders.
#[inline]
pub(super) fn plain_head(point: &[u8]) -> Option<(u64, u64, Number, usize)> {
    let (start, rest) = match point.split_first_chunk::<9>() {
        Some(([0x11, start @ ..], rest)) => (u64::from_le_bytes(*start), rest),
        _ => (0, point),
    };
    let (&[time_tag, time @ ..], after) = rest.split_first_chunk::<9>()?;
    let (&[value_tag, value @ ..], tail) = after.split_first_chunk::<9>()?;
    let value = match (time_tag, value_tag) {
        (0x19, 0x21) => Number::Double(f64::from_le_bytes(value)),
        (0x19, 0x31) => Number::Int(i64::from_le_bytes(value)),
        _ => return None,
    };
    Some((start, u64::from_le_bytes(time), value, point.len() - tail.len()))
}
