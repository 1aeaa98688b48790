//! The index: one pass over an `ExportMetricsServiceRequest` that notes where everything lies.
//!
//! Nothing is copied. After it every span is in bounds, every text is UTF-8 and every nested value is
//! well-formed, so nothing later has to ask again. A request whose rows would cost far more memory than its
//! bytes (thousands of empty messages) is refused: see [`MIN_BYTES_PER_ROW`].

use super::layout::Layout;
use super::rows::{
    AttrRow, Cell, MetricKind, MetricRow, Number, Origin, PointRow, ResourceRow, ScopeRow, Touched,
};
use super::span::{Rows, Span};
use super::wire::{Malformed, Reader, Wire};
use super::{Batch, MAX_BYTES, MAX_DEPTH};

/// Rows are some forty times as large as an empty message; real requests spend 20 bytes and more on a row.
/// Asking for this many on average bounds an index to about 15 times its request.
const MIN_BYTES_PER_ROW: usize = 8;

pub(super) fn parse(batch: &mut Batch) -> Result<(), Malformed> {
    parse_into(batch, rows_of(batch), request)
}

/// Returns the number of rows a received request may have.
pub(super) fn rows_of(batch: &Batch) -> usize {
    1024 + batch.source.len() / MIN_BYTES_PER_ROW
}

/// Indexes what we wrote ourselves, of which the number of rows was bounded when it was written.
pub(super) fn parse_own(batch: &mut Batch) -> Result<(), Malformed> {
    parse_into(batch, usize::MAX, request)
}

pub(super) fn parse_into(
    batch: &mut Batch,
    rows_left: usize,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let source = batch.source.clone();
    if source.len() > MAX_BYTES {
        return Err(Malformed { offset: MAX_BYTES, what: "a request of 2 GiB or more" });
    }
    let mut layout = std::mem::take(&mut batch.layout);
    layout.forget();
    let mut parser = Parser { buf: &source, batch, rows_left, twins: 0..0, layout };
    let parsed = parse(&mut parser);
    parser.batch.layout = parser.layout;
    parsed
}

/// Form in which something was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// With something else than a row has.
    Odd,
    /// With what a row has and nothing else.
    Plain,
    /// Plain, and what tells its series apart in one piece.
    Regular,
}

impl Shape {
    fn is_plain(self) -> bool {
        self != Self::Odd
    }
}

pub(super) struct Parser<'a> {
    pub(super) buf: &'a [u8],
    pub(super) batch: &'a mut Batch,
    pub(super) rows_left: usize,
    /// The metrics of the scope before that have not met their like yet.
    twins: std::ops::Range<usize>,
    pub(super) layout: Layout,
}

/// A whole request: every resource of it.
fn request(parser: &mut Parser<'_>) -> Result<(), Malformed> {
    let mut fields = Reader::new(parser.buf, Span::received(0, parser.buf.len()));
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            parser.resource_metrics(field.message()?)?;
        }
    }
    Ok(())
}

