//! Resources and scopes of the index.

use crate::batch::rows::{Marks, ResourceRow, ScopeRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::{Malformed, Reader, each, once};

use super::Parser;

impl Parser<'_> {
    pub(super) fn resource_metrics(&mut self, raw: Span) -> Result<(), Malformed> {
        let mut row = self.resource(raw)?;
        self.resource_attributes(&mut row)?;
        row.scopes = self.scopes(raw)?;
        self.batch.resources.push(row);
        Ok(())
    }

    /// All of a resource but its attributes and scopes.
    pub(super) fn resource(&mut self, raw: Span) -> Result<ResourceRow, Malformed> {
        let (mut own, mut schema_url, mut plain) = (Span::NONE, Span::NONE, true);
        let mut fields = Reader::new(self.buf, raw);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own = once(own, field.message()?)?,
                2 => {}
                3 => schema_url = self.text(field.message()?)?,
                _ => plain = false,
            }
        }
        let (attrs, scopes) = (Rows::default(), Rows::default());
        let (touched, home) = (Marks::received(plain), self.batch.resources.len() as u32);
        Ok(ResourceRow { raw, own, touched, digest: 0, attrs, schema_url, scopes, home })
    }

    pub(super) fn resource_attributes(&mut self, row: &mut ResourceRow) -> Result<(), Malformed> {
        self.row(row.raw.start())?;
        row.attrs = self.attributes(row.own, 1)?;
        Ok(())
    }

    /// The scopes of a resource.
    pub(super) fn scopes(&mut self, resource: Span) -> Result<Rows, Malformed> {
        let start = self.batch.scopes.len() as u32;
        each(self.buf, resource, 2, |scope| self.scope_metrics(scope))?;
        Ok(Rows { start, end: self.batch.scopes.len() as u32 })
    }

    fn scope_metrics(&mut self, raw: Span) -> Result<(), Malformed> {
        if self.repeat_scope(raw).is_some() {
            return Ok(());
        }
        let begin = self.rows_begin();
        self.row(raw.start())?;
        let mut own = Span::NONE;
        let mut schema_url = Span::NONE;
        let mut plain = true;
        self.predecessors = self.batch.scopes.last().map(|before| before.metrics.range()).unwrap_or_default();
        let first = self.batch.metrics.len() as u32;
        let mut fields = Reader::new(self.buf, raw);
        loop {
            while let Some(metric) = fields.framed(2 << 3 | 2) {
                self.metric(metric)?;
            }
            let Some(field) = fields.next()? else { break };
            match field.number {
                1 => own = once(own, field.message()?)?,
                2 => self.metric(field.message()?)?,
                3 => schema_url = self.text(field.message()?)?,
                _ => plain = false,
            }
        }
        let metrics = Rows { start: first, end: self.batch.metrics.len() as u32 };
        let (name, version) = self.scope_names(own)?;
        let attrs = self.attributes(own, 3)?;
        let touched = Marks::received(plain);
        self.batch.scopes.push(ScopeRow {
            raw,
            own,
            touched,
            digest: 0,
            name,
            version,
            attrs,
            schema_url,
            metrics,
        });
        self.scope_was_read(begin);
        Ok(())
    }

    fn scope_names(&mut self, own: Span) -> Result<(Span, Span), Malformed> {
        let (mut name, mut version) = (Span::NONE, Span::NONE);
        if !own.is_none() {
            let mut fields = Reader::new(self.buf, own);
            while let Some(field) = fields.next()? {
                match field.number {
                    1 => name = self.text(field.message()?)?,
                    2 => version = self.text(field.message()?)?,
                    _ => {}
                }
            }
        }
        Ok((name, version))
    }
}
