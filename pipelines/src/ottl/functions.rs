//! Converters: what they take, and what they do.

use std::borrow::Cow;

use crate::yaml::parse_duration;

use super::context::{Context, Level};
use super::eval::{Evaluated, Failure, Row};
use super::expr::Expr;
use super::json;
use super::pattern::Pattern;
use super::value::Val;

/// A converter with those of its arguments that are fixed when the config is read.
#[derive(Debug, Clone)]
pub(super) enum Function {
    IsMatch(Pattern),
    Concat(Box<[u8]>),
    Split(Box<[u8]>),
    HasAttrKeyOnDatapoint(Box<[u8]>),
    HasAttrOnDatapoint(Box<[u8]>, Box<[u8]>),
    Plain(Plain),
}

/// A converter all of whose arguments are values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Len,
    IsString,
    IsInt,
    IsDouble,
    IsBool,
    IsMap,
    IsList,
    Int,
    Double,
    String,
    HasPrefix,
    HasSuffix,
    ToLowerCase,
    ToUpperCase,
    Substring,
    Duration,
    ParseJson,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Any value.
    Any,
    /// A text.
    Text,
    /// An integer.
    Int,
    /// What converts to a double.
    DoubleLike,
    /// A text that stands in the config.
    Literal,
    /// A list, written as such.
    List,
}

/// A converter's name, its parameters in order, and where it is known.
#[derive(Debug)]
pub(super) struct Signature {
    pub name: &'static str,
    pub parameters: &'static [(&'static str, Takes)],
    pub function: Option<Plain>,
    /// The only context that knows it; all do if there is none.
    pub only_in: Option<Context>,
}

const fn plain(
    name: &'static str,
    parameters: &'static [(&'static str, Takes)],
    function: Plain,
) -> Signature {
    Signature { name, parameters, function: Some(function), only_in: None }
}

const fn special(
    name: &'static str,
    parameters: &'static [(&'static str, Takes)],
    only_in: Option<Context>,
) -> Signature {
    Signature { name, parameters, function: None, only_in }
}

const ANY: &[(&str, Takes)] = &[("target", Takes::Any)];
const TEXT: &[(&str, Takes)] = &[("target", Takes::Text)];

/// The converters that conditions can call.
pub(super) const SIGNATURES: &[Signature] = &[
    special("IsMatch", &[("target", Takes::Any), ("pattern", Takes::Literal)], None),
    special("Concat", &[("vals", Takes::List), ("delimiter", Takes::Literal)], None),
    special("Split", &[("target", Takes::Text), ("delimiter", Takes::Literal)], None),
    special("HasAttrKeyOnDatapoint", &[("key", Takes::Literal)], Some(Context::Metric)),
    special(
        "HasAttrOnDatapoint",
        &[("key", Takes::Literal), ("expected_val", Takes::Literal)],
        Some(Context::Metric),
    ),
    plain("Len", ANY, Plain::Len),
    plain("IsString", ANY, Plain::IsString),
    plain("IsInt", ANY, Plain::IsInt),
    plain("IsDouble", ANY, Plain::IsDouble),
    plain("IsBool", ANY, Plain::IsBool),
    plain("IsMap", ANY, Plain::IsMap),
    plain("IsList", ANY, Plain::IsList),
    plain("Int", ANY, Plain::Int),
    plain("Double", &[("target", Takes::DoubleLike)], Plain::Double),
    plain("String", ANY, Plain::String),
    plain("HasPrefix", &[("target", Takes::Text), ("prefix", Takes::Text)], Plain::HasPrefix),
    plain("HasSuffix", &[("target", Takes::Text), ("suffix", Takes::Text)], Plain::HasSuffix),
    plain("ToLowerCase", TEXT, Plain::ToLowerCase),
    plain("ToUpperCase", TEXT, Plain::ToUpperCase),
    plain(
        "Substring",
        &[("target", Takes::Text), ("start", Takes::Int), ("length", Takes::Int)],
        Plain::Substring,
    ),
    plain("Duration", &[("duration", Takes::Text)], Plain::Duration),
    plain("ParseJSON", TEXT, Plain::ParseJson),
];

