//! Scalars: what stands in JSON for a number, bytes or an id, and how it lies on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};

use super::NotOtlp;
use super::lex::{Json, NextValue};
use super::schema::Names;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a whole number within bounds, from a number or a text.
pub(super) fn whole(json: &mut Json<'_>, min: i128, max: i128) -> Result<i128, NotOtlp> {
    let next = json.next()?;
    let offset = json.offset();
    let fail = |what: String| NotOtlp { offset, what };
    let text = match next {
        NextValue::Text => json.text()?,
        NextValue::Number => json.number()?.into(),
        _ => return Err(fail("expected a whole number".to_owned())),
    };
    let exact = text.parse::<i128>().ok();
    // 1e3 and 5.0 are whole numbers too.
    let double =
        || text.parse::<f64>().ok().filter(|v| v.fract() == 0.0 && v.abs() < 1e19).map(|v| v as i128);
    let number = exact.or_else(double).ok_or_else(|| fail(format!("{text:?} is no whole number")))?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(fail(format!("{number} is not from {min} to {max}")))
}

/// Reads an enum's number, or its name as older SDKs wrote it.
pub(super) fn code(json: &mut Json<'_>, names: &Names) -> Result<i128, NotOtlp> {
    if json.next()? == NextValue::Text {
        let offset = json.offset();
        let text = json.text()?;
        let name = text.strip_prefix(names.prefix);
        let known = name.and_then(|name| names.names.iter().position(|known| *known == name));
        let known = known.and_then(|code| i128::try_from(code).ok()).or_else(|| text.parse().ok());
        let within = known.filter(|code| i32::try_from(*code).is_ok());
        let what = || format!("{text:?} is no number and no name that begins with {}", names.prefix);
        return within.ok_or_else(|| NotOtlp { offset, what: what() });
    }
    whole(json, i32::MIN.into(), i32::MAX.into())
}

/// Reads a double, from a number or a text.
pub(super) fn double(json: &mut Json<'_>) -> Result<f64, NotOtlp> {
    let next = json.next()?;
    let offset = json.offset();
    let fail = |what: String| NotOtlp { offset, what };
    let text = match next {
        NextValue::Number => json.number()?.into(),
        NextValue::Text => json.text()?,
        _ => return Err(fail("expected a number".to_owned())),
    };
    // Infinities and NaN have words, in capitals or not; digits have to fit.
    let has_digits = text.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() || !has_digits => Ok(value),
        Ok(_) => Err(fail(format!("{text:?} is no number that a double holds"))),
        Err(_) => Err(fail(format!("{text:?} is no number; NaN, Infinity and -Infinity are written so"))),
    }
}

/// Reads `true` or `false`.
pub(super) fn boolean(json: &mut Json<'_>) -> Result<bool, NotOtlp> {
    match json.next()? {
        NextValue::True => json.word("true").map(|()| true),
        NextValue::False => json.word("false").map(|()| false),
        _ => Err(json.error("expected true or false")),
    }
}

/// Reads bytes from base64, of either alphabet, padded or not.
pub(super) fn bytes(json: &mut Json<'_>) -> Result<Vec<u8>, NotOtlp> {
    json.next()?;
    let offset = json.offset();
    let text = json.text()?.replace('-', "+").replace('_', "/");
    BASE64.decode(text).map_err(|error| NotOtlp { offset, what: format!("no base64: {error}") })
}

/// Reads an id of `length` bytes from hexadecimal digits of either case.
pub(super) fn id(json: &mut Json<'_>, length: usize) -> Result<Vec<u8>, NotOtlp> {
    json.next()?;
    let offset = json.offset();
    let text = json.text()?;
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        Some((digit(0)? << 4 | digit(1)?) as u8)
    });
    let bytes: Option<Vec<u8>> = pairs.collect();
    let bytes = bytes.filter(|bytes| bytes.is_empty() || bytes.len() == length);
    let what = || format!("expected an id of {} hexadecimal digits", 2 * length);
    bytes.ok_or_else(|| NotOtlp { offset, what: what() })
}

/// Bytes as JSON writes them.
pub(super) fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push('"');
    general_purpose::STANDARD.encode_string(bytes, out);
    out.push('"');
}

/// An id as JSON writes it.
pub(super) fn write_id(bytes: &[u8], out: &mut String) {
    out.push('"');
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out.push('"');
}

/// A double as JSON writes it: the shortest number that reads as the same double.
pub(super) fn write_double(value: f64, out: &mut String) {
    use std::fmt::Write as _;
    let _ = if value.is_nan() {
        out.write_str("\"NaN\"")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" })
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        write!(out, "{value}")
    } else {
        write!(out, "{value:?}")
    };
}

/// A text as JSON writes it. What is not UTF-8 has U+FFFD where it is not.
pub(super) fn write_text(bytes: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
