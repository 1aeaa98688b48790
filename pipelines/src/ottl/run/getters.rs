//! Conversion of values for parameters: each kind of parameter takes its own kind alone, or converts.

use std::borrow::Cow;

use super::eval::{Evaluated, Failure};
use super::json;
use super::value::{List, Map, Moment, Val, cut};

/// A text.
pub(crate) fn text(value: Val<'_>) -> Evaluated<Cow<'_, [u8]>> {
    match value {
        Val::Text(text) => Ok(text),
        _ => Err(Failure("a text was expected")),
    }
}

/// An integer.
pub(crate) fn integer(value: &Val<'_>) -> Evaluated<i64> {
    match value {
        Val::Int(number) => Ok(*number),
        _ => Err(Failure("an integer was expected")),
    }
}

/// A double.
pub(crate) fn double(value: &Val<'_>) -> Evaluated<f64> {
    match value {
        Val::Double(number) => Ok(*number),
        _ => Err(Failure("a double was expected")),
    }
}

/// A boolean.
pub(crate) fn boolean(value: &Val<'_>) -> Evaluated<bool> {
    match value {
        Val::Bool(bit) => Ok(*bit),
        _ => Err(Failure("a boolean was expected")),
    }
}

/// A time.
pub(crate) fn time(value: &Val<'_>) -> Evaluated<Moment> {
    match value {
        Val::Time(time) => Ok(time.clone()),
        _ => Err(Failure("a time was expected")),
    }
}

/// A duration, in nanoseconds.
pub(crate) fn duration(value: &Val<'_>) -> Evaluated<i64> {
    match value {
        Val::Duration(duration) => Ok(*duration),
        _ => Err(Failure("a duration was expected")),
    }
}

/// A map.
pub(crate) fn map(value: Val<'_>) -> Evaluated<Map<'_>> {
    match value {
        Val::Map(map) => Ok(map),
        _ => Err(Failure("a map was expected")),
    }
}

/// A list of what attributes can hold.
pub(crate) fn list(value: Val<'_>) -> Evaluated<Vec<Val<'_>>> {
    match value {
        Val::List(List::Raw(items)) => {
            if !items.iter().all(is_raw) {
                return Err(Failure("a list of what no attribute can hold"));
            }
            Ok(items)
        }
        Val::List(list) => Ok(list.items()),
        Val::Texts(texts) => Ok(texts.into_iter().map(Val::Text).collect()),
        Val::Counts(counts) => Ok(counts.into_iter().map(|count| Val::Int(count as i64)).collect()),
        Val::Doubles(numbers) => Ok(numbers.into_iter().map(Val::Double).collect()),
        _ => Err(Failure("a list was expected")),
    }
}

/// Returns whether the Collector's plain lists can hold the value; its own lists and maps are not plain.
pub(crate) fn is_raw(value: &Val<'_>) -> bool {
    match value {
        Val::Nil | Val::Bool(_) | Val::Int(_) | Val::Double(_) | Val::Text(_) | Val::Bytes(_) => true,
        Val::List(List::Raw(items)) => items.iter().all(is_raw),
        _ => false,
    }
}

/// The value as it is inside a plain list.
pub(crate) fn plain(value: Val<'_>) -> Val<'_> {
    match value {
        Val::List(list) => Val::List(List::Raw(list.items().into_iter().map(plain).collect())),
        other => other,
    }
}

/// A value as text; nil is none.
pub(crate) fn text_like<'v>(value: &'v Val<'_>) -> Evaluated<Option<Cow<'v, [u8]>>> {
    let made = match value {
        Val::Nil => return Ok(None),
        Val::Text(text) => return Ok(Some(Cow::Borrowed(text))),
        Val::Bytes(bytes) => hex::encode(bytes),
        _ => json::write(value).ok_or(Failure("a value that JSON does not have"))?,
    };
    Ok(Some(Cow::Owned(made.into_bytes())))
}

/// An integer, of what converts to one; nil where it does not.
pub(crate) fn integer_like(value: &Val<'_>) -> Evaluated<Option<i64>> {
    Ok(match value {
        Val::Nil => None,
        Val::Int(number) => Some(*number),
        Val::Double(number) => Some(cut(*number)),
        Val::Bool(bit) => Some((*bit).into()),
        Val::Text(text) => parse_integer(text, 10),
        _ => return Err(Failure("a value that is no integer")),
    })
}

/// A double, of what converts to one.
pub(crate) fn double_like(value: &Val<'_>) -> Evaluated<Option<f64>> {
    Ok(Some(match value {
        Val::Nil => return Ok(None),
        Val::Int(number) => *number as f64,
        Val::Double(number) => *number,
        Val::Bool(bit) => f64::from(u8::from(*bit)),
        Val::Text(text) => parse_double(text).ok_or(Failure("a text that is no number"))?,
        _ => return Err(Failure("a value that is no number")),
    }))
}

/// A boolean, of what converts to one.
pub(crate) fn boolean_like(value: &Val<'_>) -> Evaluated<Option<bool>> {
    Ok(Some(match value {
        Val::Nil => return Ok(None),
        Val::Bool(bit) => *bit,
        Val::Int(number) => *number != 0,
        Val::Double(number) => *number != 0.0,
        Val::Text(text) => match &**text {
            b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => true,
            b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => false,
            _ => return Err(Failure("a text that is no boolean")),
        },
        _ => return Err(Failure("a value that is no boolean")),
    }))
}

/// The bytes of a value; numbers in eight bytes, the greatest first.
pub(crate) fn bytes_like<'v>(value: &'v Val<'_>) -> Evaluated<Cow<'v, [u8]>> {
    Ok(match value {
        Val::Nil => Cow::Borrowed(&[]),
        Val::Bytes(bytes) | Val::Text(bytes) => Cow::Borrowed(bytes),
        Val::Int(number) => Cow::Owned(number.to_be_bytes().to_vec()),
        Val::Double(number) => Cow::Owned(number.to_bits().to_be_bytes().to_vec()),
        Val::Bool(bit) => Cow::Owned(vec![u8::from(*bit)]),
        _ => return Err(Failure("a value that has no bytes")),
    })
}

/// Go's `strconv.ParseInt`; base 0 reads the base from the text, where underscores may stand.
pub(crate) fn parse_integer(text: &[u8], base: i64) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match base {
        0 => prefixed(digits)?,
        2..=36 => (base as u32, Cow::Borrowed(digits)),
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from_str_radix(&digits, radix).ok()?;
    i64::try_from(if negative { -size } else { size }).ok()
}

/// The base that a prefix names, and the digits after it without underscores.
fn prefixed(text: &str) -> Option<(u32, Cow<'_, str>)> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits, after_prefix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &text[2..], true),
        [b'0', b'b', ..] => (2, &text[2..], true),
        [b'0', b'o', ..] => (8, &text[2..], true),
        [b'0', _, ..] => (8, &text[1..], true),
        _ => (10, text, false),
    };
    if !digits.contains('_') {
        return Some((radix, Cow::Borrowed(digits)));
    }
    // An underscore stands between digits, or after the prefix.
    let well_placed =
        !digits.ends_with('_') && !digits.contains("__") && (after_prefix || !digits.starts_with('_'));
    well_placed.then(|| (radix, Cow::Owned(digits.replace('_', ""))))
}

/// Go's `strconv.ParseFloat`, which Rust's differs from in what surrounds a number.
pub(crate) fn parse_double(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    if unsigned.len() > 2 && unsigned.as_bytes()[..2].eq_ignore_ascii_case(b"0x") {
        return hexadecimal(text, unsigned);
    }
    let parsed: f64 = text.parse().ok()?;
    // A number too large is an error, unless infinity was meant.
    let named = unsigned.starts_with(|c: char| c.is_ascii_alphabetic());
    (parsed.is_finite() || named).then_some(parsed)
}

/// A hexadecimal number, which needs a binary exponent.
fn hexadecimal(text: &str, unsigned: &str) -> Option<f64> {
    let (digits, exponent) = unsigned[2..].split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 13 {
        return None;
    }
    let size = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()? as f64;
    let value = size * 2_f64.powi(exponent - 4 * fraction.len() as i32);
    Some(if text.starts_with('-') { -value } else { value })
}
