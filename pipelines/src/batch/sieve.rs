//! An index of some resources only: those that are still wanted once their attributes are known.
//!
//! What is below the others is stepped over: its messages' lengths are checked and its points are counted, and nothing
//! in them is read. Where most of a request is dropped by what its resources are, this is most of the work saved.

use bytes::Bytes;

use super::Batch;
use super::parse::{Parser, once, parse_into, rows_of};
use super::rows::{MetricKind, ResourceRow, Touched};
use super::span::{Rows, Span};
use super::wire::{Malformed, Reader};

impl Batch {
    /// Like [`Batch::reparse`], but of a resource for which `drops` names a reason nothing stays but its points' number,
    /// which `dropped` is told with the reason. `drops` is asked when the resource's attributes are indexed, and
    /// nothing below it.
    pub(crate) fn reparse_without(
        &mut self,
        source: Bytes,
        mut drops: impl FnMut(&Self, usize) -> Option<usize>,
        mut dropped: impl FnMut(usize, u64),
    ) -> Result<(), Malformed> {
        self.clear();
        self.source = source;
        let rows = rows_of(self);
        let parsed = parse_into(self, rows, |parser| {
            let mut fields = Reader::new(parser.buf, Span::received(0, parser.buf.len()));
            while let Some(field) = fields.next()? {
                if field.number != 1 {
                    continue;
                }
                let raw = field.message()?;
                match parser.sieve(raw, &mut drops)? {
                    Some(reason) => dropped(reason, parser.skim(raw)?),
                    None => parser.resource_metrics(raw)?,
                }
            }
            Ok(())
        });
        if parsed.is_err() {
            self.clear();
        }
        parsed
    }
}

impl Parser<'_> {
    /// Why a resource is dropped, if it is. No row of it stays.
    fn sieve(
        &mut self,
        raw: Span,
        drops: &mut impl FnMut(&Batch, usize) -> Option<usize>,
    ) -> Result<Option<usize>, Malformed> {
        let (mut own, mut schema_url) = (Span::NONE, Span::NONE);
        let mut fields = Reader::new(self.buf, raw);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own = once(own, field.message()?)?,
                3 => schema_url = self.text(field.message()?)?,
                _ => {}
            }
        }
        let (rows_left, attrs_before) = (self.rows_left, self.batch.attrs.len());
        let attrs = self.attributes(own, 1)?;
        let (touched, scopes) = (Touched::default(), Rows::default());
        let index = self.batch.resources.len();
        let home = index as u32;
        let row = ResourceRow { raw, own, touched, digest: 0, attrs, schema_url, scopes, home };
        self.batch.resources.push(row);
        let reason = drops(self.batch, index);
        self.batch.resources.truncate(index);
        self.batch.attrs.truncate(attrs_before);
        self.batch.changed |= reason.is_some();
        self.rows_left = rows_left;
        Ok(reason)
    }

    /// How many points a resource has.
    fn skim(&mut self, resource: Span) -> Result<u64, Malformed> {
        let mut points = 0;
        messages(self.buf, resource, |scope| {
            points += match self.points_like(scope) {
                Some(points) => points,
                None => skim_scope(self.buf, scope)?,
            };
            Ok(())
        })?;
        Ok(points)
    }
}

fn skim_scope(buf: &[u8], scope: Span) -> Result<u64, Malformed> {
    let mut points = 0;
    messages(buf, scope, |metric| {
        let mut fields = Reader::new(buf, metric);
        // Name, description and unit: encoders write them first.
        for text in 1..=3 {
            fields.framed(text << 3 | 2);
        }
        while let Some(field) = fields.next()? {
            if MetricKind::from_field(field.number).is_some() {
                points += skim_data(buf, field.message()?)?;
            }
        }
        Ok(())
    })?;
    Ok(points)
}

fn skim_data(buf: &[u8], data: Span) -> Result<u64, Malformed> {
    let mut points = 0;
    let mut fields = Reader::new(buf, data);
    loop {
        while fields.framed(1 << 3 | 2).is_some() {
            points += 1;
        }
        let Some(field) = fields.next()? else { return Ok(points) };
        points += u64::from(field.number == 1);
    }
}

/// Calls `each` with what stands in field 2: scopes of a resource, metrics of a scope.
fn messages(
    buf: &[u8],
    of: Span,
    mut each: impl FnMut(Span) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Reader::new(buf, of);
    loop {
        while let Some(message) = fields.framed(2 << 3 | 2) {
            each(message)?;
        }
        let Some(field) = fields.next()? else { return Ok(()) };
        if field.number == 2 {
            each(field.message()?)?;
        }
    }
}
