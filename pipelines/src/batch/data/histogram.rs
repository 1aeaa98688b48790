//! A point of a histogram with explicit bounds.

use super::super::wire::Wire;
use super::{double, fields, fixed_numbers, inner, integer, write};

/// Its fields but attributes and times.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
    /// Encoded exemplars.
    pub exemplars: Vec<Vec<u8>>,
    pub flags: u32,
}

impl Histogram {
    /// Reads a point's encoding.
    pub(crate) fn read(message: &[u8]) -> Self {
        let (mut point, mut bounds) = (Self::default(), Vec::new());
        fields(message, |number, value| match number {
            4 => point.count = integer(value).unwrap_or(0),
            5 => point.sum = double(value),
            6 => fixed_numbers(message, value, &mut point.counts),
            7 => fixed_numbers(message, value, &mut bounds),
            8 => {
                if let Wire::Len(span) = value {
                    point.exemplars.push(inner(message, span).to_vec());
                }
            }
            10 => point.flags = integer(value).unwrap_or(0) as u32,
            11 => point.min = double(value),
            12 => point.max = double(value),
            _ => {}
        });
        point.bounds = bounds.into_iter().map(f64::from_bits).collect();
        point
    }

    /// Writes what [`Histogram::read`] reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write::nonzero(out, 4, self.count);
        write::optional(out, 5, self.sum);
        write::packed_fixed(out, 6, self.counts.iter().copied());
        write::packed_fixed(out, 7, self.bounds.iter().map(|bound| bound.to_bits()));
        self.exemplars.iter().for_each(|exemplar| write::message(out, 8, exemplar));
        write::integer(out, 10, self.flags.into());
        write::optional(out, 11, self.min);
        write::optional(out, 12, self.max);
    }
}
