//! Fields of the messages that the writer encodes again.

use crate::batch::rows::{AttrRow, Cell, Number, PointRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::Reader;

use super::Writer;
use super::backward::Output;

impl<O: Output> Writer<'_, O> {
    /// Writes the bytes that a span points to, as they stand.
    pub(super) fn span(&mut self, span: Span) {
        if !span.is_empty() {
            self.out.splice(self.batch.whole(span), span.start(), span.end());
        }
    }

    /// Start, time and value of a number point, in one piece where all are there.
    pub(super) fn head(&mut self, row: &PointRow) {
        let (tag, bits) = match row.value {
            Number::Int(value) => (6 << 3 | 1, value as u64),
            Number::Double(value) => (4 << 3 | 1, value.to_bits()),
            Number::None => {
                self.fixed64(3, row.time);
                return self.fixed64(2, row.start);
            }
        };
        let mut head = [0_u8; 27];
        for (at, (tag, bits)) in
            [(2 << 3 | 1, row.start), (3 << 3 | 1, row.time), (tag, bits)].iter().enumerate()
        {
            head[9 * at] = *tag;
            head[9 * at + 1..9 * at + 9].copy_from_slice(&bits.to_le_bytes());
        }
        // What is zero is left out.
        match (row.start, row.time) {
            (_, 0) => {
                self.out.put(&head[18..]);
                self.fixed64(2, row.start);
            }
            (0, _) => self.out.put(&head[9..]),
            _ => self.out.put(&head),
        }
    }

    pub(super) fn fixed64(&mut self, number: u8, value: u64) {
        if value != 0 {
            self.out.put(&value.to_le_bytes());
            self.out.put(&[number << 3 | 1]);
        }
    }

    pub(super) fn text(&mut self, number: u32, span: Span) {
        if !span.is_empty() {
            self.field(number, span);
        }
    }

    fn field(&mut self, number: u32, span: Span) {
        let end = self.out.written();
        self.span(span);
        self.out.close(number, end);
    }

    /// Attributes that stand one after the other, each as this field, are spliced together.
    pub(super) fn attributes(&mut self, rows: Rows, number: u32) {
        let mut run: Option<(&[u8], usize, usize)> = None;
        for attr in self.batch.attributes(rows).iter().rev() {
            let whole = self.batch.whole(attr.raw);
            if let Some(from) = framed(whole, attr.raw, number) {
                run = match run {
                    Some((same, start, to)) if start == attr.raw.end() && same.as_ptr() == whole.as_ptr() => {
                        Some((same, from, to))
                    }
                    before => {
                        self.end_run(before);
                        Some((whole, from, attr.raw.end()))
                    }
                };
                continue;
            }
            self.end_run(run.take());
            let end = self.out.written();
            self.attribute(attr);
            self.out.close(number, end);
        }
        self.end_run(run);
    }

    fn end_run(&mut self, run: Option<(&[u8], usize, usize)>) {
        if let Some((whole, from, to)) = run {
            self.out.splice(whole, from, to);
        }
    }

    pub(super) fn attribute(&mut self, attr: &AttrRow) {
        if !attr.raw.is_none() {
            return self.span(attr.raw);
        }
        let end = self.out.written();
        match attr.value {
            Cell::Empty => {}
            Cell::Text(span) => self.field(1, span),
            Cell::Bool(bit) => self.out.put(&[2 << 3, u8::from(bit)]),
            Cell::Int(value) => {
                self.out.varint(value as u64);
                self.out.put(&[3 << 3]);
            }
            Cell::Double(value) => {
                self.out.put(&value.to_bits().to_le_bytes());
                self.out.put(&[4 << 3 | 1]);
            }
            Cell::List(span) => self.field(5, span),
            Cell::Map(span) => self.field(6, span),
            Cell::Bytes(span) => self.field(7, span),
        }
        self.out.close(2, end);
        self.field(1, attr.key);
    }

    /// Copies every field of the received message but those whose numbers are named.
    pub(super) fn splice_except(&mut self, raw: Span, except: &[u32]) {
        if raw.is_empty() {
            return;
        }
        self.pieces.clear();
        let whole = self.batch.whole(raw);
        let mut fields = Reader::new(whole, raw);
        let mut from = raw.start();
        // What was parsed reads again; the loop ends at the message's end.
        while let Ok(Some(field)) = fields.next() {
            if except.contains(&field.number) {
                if field.at > from {
                    self.pieces.push(Span::received(from, field.at - from));
                }
                from = fields.position();
            }
        }
        if raw.end() > from {
            self.out.put(&whole[from..raw.end()]);
        }
        while let Some(piece) = self.pieces.pop() {
            self.out.put(&whole[piece.start()..piece.end()]);
        }
    }
}

/// Returns the place where an attribute begins with tag and length, if it stands in its buffer as this field.
#[inline]
fn framed(whole: &[u8], raw: Span, number: u32) -> Option<usize> {
    let from = raw.start().checked_sub(2)?;
    let begins = *whole.get(from..)?.first_chunk::<2>()? == [(number << 3 | 2) as u8, raw.len() as u8];
    (begins && number < 16 && raw.len() < 128 && !raw.is_none()).then_some(from)
}
