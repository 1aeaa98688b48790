//! An exemplar.

use super::super::rows::Number;
use super::super::wire::Wire;
use super::{fields, inner, integer, write};

/// Its fields; attributes stay encoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exemplar {
    pub time: u64,
    pub value: Number,
    pub span_id: Vec<u8>,
    pub trace_id: Vec<u8>,
    /// The encoded `KeyValueList` of its filtered attributes.
    pub attributes: Vec<u8>,
}

impl Exemplar {
    /// Reads an exemplar.
    pub(crate) fn read(message: &[u8]) -> Self {
        let mut exemplar = Self::default();
        fields(message, |number, value| match (number, value) {
            (2, value) => exemplar.time = integer(value).unwrap_or(0),
            (3, Wire::Fixed64(bits)) => exemplar.value = Number::Double(f64::from_bits(bits)),
            (6, Wire::Fixed64(bits)) => exemplar.value = Number::Int(bits as i64),
            (4, Wire::Len(span)) => exemplar.span_id = inner(message, span).to_vec(),
            (5, Wire::Len(span)) => exemplar.trace_id = inner(message, span).to_vec(),
            (7, Wire::Len(span)) => write::message(&mut exemplar.attributes, 1, inner(message, span)),
            _ => {}
        });
        exemplar
    }

    /// Writes what [`Exemplar::read`] reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write::nonzero(out, 2, self.time);
        match self.value {
            Number::None => {}
            Number::Double(value) => write::fixed(out, 3, value.to_bits()),
            Number::Int(value) => write::fixed(out, 6, value as u64),
        }
        if self.span_id.iter().any(|byte| *byte != 0) {
            write::message(out, 4, &self.span_id);
        }
        if self.trace_id.iter().any(|byte| *byte != 0) {
            write::message(out, 5, &self.trace_id);
        }
        fields(&self.attributes, |number, value| {
            if let (1, Wire::Len(span)) = (number, value) {
                write::message(out, 7, inner(&self.attributes, span));
            }
        });
    }

    /// Multiplies its value; an integer is cut off.
    pub(crate) fn scale(&mut self, by: f64) {
        self.value = match self.value {
            Number::None => Number::None,
            Number::Int(value) => Number::Int((value as f64 * by) as i64),
            Number::Double(value) => Number::Double(value * by),
        };
    }
}
