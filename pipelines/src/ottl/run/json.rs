//! JSON, as `ParseJSON` reads it and as lists and maps are written where a text is wanted.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::eval::{Evaluated, Failure};
use super::value::{List, Map, Val};

/// Reads an object or array; every number is a double.
pub(crate) fn parse<'a>(text: &[u8]) -> Evaluated<Val<'a>> {
    let json: serde_json::Value = serde_json::from_slice(text).map_err(|_| Failure("not JSON"))?;
    match json {
        serde_json::Value::Object(_) | serde_json::Value::Array(_) => Ok(value(json)),
        _ => Err(Failure("JSON that is neither an object nor an array")),
    }
}

fn value<'a>(json: serde_json::Value) -> Val<'a> {
    match json {
        serde_json::Value::Null => Val::Nil,
        serde_json::Value::Bool(bit) => Val::Bool(bit),
        serde_json::Value::Number(number) => Val::Double(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Val::Text(Cow::Owned(text.into_bytes())),
        serde_json::Value::Array(items) => Val::List(List::Made(items.into_iter().map(value).collect())),
        serde_json::Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, item)| (Cow::Owned(key.into_bytes()), value(item)));
            Val::Map(Map::Made(entries.collect()))
        }
    }
}

/// Writes a value with the keys of maps in order. `None` where JSON has no such value.
pub(crate) fn write(value: &Val<'_>) -> Option<String> {
    let mut out = String::new();
    put(value, Exponent::TwoDigits, &mut out)?;
    Some(out)
}

/// Writes as [`write`] does, with exponents as attributes that become texts have them.
pub(crate) fn text_of(value: &Val<'_>) -> Option<String> {
    let mut out = String::new();
    put(value, Exponent::Short, &mut out)?;
    Some(out)
}

/// A double where a text is wanted.
pub(crate) fn double_text(number: f64) -> String {
    double(number).unwrap_or_else(|| {
        let name = match number {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        };
        name.to_owned()
    })
}

/// Spelling of a small double's exponent: the Collector has two JSON libraries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exponent {
    /// `1e-7`
    Short,
    /// `1e-07`
    TwoDigits,
}

fn put(value: &Val<'_>, style: Exponent, out: &mut String) -> Option<()> {
    match value {
        Val::Nil => out.push_str("null"),
        Val::Bool(bit) => out.push_str(if *bit { "true" } else { "false" }),
        Val::Int(number) => write!(out, "{number}").ok()?,
        Val::Double(number) => {
            let short = double(*number)?;
            match short.split_once("e-") {
                Some((digits, exponent)) if style == Exponent::TwoDigits && exponent.len() == 1 => {
                    write!(out, "{digits}e-0{exponent}").ok()?;
                }
                _ => out.push_str(&short),
            }
        }
        Val::Text(text) => quote(&String::from_utf8_lossy(text), out),
        Val::Bytes(bytes) => quote(&STANDARD.encode(bytes), out),
        Val::List(list) => join(out, '[', ']', list.items(), |item, out| put(item, style, out))?,
        Val::Map(map) => {
            let mut entries = map.entries();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            join(out, '{', '}', entries, |(key, value), out| {
                quote(&String::from_utf8_lossy(key), out);
                out.push(':');
                put(value, style, out)
            })?;
        }
        Val::Texts(texts) => join(out, '[', ']', texts.clone(), |text, out| {
            quote(&String::from_utf8_lossy(text), out);
            Some(())
        })?,
        Val::Counts(counts) => join(out, '[', ']', counts.clone(), |count, out| write!(out, "{count}").ok())?,
        Val::Doubles(numbers) => {
            join(out, '[', ']', numbers.clone(), |number, out| put(&Val::Double(*number), style, out))?;
        }
        Val::Duration(nanoseconds) => write!(out, "{nanoseconds}").ok()?,
        Val::Time(time) => write!(out, "\"{}\"", crate::ottl::run::civil::rfc3339(time)).ok()?,
        Val::Id(id) => write!(out, "\"{}\"", hex::encode(id)).ok()?,
        Val::Part(..) => return None,
    }
    Some(())
}

fn join<T>(
    out: &mut String,
    open: char,
    close: char,
    items: Vec<T>,
    mut put: impl FnMut(&T, &mut String) -> Option<()>,
) -> Option<()> {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        put(item, out)?;
    }
    out.push(close);
    Some(())
}

/// Go escapes what could end a script element, too.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A double as JavaScript writes it: an exponent below 1e-6 and from 1e21 on.
pub(crate) fn double(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(number.to_string());
    }
    let written = format!("{number:e}");
    // Rust leaves out the plus sign.
    Some(if written.contains("e-") { written } else { written.replace('e', "e+") })
}
