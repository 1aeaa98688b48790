//! Values at run time, borrowed from the batch and the condition wherever they can be.

use std::borrow::Cow;

use crate::batch::{Batch, Rows, Value, peek};

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Val<'a> {
    /// Nothing: a missing attribute, one without a value, `nil`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A text; a literal's escapes can make it something else than UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A time, in nanoseconds since 1970.
    Time(i128),
    /// A duration, in nanoseconds.
    Duration(i64),
    /// A list.
    List(List<'a>),
    /// A map.
    Map(Map<'a>),
    /// What `Split` gives: it can be indexed and counted, and equals nothing.
    Texts(Vec<Cow<'a, [u8]>>),
}

/// A list.
#[derive(Debug, Clone)]
pub(crate) enum List<'a> {
    /// An encoded `ArrayValue`.
    Wire(&'a [u8]),
    /// Made here.
    Made(Vec<Val<'a>>),
}

/// A map.
#[derive(Debug, Clone)]
pub(crate) enum Map<'a> {
    /// Attributes of a row.
    Rows(&'a Batch, Rows),
    /// A message that repeats `KeyValue` in the field of this number.
    Wire(&'a [u8], u32),
    /// Made here.
    Made(Vec<(Cow<'a, [u8]>, Val<'a>)>),
}

impl<'a> From<Value<'a>> for Val<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Empty => Self::Nil,
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bool(bit) => Self::Bool(bit),
            Value::Int(number) => Self::Int(number),
            Value::Double(number) => Self::Double(number),
            Value::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Value::List(encoded) => Self::List(List::Wire(encoded)),
            Value::Map(encoded) => Self::Map(Map::Wire(encoded, 1)),
        }
    }
}

impl<'a> List<'a> {
    /// The items, in order.
    pub(crate) fn items(&self) -> Vec<Val<'a>> {
        match self {
            Self::Wire(encoded) => peek::items(encoded).map(Val::from).collect(),
            Self::Made(items) => items.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Wire(encoded) => peek::items(encoded).count(),
            Self::Made(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: i64) -> Option<Val<'a>> {
        let index = usize::try_from(index).ok()?;
        match self {
            Self::Wire(encoded) => peek::items(encoded).nth(index).map(Val::from),
            Self::Made(items) => items.get(index).cloned(),
        }
    }
}

impl<'a> Map<'a> {
    /// The entries, in the order in which they stand.
    pub(crate) fn entries(&self) -> Vec<(Cow<'a, [u8]>, Val<'a>)> {
        match self {
            Self::Rows(batch, rows) => {
                let attributes = batch.attributes(*rows).iter();
                attributes
                    .map(|attr| (batch.bytes(attr.key).into(), batch.value(attr.value).into()))
                    .collect()
            }
            Self::Wire(encoded, field) => {
                peek::entries(encoded, *field).map(|(key, value)| (key.into(), value.into())).collect()
            }
            Self::Made(entries) => entries.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows(_, rows) => rows.len(),
            Self::Wire(encoded, field) => peek::entries(encoded, *field).count(),
            Self::Made(entries) => entries.len(),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Val<'a>> {
        match self {
            Self::Rows(batch, rows) => batch.attribute(*rows, key).map(Val::from),
            Self::Wire(encoded, field) => {
                peek::entries(encoded, *field).find(|(name, _)| *name == key).map(|(_, value)| value.into())
            }
            Self::Made(entries) => {
                entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.clone())
            }
        }
    }
}
