//! A point of a summary.

use super::super::wire::Wire;
use super::{double, fields, inner, integer, write};

/// Its fields but attributes and times.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Summary {
    pub count: u64,
    pub sum: f64,
    /// Quantiles and their values.
    pub quantiles: Vec<(f64, f64)>,
    pub flags: u32,
}

impl Summary {
    /// Reads a point's encoding.
    pub(crate) fn read(message: &[u8]) -> Self {
        let mut point = Self::default();
        fields(message, |number, value| match (number, value) {
            (4, value) => point.count = integer(value).unwrap_or(0),
            (5, value) => point.sum = double(value).unwrap_or(0.0),
            (6, Wire::Len(span)) => {
                let mut quantile = (0.0, 0.0);
                fields(inner(message, span), |number, value| match number {
                    1 => quantile.0 = double(value).unwrap_or(0.0),
                    2 => quantile.1 = double(value).unwrap_or(0.0),
                    _ => {}
                });
                point.quantiles.push(quantile);
            }
            (8, value) => point.flags = integer(value).unwrap_or(0) as u32,
            _ => {}
        });
        point
    }

    /// Writes what [`Summary::read`] reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write::nonzero(out, 4, self.count);
        write::nonzero(out, 5, self.sum.to_bits());
        for (quantile, value) in &self.quantiles {
            let mut content = Vec::new();
            write::nonzero(&mut content, 1, quantile.to_bits());
            write::nonzero(&mut content, 2, value.to_bits());
            write::message(out, 6, &content);
        }
        write::integer(out, 8, self.flags.into());
    }
}
