//! Attribute values that a config holds, encoded once.

use crate::batch::data::write::{message, varint};
use crate::batch::{Cell, Span};
use crate::cost::Inspection;
use crate::yaml::{Kind, Node, Problem, TIMESTAMP};

/// A value with the kind that it has in YAML; lists and maps as OTLP encodes them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    /// A text.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// An encoded `ArrayValue`.
    List(Vec<u8>),
    /// An encoded `KeyValueList`.
    Map(Vec<u8>),
}

impl Constant {
    /// An encoded `AnyValue` inside a list or map; null is one without a value.
    fn nested(node: &Node, problems: &mut Inspection) -> Vec<u8> {
        if node.is_null() { Vec::new() } else { Self::decode(node, problems).any_value() }
    }

    /// The constant that a node of the config says; null, which none can hold, is reported.
    pub(crate) fn decode(node: &Node, problems: &mut Inspection) -> Self {
        match &node.kind {
            Kind::Null => {
                problems.push(Problem::new(node.location, "null is no value of an attribute"));
                Self::Text(String::new())
            }
            Kind::Bool(value) => Self::Bool(*value),
            Kind::Int(value) => Self::Int(*value),
            Kind::Float(value) => Self::Double(*value),
            Kind::Text(_) if node.tag == Some(TIMESTAMP) => {
                let message =
                    format!("{} is a date to YAML, which is no value of an attribute", node.quoted());
                problems.push(Problem::new(node.location, message).expected("the same in quotes, as text"));
                Self::Text(String::new())
            }
            Kind::Text(text) => Self::Text(text.text().to_owned()),
            Kind::List(items) => {
                let mut encoded = Vec::new();
                for item in items {
                    message(&mut encoded, 1, &Self::nested(item, problems));
                }
                Self::List(encoded)
            }
            Kind::Map(entries) => {
                let mut encoded = Vec::new();
                for entry in entries {
                    let mut pair = Vec::new();
                    message(&mut pair, 1, entry.key.text.as_bytes());
                    message(&mut pair, 2, &Self::nested(&entry.value, problems));
                    message(&mut encoded, 1, &pair);
                }
                Self::Map(encoded)
            }
        }
    }

    /// The value as a cell of a batch; `intern` puts bytes where the batch can point to.
    pub(crate) fn cell(&self, intern: impl FnOnce(&[u8]) -> Span) -> Cell {
        match self {
            Self::Text(text) => Cell::Text(intern(text.as_bytes())),
            Self::Bool(value) => Cell::Bool(*value),
            Self::Int(value) => Cell::Int(*value),
            Self::Double(value) => Cell::Double(*value),
            Self::List(encoded) => Cell::List(intern(encoded)),
            Self::Map(encoded) => Cell::Map(intern(encoded)),
        }
    }

    /// An encoded `AnyValue`: the numbers are those of its `oneof`.
    fn any_value(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        match self {
            Self::Text(text) => message(&mut encoded, 1, text.as_bytes()),
            Self::Bool(value) => encoded.extend([2 << 3, u8::from(*value)]),
            Self::Int(value) => {
                encoded.push(3 << 3);
                varint(&mut encoded, *value as u64);
            }
            Self::Double(value) => {
                encoded.push(4 << 3 | 1);
                encoded.extend(value.to_le_bytes());
            }
            Self::List(list) => message(&mut encoded, 5, list),
            Self::Map(map) => message(&mut encoded, 6, map),
        }
        encoded
    }
}
