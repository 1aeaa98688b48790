//! A point of an exponential histogram.

use super::super::wire::Wire;
use super::{double, fields, inner, integer, varint_numbers, write, zigzag};

/// Buckets on one side of zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Buckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

/// Its fields but attributes and times.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exponential {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
    /// Encoded exemplars.
    pub exemplars: Vec<Vec<u8>>,
    pub flags: u32,
}

impl Buckets {
    fn read(&mut self, message: &[u8]) {
        fields(message, |number, value| match number {
            1 => self.offset = zigzag(integer(value).unwrap_or(0)),
            2 => varint_numbers(message, value, &mut self.counts),
            _ => {}
        });
    }

    fn write(&self, out: &mut Vec<u8>, field: u32) {
        if *self != Self::default() {
            let mut content = Vec::new();
            write::integer(&mut content, 1, write::zigzag(self.offset));
            write::packed_varints(&mut content, 2, &self.counts);
            write::message(out, field, &content);
        }
    }
}

impl Exponential {
    /// Reads a point's encoding.
    pub(crate) fn read(message: &[u8]) -> Self {
        let mut point = Self::default();
        fields(message, |number, value| match (number, value) {
            (4, value) => point.count = integer(value).unwrap_or(0),
            (5, value) => point.sum = double(value),
            (6, value) => point.scale = zigzag(integer(value).unwrap_or(0)),
            (7, value) => point.zero_count = integer(value).unwrap_or(0),
            (8, Wire::Len(span)) => point.positive.read(inner(message, span)),
            (9, Wire::Len(span)) => point.negative.read(inner(message, span)),
            (10, value) => point.flags = integer(value).unwrap_or(0) as u32,
            (11, Wire::Len(span)) => point.exemplars.push(inner(message, span).to_vec()),
            (12, value) => point.min = double(value),
            (13, value) => point.max = double(value),
            (14, value) => point.zero_threshold = double(value).unwrap_or(0.0),
            _ => {}
        });
        point
    }

    /// Writes what [`Exponential::read`] reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write::nonzero(out, 4, self.count);
        write::optional(out, 5, self.sum);
        write::integer(out, 6, write::zigzag(self.scale));
        write::nonzero(out, 7, self.zero_count);
        self.positive.write(out, 8);
        self.negative.write(out, 9);
        write::integer(out, 10, self.flags.into());
        self.exemplars.iter().for_each(|exemplar| write::message(out, 11, exemplar));
        write::optional(out, 12, self.min);
        write::optional(out, 13, self.max);
        write::nonzero(out, 14, self.zero_threshold.to_bits());
    }
}
