//! Values that an index leaves where they lie: histograms, summaries and exemplars, read whole and written whole.
//!
//! Few stages look inside them, and those that do change most of what they read. Attributes, times and flags of
//! a point are the row's; everything else of its encoding is here. Reading takes what was checked or made by us,
//! so what does not read is taken as absent.

mod exemplar;
mod exponential;
mod histogram;
mod summary;
pub(crate) mod write;

pub(crate) use exemplar::Exemplar;
pub(crate) use exponential::{Buckets, Exponential};
pub(crate) use histogram::Histogram;
pub(crate) use summary::Summary;

use super::span::Span;
use super::wire::{Field, Reader, Wire};

/// Visits the fields of a message.
pub(crate) fn fields(message: &[u8], mut visit: impl FnMut(u32, Wire)) {
    let mut reader = Reader::new(message, Span::received(0, message.len()));
    while let Ok(Some(Field { number, value, .. })) = reader.next() {
        visit(number, value);
    }
}

/// The bytes that a length-delimited field of `message` holds.
pub(crate) fn inner(message: &[u8], span: Span) -> &[u8] {
    message.get(span.start()..span.end()).unwrap_or_default()
}

fn double(value: Wire) -> Option<f64> {
    match value {
        Wire::Fixed64(bits) => Some(f64::from_bits(bits)),
        _ => None,
    }
}

fn integer(value: Wire) -> Option<u64> {
    match value {
        Wire::Fixed64(bits) | Wire::Varint(bits) => Some(bits),
        _ => None,
    }
}

/// Appends the numbers of a field of `fixed64` or `double` numbers, packed or not.
fn fixed_numbers(message: &[u8], value: Wire, into: &mut Vec<u64>) {
    match value {
        Wire::Fixed64(bits) => into.push(bits),
        Wire::Len(span) => {
            into.extend(inner(message, span).as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)));
        }
        _ => {}
    }
}

/// Appends the numbers of a field of varints, packed or not.
fn varint_numbers(message: &[u8], value: Wire, into: &mut Vec<u64>) {
    match value {
        Wire::Varint(bits) => into.push(bits),
        Wire::Len(span) => {
            let (mut number, mut shift) = (0_u64, 0);
            for byte in inner(message, span) {
                number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                shift += 7;
                if byte & 0x80 == 0 {
                    into.push(number);
                    (number, shift) = (0, 0);
                }
            }
        }
        _ => {}
    }
}

/// Protobuf's `sint32`.
fn zigzag(bits: u64) -> i32 {
    let bits = bits as u32;
    ((bits >> 1) as i32) ^ -((bits & 1) as i32)
}

/// Appends a message's fields but those of one number.
pub(crate) fn without(message: &[u8], number: u32, out: &mut Vec<u8>) {
    let mut reader = Reader::new(message, Span::received(0, message.len()));
    let mut from = 0;
    while let Ok(Some(field)) = reader.next() {
        if field.number == number {
            out.extend_from_slice(&message[from..field.at]);
            from = reader.position();
        }
    }
    out.extend_from_slice(&message[from..]);
}
