//! Attributes of the index and their values, nested ones included.

use crate::batch::MAX_DEPTH;
use crate::batch::rows::{AttrRow, Cell};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::{Malformed, Reader, Wire, each, once, varint_len};

use super::Parser;

impl Parser<'_> {
    /// The attributes that message `own` repeats in field `number`.
    pub(super) fn attributes(&mut self, own: Span, number: u32) -> Result<Rows, Malformed> {
        let start = self.batch.attrs.len() as u32;
        if !own.is_none() {
            each(self.buf, own, number, |attribute| self.attribute(attribute))?;
        }
        Ok(Rows { start, end: self.batch.attrs.len() as u32 })
    }

    pub(super) fn attribute(&mut self, raw: Span) -> Result<(), Malformed> {
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

pub(super) fn check_key_value(buf: &[u8], raw: Span, depth: u32) -> Result<(), Malformed> {
    read_key_value(buf, raw, depth).map(|_| ())
}

/// Reads a `KeyValue` of ASCII text or an integer in its canonical encoding with lengths below 128: nearly
/// every attribute there is, in a third of the time. Nothing for any other, which is no verdict on it.
#[inline]
fn read_plain(buf: &[u8], raw: Span) -> Option<AttrRow> {
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
/// [`identity`](crate::batch::identity): key, then value, each once, lengths in their shortest form.
pub(in crate::batch) fn read_key_value(buf: &[u8], raw: Span, depth: u32) -> Result<AttrRow, Malformed> {
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

pub(in crate::batch) fn read_value(buf: &[u8], any: Span, depth: u32) -> Result<Cell, Malformed> {
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

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn attr(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
    }

    #[test]
    fn the_short_way_reads_attributes_as_the_long_way_does() {
        let long = "x".repeat(200);
        let mut values: Vec<Any> = ["", "a", "größe", &long[..127], &long[..128], &long]
            .map(|text| Any::StringValue(text.to_owned()))
            .to_vec();
        values
            .extend([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, -1, i64::MAX].map(Any::IntValue));
        for value in values {
            for key in ["", "k", "schlüssel", &long] {
                let bytes = attr(key, value.clone()).encode_to_vec();
                let raw = Span::received(0, bytes.len());
                if let Some(short) = read_plain(&bytes, raw) {
                    let long = read_key_value(&bytes, raw, 0).unwrap();
                    assert_eq!(
                        (short.key, short.value, short.canonical),
                        (long.key, long.value, long.canonical)
                    );
                }
            }
        }
        let plain = attr("process.pid", Any::IntValue(4711)).encode_to_vec();
        assert!(read_plain(&plain, Span::received(0, plain.len())).is_some(), "the common case takes it");
    }

    proptest! {
        #[test]
        fn the_short_way_never_disagrees(bytes in proptest::collection::vec(prop_oneof![Just(0x0a_u8), Just(0x12), Just(0x18), 0_u8..8, any::<u8>()], 0..14)) {
            let raw = Span::received(0, bytes.len());
            if let Some(short) = read_plain(&bytes, raw) {
                let long = read_key_value(&bytes, raw, 0).unwrap();
                prop_assert_eq!((short.key, short.value, short.canonical), (long.key, long.value, long.canonical));
            }
        }
    }
}