impl Parser<'_> {
    fn row(&mut self, at: usize) -> Result<(), Malformed> {
        match self.rows_left.checked_sub(1) {
            Some(left) => self.rows_left = left,
            None => {
                return Err(Malformed {
                    offset: at,
                    what: "too many nearly empty messages for the request's size",
                });
            }
        }
        Ok(())
    }

    fn resource_metrics(&mut self, raw: Span) -> Result<(), Malformed> {
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
        let (touched, home) = (Touched::received(plain), self.batch.resources.len() as u32);
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
        if self.scope_like(raw).is_some() {
            return Ok(());
        }
        let begin = self.rows_begin();
        self.row(raw.start())?;
        let mut own = Span::NONE;
        let mut schema_url = Span::NONE;
        let mut plain = true;
        self.twins = self.batch.scopes.last().map(|before| before.metrics.range()).unwrap_or_default();
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
        let touched = Touched::received(plain);
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

    fn metric(&mut self, raw: Span) -> Result<(), Malformed> {
        self.row(raw.start())?;
        let at = self.batch.metrics.len();
        let like = self.twins.next().and_then(|twin| self.metric_like(raw, twin));
        let shape = if like.is_some() { Shape::Regular } else { self.metric_fields(raw)? };
        let first = self.batch.points.len() as u32;
        let plain = self.data(at, like.clone().unwrap_or_default())?;
        let row = &mut self.batch.metrics[at];
        row.points = Rows { start: first, end: self.batch.points.len() as u32 };
        row.touched = match (plain, shape) {
            (true, Shape::Regular) => Touched::regular(like.is_some()),
            (plain, shape) => Touched::received(plain && shape.is_plain()),
        };
        Ok(())
    }

    /// All of a metric but what is in its data.
    fn metric_fields(&mut self, raw: Span) -> Result<Shape, Malformed> {
        let mut row = MetricRow {
            raw,
            data: Span::NONE,
            touched: Touched::default(),
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

    /// Reads a metric's data, of which `twins` are the points in the scope before: whether it holds nothing but what
    /// the rows do.
    fn data(&mut self, metric: usize, mut twins: std::ops::Range<usize>) -> Result<bool, Malformed> {
        let MetricRow { data, kind, .. } = self.batch.metrics[metric];
        if data.is_none() {
            return Ok(true);
        }
        let (mut plain, mut temporality, mut monotonic) = (true, 0, false);
        let mut fields = Reader::new(self.buf, data);
        loop {
            while let Some(point) = fields.framed(1 << 3 | 2) {
                self.point(point, kind, twins.next())?;
            }
            if let (MetricKind::Sum, [0x10, kept @ ..=0x7f, 0x18, rises @ ..=0x7f]) = (kind, fields.rest()) {
                (temporality, monotonic) = (*kept, *rises != 0);
                break;
            }
            let Some(field) = fields.next()? else { break };
            match (field.number, kind) {
                (1, _) => self.point(field.message()?, kind, twins.next())?,
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

    fn point(&mut self, raw: Span, kind: MetricKind, twin: Option<usize>) -> Result<(), Malformed> {
        self.row(raw.start())?;
        let index = self.batch.points.len() as u32;
        let mut row = PointRow {
            raw,
            touched: Touched::default(),
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
                self.tail(&mut row, kind, tail, twin)?
            }
            _ => Touched::received(self.point_fields(&mut row, kind, raw)?.is_plain()),
        };
        row.attrs.end = self.batch.attrs.len() as u32;
        self.batch.points.push(row);
        Ok(())
    }

    /// Reads what follows a point's value, and how it was received: it may be the same as in the twin.
    #[inline]
    fn tail(
        &mut self,
        row: &mut PointRow,
        kind: MetricKind,
        tail: Span,
        twin: Option<usize>,
    ) -> Result<Touched, Malformed> {
        if let Some(twin) = twin {
            let twin = &self.batch.points[twin];
            let attrs = twin.attrs;
            if let Some(by) = self.tail_like(row.raw, tail, twin).filter(|_| attrs.len() <= self.rows_left) {
                self.rows_left -= attrs.len();
                self.repeat_attributes(attrs, by);
                return Ok(Touched::regular(true));
            }
        }
        Ok(match self.point_fields(row, kind, tail)? {
            Shape::Regular => Touched::regular(false),
            shape => Touched::received(shape.is_plain()),
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

    /// The attributes that message `own` repeats in field `number`.
    pub(super) fn attributes(&mut self, own: Span, number: u32) -> Result<Rows, Malformed> {
        let start = self.batch.attrs.len() as u32;
        if !own.is_none() {
            each(self.buf, own, number, |attribute| self.attribute(attribute))?;
        }
        Ok(Rows { start, end: self.batch.attrs.len() as u32 })
    }

    fn attribute(&mut self, raw: Span) -> Result<(), Malformed> {
        self.row(raw.start())?;
        let attr = match read_plain(self.buf, raw) {
            Some(attr) => attr,
            None => read_key_value(self.buf, raw, 0)?,
        };
        self.batch.attrs.push(attr);
        Ok(())
    }

    pub(super) fn text(&self, span: Span) -> Result<Span, Malformed> {
        check_text(self.buf, span)
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

pub(super) fn once(seen: Span, span: Span) -> Result<Span, Malformed> {
    if seen.is_none() {
        return Ok(span);
    }
    Err(Malformed { offset: span.start(), what: "a message that may occur once occurs again" })
}

#[inline]
fn check_text(buf: &[u8], span: Span) -> Result<Span, Malformed> {
    let bytes = &buf[span.start()..span.end()];
    // Nearly all of it is ASCII, which is checked many bytes at a time.
    if bytes.is_ascii() { Ok(span) } else { check_utf8(bytes, span) }
}

#[cold]
fn check_utf8(bytes: &[u8], span: Span) -> Result<Span, Malformed> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(span),
        Err(error) => {
            Err(Malformed { offset: span.start() + error.valid_up_to(), what: "text that is not UTF-8" })
        }
    }
}

fn check_key_value(buf: &[u8], raw: Span, depth: u32) -> Result<(), Malformed> {
    read_key_value(buf, raw, depth).map(|_| ())
}

/// Reads a `KeyValue` of ASCII text or an integer in its canonical encoding with lengths below 128: nearly
/// every attribute there is, in a third of the time. Nothing for any other, which is no verdict on it.
#[inline]
pub(super) fn read_plain(buf: &[u8], raw: Span) -> Option<AttrRow> {
    let bytes = &buf[raw.start()..raw.end()];
    let (&[0x0a, key_len], rest) = bytes.split_first_chunk::<2>()? else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(key_len))?;
    let (&[0x12, any_len, kind], value) = rest.split_first_chunk::<3>()? else { return None };
    // Tag and length of the value's field stand within the announced length.
    if usize::from(any_len) != value.len() + 1 {
        return None;
    }
    // Where the whole is ASCII, so are its texts, and its lengths are below 128.
    let ascii = bytes.is_ascii();
    if !ascii && (kind != 0x18 || !key.is_ascii() || key_len > 0x7f || any_len > 0x7f) {
        return None;
    }
    let value = match (kind, value) {
        (0x0a, [len, text @ ..]) if usize::from(*len) == text.len() => {
            Cell::Text(Span::received(raw.end() - text.len(), text.len()))
        }
        (0x18, [number]) if *number < 0x80 => Cell::Int(i64::from(*number)),
        (0x18, [low, high @ 1..=0x7f]) if *low >= 0x80 => {
            Cell::Int(i64::from(low & 0x7f) | i64::from(*high) << 7)
        }
        (0x18, [low, middle, high @ 1..=0x7f]) if *low >= 0x80 && *middle >= 0x80 => {
            Cell::Int(i64::from(low & 0x7f) | i64::from(middle & 0x7f) << 7 | i64::from(*high) << 14)
        }
        _ => return None,
    };
    let key = Span::received(raw.start() + 2, key.len());
    Some(AttrRow { raw, canonical: true, key, value })
}

/// Reads a `KeyValue`; also tells whether it stands in the canonical encoding of
/// [`identity`](super::identity): key, then value, each once, lengths in their shortest form.
pub(super) fn read_key_value(buf: &[u8], raw: Span, depth: u32) -> Result<AttrRow, Malformed> {
    let (mut key, mut any) = (Span::NONE, Span::NONE);
    let mut fields = Reader::new(buf, raw);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => key = check_text(buf, field.message()?)?,
            2 => any = once(any, field.message()?)?,
            _ => {}
        }
    }
    let value = if any.is_none() { Cell::Empty } else { read_value(buf, any, depth)? };
    let canonical = !key.is_none() && !any.is_none() && is_canonical(raw, key, any, value);
    Ok(AttrRow { raw, canonical, key, value })
}

fn is_canonical(raw: Span, key: Span, any: Span, value: Cell) -> bool {
    let framed = |len: usize| 1 + varint_len(len as u64) + len;
    let inner = match value {
        Cell::Text(span) | Cell::Bytes(span) => framed(span.len()),
        Cell::Int(value) => 1 + varint_len(value as u64),
        Cell::Double(_) => 9,
        // A boolean may stand there as any number but zero.
        Cell::Bool(_) | Cell::Empty | Cell::List(_) | Cell::Map(_) => return false,
    };
    // With the exact total size there is no room for anything else, and the key comes first if it ends before
    // the value begins.
    key.start() < any.start() && any.len() == inner && raw.len() == framed(key.len()) + framed(inner)
}

pub(crate) fn varint_len(value: u64) -> usize {
    // Seven bits a byte, without a division.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) >> 6
}

pub(super) fn read_value(buf: &[u8], any: Span, depth: u32) -> Result<Cell, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed { offset: any.start(), what: "a value nested more than 32 levels deep" });
    }
    let mut value = Cell::Empty;
    let mut fields = Reader::new(buf, any);
    while let Some(field) = fields.next()? {
        value = match (field.number, field.value) {
            (1, Wire::Len(span)) => Cell::Text(check_text(buf, span)?),
            (2, Wire::Varint(bit)) => Cell::Bool(bit != 0),
            (3, Wire::Varint(bits)) => Cell::Int(bits as i64),
            (4, Wire::Fixed64(bits)) => Cell::Double(f64::from_bits(bits)),
            (5, Wire::Len(span)) => {
                each(buf, span, 1, |item| read_value(buf, item, depth + 1).map(|_| ()))?;
                Cell::List(span)
            }
            (6, Wire::Len(span)) => {
                each(buf, span, 1, |item| check_key_value(buf, item, depth + 1))?;
                Cell::Map(span)
            }
            (7, Wire::Len(span)) => Cell::Bytes(span),
            (1..=7, _) => {
                return Err(Malformed {
                    offset: field.at,
                    what: "an attribute value of the wrong wire type",
                });
            }
            _ => value,
        };
    }
    Ok(value)
}

/// Visits what a message repeats in field `number`, which is below 16.
#[inline(always)]
pub(super) fn each(
    buf: &[u8],
    of: Span,
    number: u32,
    mut visit: impl FnMut(Span) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Reader::new(buf, of);
    loop {
        while let Some(message) = fields.framed((number << 3 | 2) as u8) {
            visit(message)?;
        }
        let Some(field) = fields.next()? else { return Ok(()) };
        if field.number == number {
            visit(field.message()?)?;
        }
    }
}
