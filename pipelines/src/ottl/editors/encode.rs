//! Values on their way into a batch.

use std::borrow::Cow;

use crate::batch::data::write;
use crate::batch::{AttrRow, Batch, Cell, MAX_DEPTH, PendingBytes, Rows, Value};
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::{List, Map, Val};

const TOO_DEEP: Failure = Failure("a value nested more than 32 levels deep");

/// Writes a value. One that no attribute can hold becomes empty; who sets it has to say that it failed.
fn put(out: &mut Vec<u8>, value: &Val<'_>, depth: u32) -> Evaluated<()> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    match value {
        Val::Text(text) => write::message(out, 1, &utf8(text)),
        Val::Bool(bit) => out.extend([2 << 3, u8::from(*bit)]),
        Val::Int(number) => {
            out.push(3 << 3);
            write::varint(out, *number as u64);
        }
        Val::Double(number) => write::fixed(out, 4, number.to_bits()),
        Val::Bytes(bytes) => write::message(out, 7, bytes),
        Val::List(_) | Val::Texts(_) | Val::Doubles(_) => write::message(out, 5, &list(value, depth)?),
        Val::Map(map) => write::message(out, 6, &entries(map, depth)?),
        Val::Nil | Val::Time(_) | Val::Duration(_) | Val::Counts(_) | Val::Id(_) | Val::Part(..) => {}
    }
    Ok(())
}

/// An encoded `ArrayValue`.
fn list(value: &Val<'_>, depth: u32) -> Evaluated<Vec<u8>> {
    let mut out = Vec::new();
    let mut item = |value: &Val<'_>| -> Evaluated<()> {
        let mut encoded = Vec::new();
        put(&mut encoded, value, depth + 1)?;
        write::message(&mut out, 1, &encoded);
        Ok(())
    };
    match value {
        Val::List(List::Wire(encoded)) => return Ok(encoded.to_vec()),
        Val::List(List::Made(items) | List::Raw(items)) => items.iter().try_for_each(item)?,
        Val::Texts(texts) => texts.iter().try_for_each(|text| item(&Val::Text(Cow::Borrowed(text))))?,
        Val::Doubles(numbers) => numbers.iter().try_for_each(|number| item(&Val::Double(*number)))?,
        _ => {}
    }
    Ok(out)
}

/// An encoded `KeyValueList`.
fn entries(map: &Map<'_>, depth: u32) -> Evaluated<Vec<u8>> {
    if let Map::Wire(encoded, 1) = map {
        return Ok(encoded.to_vec());
    }
    let mut out = Vec::new();
    for (key, value) in map.entries() {
        let mut pair = Vec::new();
        key_value(&mut pair, &key, &value, depth)?;
        write::message(&mut out, 1, &pair);
    }
    Ok(out)
}

fn key_value(out: &mut Vec<u8>, key: &[u8], value: &Val<'_>, depth: u32) -> Evaluated<()> {
    let mut encoded = Vec::new();
    put(&mut encoded, value, depth + 1)?;
    write::message(out, 1, &utf8(key));
    write::message(out, 2, &encoded);
    Ok(())
}

/// An encoded `KeyValueList` of these entries.
pub(super) fn map(entries: &[(Cow<'_, [u8]>, Val<'_>)]) -> Evaluated<Vec<u8>> {
    let mut out = Vec::new();
    for (key, value) in entries {
        let mut pair = Vec::new();
        key_value(&mut pair, key, value, 0)?;
        write::message(&mut out, 1, &pair);
    }
    Ok(out)
}

