//! Attribute values, read in place.

use super::Batch;
use xxhash_rust::xxh3::xxh3_64;

use super::rows::{Cell, PointRow};
use super::span::Span;

/// An attribute's value; text and bytes are borrowed from the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Empty,
    /// Text, UTF-8.
    Text(&'a [u8]),
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Double.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An encoded `ArrayValue`.
    List(&'a [u8]),
    /// An encoded `KeyValueList`.
    Map(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text, where it is one.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    /// Resolves a cell whose spans lie in `buf`.
    pub(crate) fn of(buf: &'a [u8], cell: Cell) -> Self {
        match cell {
            Cell::Empty => Self::Empty,
            Cell::Text(span) => Self::Text(Self::bytes(buf, span)),
            Cell::Bool(bit) => Self::Bool(bit),
            Cell::Int(number) => Self::Int(number),
            Cell::Double(number) => Self::Double(number),
            Cell::Bytes(span) => Self::Bytes(Self::bytes(buf, span)),
            Cell::List(span) => Self::List(Self::bytes(buf, span)),
            Cell::Map(span) => Self::Map(Self::bytes(buf, span)),
        }
    }

    /// The bytes of a span of `buf`; none for one that points nowhere.
    pub(crate) fn bytes(buf: &'a [u8], span: Span) -> &'a [u8] {
        if span.is_empty() { &[] } else { buf.get(span.start()..span.end()).unwrap_or_default() }
    }
}

impl Batch {
    /// Resolves a cell of this batch.
    #[must_use]
    pub fn value(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Empty => Value::Empty,
            Cell::Text(span) => Value::Text(self.bytes(span)),
            Cell::Bool(bit) => Value::Bool(bit),
            Cell::Int(number) => Value::Int(number),
            Cell::Double(number) => Value::Double(number),
            Cell::Bytes(span) => Value::Bytes(self.bytes(span)),
            Cell::List(span) => Value::List(self.bytes(span)),
            Cell::Map(span) => Value::Map(self.bytes(span)),
        }
    }

    /// Number that differs where two points of a series show different values: the bits of a number as a double, and of
    /// other kinds a hash of the point as it was received; 0 of a point of those kinds that was made here.
    #[must_use]
    #[inline]
    pub fn value_digest(&self, point: &PointRow) -> u64 {
        match point.value.as_f64() {
            Some(value) => value.to_bits(),
            None => self.received_digest(point),
        }
    }

    fn received_digest(&self, point: &PointRow) -> u64 {
        match self.bytes(point.raw) {
            [] => 0,
            received => xxh3_64(received),
        }
    }
}
