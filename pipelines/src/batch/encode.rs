//! The splicing writer.
//!
//! It writes from the end of its buffer to the front: a message's length is known once its content stands, so
//! nested messages need neither a second pass nor placeholders. What nobody touched is copied as one range, a
//! touched row's own fields are encoded again and everything else in it is spliced, unknown fields included.

use bytes::Bytes;

use super::Batch;
use super::backward::{Backward, Counter, Output};
use super::data::write;
use super::parse::varint_len;
use super::rows::{
    AttrRow, Cell, MIXED, MetricKind, MetricRow, Number, PointRow, ResourceRow, ScopeRow, Touched,
};
use super::span::Span;
use super::wire::Reader;

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
            Self::All => true,
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

    /// About how many bytes there will be: what was received of the resources that are written, and something for what
    /// was changed. A buffer is filled with zeros first, so a large one for a small output costs.
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

/// Returns whether a received encoding, if it is the one that is meant, held nothing to splice.
fn is_plain(touched: Touched, raw: Span) -> bool {
    touched.plain() && !raw.is_scratch()
}

/// Returns the place where an attribute begins with tag and length, if it stands in its buffer as this field.
#[inline]
fn framed(whole: &[u8], raw: Span, number: u32) -> Option<usize> {
    let from = raw.start().checked_sub(2)?;
    let begins = *whole.get(from..)?.first_chunk::<2>()? == [(number << 3 | 2) as u8, raw.len() as u8];
    (begins && number < 16 && raw.len() < 128 && !raw.is_none()).then_some(from)
}

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

    fn request(&mut self) {
        for row in self.batch.resources().iter().rev() {
            let pick = row.home == MIXED && matches!(self.keep, Keep::Homes(_));
            if pick {
                self.mixed_resource(row);
            } else if self.keep.keeps(row.home) {
                self.resource(row, false);
            }
        }
    }

    /// A gathered resource, of which only some points go this way.
    fn mixed_resource(&mut self, row: &ResourceRow) {
        if self.batch.scopes(row).iter().any(|scope| self.keeps_some(scope)) {
            self.resource(row, true);
        }
    }

    fn keeps_some(&self, scope: &ScopeRow) -> bool {
        let mut points = self.batch.metrics(scope).iter().flat_map(|metric| self.batch.points(metric));
        points.any(|point| self.keep.keeps(point.home))
    }

    fn resource(&mut self, row: &ResourceRow, pick: bool) {
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3]);
            }
            self.text(3, row.schema_url);
            for scope in self.batch.scopes(row).iter().rev() {
                if !pick || self.keeps_some(scope) {
                    self.scope(scope, pick);
                }
            }
            self.resource_own(row);
        } else {
            self.points += self.batch.count(row);
            self.span(row.raw);
        }
        self.out.close(1, end);
    }

    /// The `Resource` or `InstrumentationScope` message of a row that is encoded again.
    fn own(&mut self, own: Span, touched: bool, except: &[u32], number: u32, attributes: impl Fn(&mut Self)) {
        if own.is_none() && !touched {
            return;
        }
        let end = self.out.written();
        if touched {
            self.splice_except(own, except);
            attributes(self);
        } else {
            self.span(own);
        }
        self.out.close(number, end);
    }

    fn resource_own(&mut self, row: &ResourceRow) {
        self.own(row.own, row.touched.own(), &[1], 1, |writer| writer.attributes(row.attrs, 1));
    }

    fn scope_own(&mut self, row: &ScopeRow) {
        self.own(row.own, row.touched.own(), &[1, 2, 3], 1, |writer| {
            writer.attributes(row.attrs, 3);
            writer.text(2, row.version);
            writer.text(1, row.name);
        });
    }

    fn scope(&mut self, row: &ScopeRow, pick: bool) {
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3]);
            }
            self.text(3, row.schema_url);
            for metric in self.batch.metrics(row).iter().rev() {
                self.metric(metric, pick);
            }
            self.scope_own(row);
        } else {
            self.points += self.batch.metrics(row).iter().map(|m| m.points.len() as u64).sum::<u64>();
            self.span(row.raw);
        }
        self.out.close(2, end);
    }

    fn metric(&mut self, row: &MetricRow, pick: bool) {
        if pick && !self.batch.points(row).iter().any(|point| self.keep.keeps(point.home)) {
            return;
        }
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3, 5, 7, 9, 10, 11]);
            }
            self.metric_fields(row, pick);
        } else {
            self.points += row.points.len() as u64;
            self.span(row.raw);
        }
        self.out.close(2, end);
    }

    fn metric_fields(&mut self, row: &MetricRow, pick: bool) {
        let end = self.out.written();
        if row.kind != MetricKind::None {
            self.data(row, pick);
            // What stands before the data of a regular metric, its tag included, is spliced in one piece.
            if row.touched.is_regular() && !row.touched.own() && !row.raw.is_scratch() {
                self.out.varint((self.out.written() - end) as u64);
                let head = row.data.start() - varint_len(row.data.len() as u64);
                return self.out.splice(self.batch.source(), row.raw.start(), head);
            }
            self.out.close(row.kind as u32, end);
        }
        self.text(3, row.unit);
        self.text(2, row.description);
        self.text(1, row.name);
    }

    fn data(&mut self, row: &MetricRow, pick: bool) {
        if !is_plain(row.touched, row.data) {
            self.splice_except(row.data, &[1, 2, 3]);
        }
        if row.monotonic {
            self.out.put(&[3 << 3, 1]);
        }
        if row.temporality != 0 {
            self.out.put(&[2 << 3, row.temporality]);
        }
        for point in self.batch.points(row).iter().rev() {
            if !pick || self.keep.keeps(point.home) {
                self.point(point, row.kind);
                self.points += 1;
            }
        }
    }

    fn point(&mut self, row: &PointRow, kind: MetricKind) {
        let end = self.out.written();
        self.point_fields(row, kind);
        self.out.close(1, end);
    }

    fn point_fields(&mut self, row: &PointRow, kind: MetricKind) {
        if row.touched.any() {
            let attributes = kind.attributes_field();
            self.attributes(row.attrs, attributes);
            if !kind.has_numbers() {
                self.splice_except(row.raw, &[2, 3, attributes]);
                self.fixed64(3, row.time);
                return self.fixed64(2, row.start);
            }
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[2, 3, 4, 6, attributes]);
            }
            self.head(row);
        } else {
            self.span(row.raw);
        }
    }

    /// Writes the bytes that a span points to, as they stand.
    fn span(&mut self, span: Span) {
        if !span.is_empty() {
            self.out.splice(self.batch.whole(span), span.start(), span.end());
        }
    }

    /// Start, time and value of a number point, in one piece where all are there.
    fn head(&mut self, row: &PointRow) {
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

    fn fixed64(&mut self, number: u8, value: u64) {
        if value != 0 {
            self.out.put(&value.to_le_bytes());
            self.out.put(&[number << 3 | 1]);
        }
    }

    fn text(&mut self, number: u32, span: Span) {
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
    fn attributes(&mut self, rows: super::Rows, number: u32) {
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

    fn attribute(&mut self, attr: &AttrRow) {
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
    fn splice_except(&mut self, raw: Span, except: &[u32]) {
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