/// Replaces bytes that are not UTF-8, which may not leave: OTLP has no text that is not.
fn utf8(text: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// An attribute in its canonical encoding, made in `pending`.
pub(super) fn attribute(pending: &mut PendingBytes, key: &[u8], value: &Val<'_>) -> Evaluated<AttrRow> {
    let start = pending.len();
    let key = utf8(key);
    match value {
        Val::Text(text) => {
            let text = utf8(text);
            let framed = 1 + length(text.len()) + text.len();
            write::message(&mut pending.bytes, 1, &key);
            write::varint(&mut pending.bytes, 2 << 3 | 2);
            write::varint(&mut pending.bytes, framed as u64);
            write::message(&mut pending.bytes, 1, &text);
            let at = pending.len() - text.len();
            let span = pending.part(at, text.len());
            return Ok(row(pending, start, &key, Cell::Text(span), true));
        }
        Val::Int(_) | Val::Double(_) | Val::Bool(_) | Val::Nil => {
            let mut encoded = [0_u8; 12];
            let mut inner = SmallValue { bytes: &mut encoded, len: 0 };
            let cell = inner.scalar(value);
            let len = inner.len;
            write::message(&mut pending.bytes, 1, &key);
            write::message(&mut pending.bytes, 2, &encoded[..len]);
            return Ok(row(pending, start, &key, cell, true));
        }
        _ => {}
    }
    let mut encoded = Vec::new();
    put(&mut encoded, value, 0)?;
    write::message(&mut pending.bytes, 1, &key);
    write::message(&mut pending.bytes, 2, &encoded);
    let inner = |skipped: usize| encoded.len() - skipped;
    let content = |pending: &PendingBytes| {
        // The content follows its tag and its length at the end of what was written.
        let len =
            (1..=5).map(|digits| (digits, inner(1 + digits))).find(|(digits, len)| length(*len) == *digits);
        let len = len.map_or(0, |(_, len)| len);
        pending.part(pending.len() - len, len)
    };
    let cell = match value {
        Val::Bytes(_) => Cell::Bytes(content(pending)),
        Val::List(_) | Val::Texts(_) | Val::Doubles(_) => Cell::List(content(pending)),
        Val::Map(_) => Cell::Map(content(pending)),
        _ => Cell::Empty,
    };
    Ok(row(pending, start, &key, cell, matches!(value, Val::Bytes(_))))
}

fn row(pending: &PendingBytes, start: usize, key: &[u8], value: Cell, canonical: bool) -> AttrRow {
    let key_at = start + 1 + length(key.len());
    AttrRow { raw: pending.span(start), canonical, key: pending.part(key_at, key.len()), value }
}

fn length(len: usize) -> usize {
    (64 - (len as u64 | 1).leading_zeros() as usize).div_ceil(7)
}

/// An `AnyValue` of a few bytes.
struct SmallValue<'o> {
    bytes: &'o mut [u8; 12],
    len: usize,
}

impl SmallValue<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn scalar(&mut self, value: &Val<'_>) -> Cell {
        match value {
            Val::Bool(bit) => {
                self.put(&[2 << 3, u8::from(*bit)]);
                Cell::Bool(*bit)
            }
            Val::Int(number) => {
                self.put(&[3 << 3]);
                let mut left = *number as u64;
                while left >= 0x80 {
                    self.put(&[left as u8 | 0x80]);
                    left >>= 7;
                }
                self.put(&[left as u8]);
                Cell::Int(*number)
            }
            Val::Double(number) => {
                self.put(&[4 << 3 | 1]);
                self.put(&number.to_bits().to_le_bytes());
                Cell::Double(*number)
            }
            _ => Cell::Empty,
        }
    }
}

/// An attribute with the value of another one, whose text and nested values stay where they lie.
pub(super) fn shared(
    batch: &Batch,
    pending: &mut PendingBytes,
    key: &[u8],
    value: &Val<'_>,
) -> Evaluated<AttrRow> {
    let lies = |bytes: &[u8]| if bytes.is_empty() { None } else { batch.span_of(bytes) };
    let cell = match value {
        Val::List(List::Wire(encoded)) => lies(encoded).map(Cell::List),
        Val::Map(Map::Wire(encoded, 1)) => lies(encoded).map(Cell::Map),
        Val::Bytes(Cow::Borrowed(bytes)) => lies(bytes).map(Cell::Bytes),
        _ => None,
    };
    match cell {
        Some(cell) => {
            let key = utf8(key);
            Ok(AttrRow::bare(lies(&key).unwrap_or_else(|| pending.put(&key)), cell))
        }
        None => attribute(pending, key, value),
    }
}

/// The row of an attribute that nobody changed: its key and value still lie where the row says.
pub(super) fn unchanged(batch: &Batch, rows: Rows, key: &[u8], value: &Val<'_>) -> Option<AttrRow> {
    let same = |a: &[u8], b: &[u8]| a.as_ptr() == b.as_ptr() && a.len() == b.len();
    let row = batch.attributes(rows).iter().find(|row| same(batch.bytes(row.key), key))?;
    let kept = match (batch.value(row.value), value) {
        (Value::Text(a), Val::Text(b)) | (Value::Bytes(a), Val::Bytes(b)) => same(a, b),
        (Value::List(a), Val::List(List::Wire(b))) | (Value::Map(a), Val::Map(Map::Wire(b, 1))) => same(a, b),
        (Value::Int(a), Val::Int(b)) => a == *b,
        (Value::Bool(a), Val::Bool(b)) => a == *b,
        (Value::Double(a), Val::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Empty, Val::Nil) => true,
        _ => false,
    };
    kept.then_some(*row)
}