/// Converters that OTTL has and conditions here do not call.
#[rustfmt::skip]
pub(super) const NOT_CALLED: &[&str] = &[
    "Base64Decode", "Base64Encode", "Bool", "CommunityID", "ContainsValue", "ConvertAttributesToElementsXML",
    "ConvertCase", "ConvertTextToElementsXML", "Day", "Decode", "DeleteKeys", "Encode", "ExtractGrokPatterns",
    "ExtractPatterns", "FNV", "Filter", "Format", "FormatTime", "GetXML", "Hex", "Hour", "Hours", "Index",
    "InsertXML", "IsEmpty", "IsInCIDR", "IsRootSpan", "IsValidLuhn", "KeepKeys", "Keys", "Log", "MD5",
    "Microseconds", "Milliseconds", "Minute", "Minutes", "Month", "Murmur3Hash", "Murmur3Hash128", "Nanosecond",
    "Nanoseconds", "Now", "ParseCSV", "ParseInt", "ParseKeyValue", "ParseSeverity", "ParseSimplifiedXML",
    "ParseXML", "ProfileID", "RemoveXML", "SHA1", "SHA256", "SHA512", "Second", "Seconds", "SliceToMap", "Sort",
    "SpanID", "Time", "TimestampTruncate", "ToCamelCase", "ToKeyValueString", "ToSnakeCase", "TraceID", "Trim", "TrimPrefix",
    "TrimSuffix", "TruncateTime", "URL", "UUID", "UUIDv7", "Unix", "UnixMicro", "UnixMilli", "UnixNano",
    "UnixSeconds", "UserAgent", "Values", "Weekday", "XXH128", "XXH3", "Year",
];

impl Function {
    /// What it reads by itself, apart from its arguments.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::HasAttrKeyOnDatapoint(_) | Self::HasAttrOnDatapoint(..) => Level::Metric,
            _ => Level::Constant,
        }
    }

    pub(super) fn call<'a>(&'a self, arguments: &'a [Expr], row: &Row<'a>) -> Evaluated<Val<'a>> {
        let argument = |place: usize| match arguments.get(place) {
            Some(argument) => argument.eval(row),
            None => Err(Failure("a missing argument")),
        };
        match self {
            Self::IsMatch(pattern) => Ok(Val::Bool(match text_like(&argument(0)?)? {
                Some(text) => pattern.is_match(&text),
                None => false,
            })),
            Self::Concat(delimiter) => concat(arguments, delimiter, row),
            Self::Split(delimiter) => Ok(Val::Texts(split(text(argument(0)?)?, delimiter))),
            Self::HasAttrKeyOnDatapoint(key) => {
                on_any_point(row, |rows| row.batch.attribute(rows, key).is_some())
            }
            Self::HasAttrOnDatapoint(key, expected) => on_any_point(row, |rows| {
                let found = row.batch.attribute(rows, key);
                found.is_some_and(|value| value.as_text().unwrap_or_default().as_bytes() == &**expected)
            }),
            Self::Plain(plain) => plain.call(argument(0)?, || argument(1), || argument(2)),
        }
    }
}

impl Plain {
    fn call<'a>(
        self,
        target: Val<'a>,
        second: impl FnOnce() -> Evaluated<Val<'a>>,
        third: impl FnOnce() -> Evaluated<Val<'a>>,
    ) -> Evaluated<Val<'a>> {
        Ok(match self {
            Self::Len => Val::Int(length(&target)? as i64),
            Self::IsString => Val::Bool(matches!(target, Val::Text(_))),
            Self::IsInt => Val::Bool(matches!(target, Val::Int(_))),
            Self::IsDouble => Val::Bool(matches!(target, Val::Double(_))),
            Self::IsBool => Val::Bool(matches!(target, Val::Bool(_))),
            Self::IsMap => Val::Bool(matches!(target, Val::Map(_))),
            Self::IsList => Val::Bool(matches!(target, Val::List(_) | Val::Texts(_))),
            Self::Int => int(target)?,
            Self::Double => double(target)?,
            Self::String => {
                text_like(&target)?.map_or(Val::Nil, |text| Val::Text(Cow::Owned(text.into_owned())))
            }
            Self::HasPrefix => Val::Bool(text(target)?.starts_with(&text(second()?)?)),
            Self::HasSuffix => Val::Bool(text(target)?.ends_with(&text(second()?)?)),
            // Characters without a single counterpart stay, as in Go.
            Self::ToLowerCase => Val::Text(each_character(&text(target)?, |c| c.to_lowercase().next())),
            Self::ToUpperCase => Val::Text(each_character(&text(target)?, |c| {
                let mut upper = c.to_uppercase();
                upper.next().filter(|_| upper.next().is_none())
            })),
            Self::Substring => substring(text(target)?, integer(second()?)?, integer(third()?)?)?,
            Self::Duration => {
                let text = text(target)?;
                let nanoseconds = std::str::from_utf8(&text).ok().and_then(parse_duration);
                Val::Duration(nanoseconds.ok_or(Failure("a text that is no duration"))?)
            }
            Self::ParseJson => json::parse(&text(target)?)?,
        })
    }
}

