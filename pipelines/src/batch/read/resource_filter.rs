//! An index of some resources only: those that are still wanted once their attributes are known.
//!
//! What is below the others is stepped over: its messages' lengths are checked and its points are counted, and nothing
//! in them is read. Where most of a request is dropped by what its resources are, this is most of the work saved.

use bytes::Bytes;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::Batch;
use crate::batch::rows::{MetricKind, ResourceRow};
use crate::batch::span::Span;
use crate::batch::wire::{Malformed, Reader, each};

use super::{Parser, parse_into, rows_of};

/// Decision about resources while a request is read.
pub(crate) trait ResourceFilter {
    /// Returns whether what it decides of a resource holds for every other that is the same but for its scopes.
    fn remembers(&self) -> bool;

    /// Returns what was decided of a resource with this key: the rule that drops it, if one does.
    fn known(&mut self, key: u128) -> Option<Option<usize>>;

    /// The rule that drops a resource, if one does. Its attributes are indexed, and nothing below it.
    fn decide(&mut self, key: Option<u128>, batch: &Batch, resource: usize) -> Option<usize>;

    /// Counts so many points as dropped by a rule.
    fn dropped(&mut self, rule: usize, points: u64);
}

impl Batch {
    /// Indexes a request as [`Batch::reparse`] does, but of a resource that is dropped only points are counted.
    pub(crate) fn reparse_filtered(
        &mut self,
        source: Bytes,
        filter: &mut impl ResourceFilter,
    ) -> Result<(), Malformed> {
        self.clear();
        self.source = source;
        let rows = rows_of(self);
        let parsed = parse_into(self, rows, |parser| {
            let mut fields = Reader::new(parser.buf, Span::received(0, parser.buf.len()));
            while let Some(field) = fields.next()? {
                if field.number == 1 {
                    parser.filtered_resource(field.message()?, filter)?;
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
    fn filtered_resource(&mut self, raw: Span, filter: &mut impl ResourceFilter) -> Result<(), Malformed> {
        let mut row = self.resource(raw)?;
        let key = filter.remembers().then(|| self.key(&row));
        let known = key.and_then(|key| filter.known(key));
        if let Some(Some(rule)) = known {
            return self.drop_resource(raw, rule, filter);
        }
        let (rows_left, attrs_before) = (self.rows_left, self.batch.attrs.len());
        self.resource_attributes(&mut row)?;
        let index = self.batch.resources.len();
        if known.is_none() {
            self.batch.resources.push(row);
            let rule = filter.decide(key, self.batch, index);
            // What is below it has this index as its home: the next to be added.
            self.batch.resources.truncate(index);
            if let Some(rule) = rule {
                self.batch.attrs.truncate(attrs_before);
                self.rows_left = rows_left;
                return self.drop_resource(raw, rule, filter);
            }
        }
        row.scopes = self.scopes(raw)?;
        self.batch.resources.push(row);
        Ok(())
    }

    /// Key of a resource: the same for those that are the same but for their scopes.
    fn key(&self, row: &ResourceRow) -> u128 {
        let bytes = |span: Span| if span.is_empty() { &[][..] } else { &self.buf[span.start()..span.end()] };
        let seed = if row.schema_url.is_empty() { 0 } else { xxh3_64(bytes(row.schema_url)) };
        xxh3_128_with_seed(bytes(row.own), seed)
    }

    fn drop_resource(
        &mut self,
        raw: Span,
        rule: usize,
        filter: &mut impl ResourceFilter,
    ) -> Result<(), Malformed> {
        self.batch.changed = true;
        filter.dropped(rule, self.count_points(raw)?);
        Ok(())
    }

    /// Returns the number of points a resource has.
    fn count_points(&mut self, resource: Span) -> Result<u64, Malformed> {
        let mut points = 0;
        each(self.buf, resource, 2, |scope| {
            points += match self.repeated_points(scope) {
                Some(points) => points,
                None => count_scope(self.buf, scope)?,
            };
            Ok(())
        })?;
        Ok(points)
    }
}

fn count_scope(buf: &[u8], scope: Span) -> Result<u64, Malformed> {
    let mut points = 0;
    each(buf, scope, 2, |metric| {
        let mut fields = Reader::new(buf, metric);
        // Name, description and unit: encoders write them first.
        for text in 1..=3 {
            fields.framed(text << 3 | 2);
        }
        while let Some(field) = fields.next()? {
            if MetricKind::from_field(field.number).is_some() {
                points += count_data(buf, field.message()?)?;
            }
        }
        Ok(())
    })?;
    Ok(points)
}

fn count_data(buf: &[u8], data: Span) -> Result<u64, Malformed> {
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
