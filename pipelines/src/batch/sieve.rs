//! An index of some resources only: those that are still wanted once their attributes are known.
//!
//! What is below the others is stepped over: its messages' lengths are checked and its points are counted, and nothing
//! in them is read. Where most of a request is dropped by what its resources are, this is most of the work saved.

use bytes::Bytes;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::Batch;
use super::parse::{Parser, each, parse_into, rows_of};
use super::rows::{MetricKind, ResourceRow};
use super::span::Span;
use super::wire::{Malformed, Reader};

/// Decides what is dropped.
pub(crate) trait Sieve {
    /// Returns whether what it decides of a resource holds for every other that is the same but for its scopes.
    fn remembers(&self) -> bool;

    /// Returns what was decided of a resource with this key: the rule that drops it, if one does.
    fn known(&mut self, key: u128) -> Option<Option<usize>>;

    /// The rule that drops a resource, if one does. Its attributes are indexed, and nothing below it.
    fn decide(&mut self, key: Option<u128>, batch: &Batch, resource: usize) -> Option<usize>;

    /// A rule has dropped so many points.
    fn dropped(&mut self, rule: usize, points: u64);
}

impl Batch {
    /// Like [`Batch::reparse`], but of a resource that is dropped nothing stays but its points' number.
    pub(crate) fn reparse_through(&mut self, source: Bytes, sieve: &mut impl Sieve) -> Result<(), Malformed> {
        self.clear();
        self.source = source;
        let rows = rows_of(self);
        let parsed = parse_into(self, rows, |parser| {
            let mut fields = Reader::new(parser.buf, Span::received(0, parser.buf.len()));
            while let Some(field) = fields.next()? {
                if field.number == 1 {
                    parser.sifted(field.message()?, sieve)?;
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
    /// Indexes a resource, unless it is dropped: then no row of it stays.
    fn sifted(&mut self, raw: Span, sieve: &mut impl Sieve) -> Result<(), Malformed> {
        let mut row = self.resource(raw)?;
        let key = sieve.remembers().then(|| self.key(&row));
        let known = key.and_then(|key| sieve.known(key));
        if let Some(Some(rule)) = known {
            return self.drop_resource(raw, rule, sieve);
        }
        let (rows_left, attrs_before) = (self.rows_left, self.batch.attrs.len());
        self.resource_attributes(&mut row)?;
        let index = self.batch.resources.len();
        if known.is_none() {
            self.batch.resources.push(row);
            let rule = sieve.decide(key, self.batch, index);
            // What is below it has this index as its home: the next to be added.
            self.batch.resources.truncate(index);
            if let Some(rule) = rule {
                self.batch.attrs.truncate(attrs_before);
                self.rows_left = rows_left;
                return self.drop_resource(raw, rule, sieve);
            }
        }
        row.scopes = self.scopes(raw)?;
        self.batch.resources.push(row);
        Ok(())
    }

    /// The same for resources that are the same but for their scopes.
    fn key(&self, row: &ResourceRow) -> u128 {
        let bytes = |span: Span| if span.is_empty() { &[][..] } else { &self.buf[span.start()..span.end()] };
        let seed = if row.schema_url.is_empty() { 0 } else { xxh3_64(bytes(row.schema_url)) };
        xxh3_128_with_seed(bytes(row.own), seed)
    }

    fn drop_resource(&mut self, raw: Span, rule: usize, sieve: &mut impl Sieve) -> Result<(), Malformed> {
        self.batch.changed = true;
        sieve.dropped(rule, self.skim(raw)?);
        Ok(())
    }

    /// Returns the number of points a resource has.
    fn skim(&mut self, resource: Span) -> Result<u64, Malformed> {
        let mut points = 0;
        each(self.buf, resource, 2, |scope| {
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
    each(buf, scope, 2, |metric| {
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