fn text(value: Val<'_>) -> Evaluated<Cow<'_, [u8]>> {
    match value {
        Val::Text(text) => Ok(text),
        _ => Err(Failure("a text was expected")),
    }
}

fn integer(value: Val<'_>) -> Evaluated<i64> {
    match value {
        Val::Int(number) => Ok(number),
        _ => Err(Failure("an integer was expected")),
    }
}

/// A value as text; nil is none.
pub(super) fn text_like<'v>(value: &'v Val<'_>) -> Evaluated<Option<Cow<'v, [u8]>>> {
    let made = match value {
        Val::Nil => return Ok(None),
        Val::Text(text) => return Ok(Some(Cow::Borrowed(text))),
        Val::Bool(bit) => bit.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Double(number) if number.is_infinite() => {
            (if *number > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
        }
        Val::Double(number) => number.to_string(),
        Val::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Val::List(_) | Val::Map(_) => json::write(value).ok_or(Failure("a value that JSON does not have"))?,
        Val::Time(_) | Val::Duration(_) | Val::Texts(_) => return Err(Failure("a value that has no text")),
    };
    Ok(Some(Cow::Owned(made.into_bytes())))
}

fn int(value: Val<'_>) -> Evaluated<Val<'_>> {
    Ok(match value {
        Val::Nil => Val::Nil,
        Val::Int(number) => Val::Int(number),
        Val::Double(number) => Val::Int(number as i64),
        Val::Bool(bit) => Val::Int(bit.into()),
        Val::Text(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            number.map_or(Val::Nil, Val::Int)
        }
        _ => return Err(Failure("a value that is no integer")),
    })
}

fn double(value: Val<'_>) -> Evaluated<Val<'_>> {
    Ok(match value {
        Val::Nil => Val::Nil,
        Val::Int(number) => Val::Double(number as f64),
        Val::Double(number) => Val::Double(number),
        Val::Bool(bit) => Val::Double(f64::from(u8::from(bit))),
        Val::Text(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            Val::Double(number.ok_or(Failure("a text that is no number"))?)
        }
        _ => return Err(Failure("a value that is no number")),
    })
}

fn length(value: &Val<'_>) -> Evaluated<usize> {
    match value {
        Val::Text(bytes) | Val::Bytes(bytes) => Ok(bytes.len()),
        Val::List(list) => Ok(list.len()),
        Val::Map(map) => Ok(map.len()),
        Val::Texts(texts) => Ok(texts.len()),
        _ => Err(Failure("a value that has no length")),
    }
}

fn concat<'a>(arguments: &'a [Expr], delimiter: &[u8], row: &Row<'a>) -> Evaluated<Val<'a>> {
    let Some(Expr::List(items)) = arguments.first() else { return Err(Failure("a list was expected")) };
    let mut joined = Vec::new();
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            joined.extend_from_slice(delimiter);
        }
        joined.extend_from_slice(&text_like(&item.eval(row)?)?.unwrap_or(Cow::Borrowed(b"<nil>")));
    }
    Ok(Val::Text(Cow::Owned(joined)))
}

/// Splits at every delimiter; an empty one splits into characters.
fn split<'a>(text: Cow<'a, [u8]>, delimiter: &[u8]) -> Vec<Cow<'a, [u8]>> {
    let made = |part: &[u8]| Cow::Owned(part.to_vec());
    if delimiter.is_empty() {
        return String::from_utf8_lossy(&text).chars().map(|c| made(c.to_string().as_bytes())).collect();
    }
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at + delimiter.len() <= text.len() {
        if text[at..].starts_with(delimiter) {
            parts.push(made(&text[from..at]));
            at += delimiter.len();
            from = at;
        } else {
            at += 1;
        }
    }
    parts.push(made(&text[from..]));
    parts
}

fn substring(text: Cow<'_, [u8]>, start: i64, length: i64) -> Evaluated<Val<'_>> {
    const WRONG: Failure = Failure("a substring that does not lie in its text");
    let start = usize::try_from(start).map_err(|_| WRONG)?;
    let length = usize::try_from(length).ok().filter(|length| *length > 0).ok_or(WRONG)?;
    let end = start.checked_add(length).ok_or(WRONG)?;
    text.get(start..end).map(|part| Val::Text(Cow::Owned(part.to_vec()))).ok_or(WRONG)
}

fn each_character<'a>(text: &[u8], convert: impl Fn(char) -> Option<char>) -> Cow<'a, [u8]> {
    let converted: String = String::from_utf8_lossy(text).chars().map(|c| convert(c).unwrap_or(c)).collect();
    Cow::Owned(converted.into_bytes())
}

fn on_any_point<'a>(row: &Row<'a>, holds: impl Fn(crate::batch::Rows) -> bool) -> Evaluated<Val<'a>> {
    let metric = row.metric.ok_or(Failure("a metric is missing"))?;
    Ok(Val::Bool(row.batch.points(metric).iter().any(|point| holds(point.attrs))))
}
