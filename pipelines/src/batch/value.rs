//! Attribute values, read in place.

use super::Batch;
use super::rows::Cell;

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
}
