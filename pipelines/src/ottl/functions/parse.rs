//! Texts that hold data: JSON, CSV, pairs of keys and values, severities.

use std::borrow::Cow;

use crate::ottl::check::bind::literal;
use crate::ottl::check::call::Argument;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::json;
use crate::ottl::run::value::{Map, Val};

use super::collections::check_delimiters;
use super::text::{find, split};
use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, optional, required};

pub(super) const TABLE: &[Signature] = &[
    converter("ParseJSON", &[required("target", ParamType::Text)], |args| json::parse(&args.text(0)?)),
    converter(
        "ParseKeyValue",
        &[
            required("target", ParamType::Text),
            optional("delimiter", ParamType::FixedText),
            optional("pair_delimiter", ParamType::FixedText),
        ],
        key_values,
    )
    .prepared(check_delimiters),
    converter(
        "ParseCSV",
        &[
            required("target", ParamType::Text),
            required("header", ParamType::Text),
            optional("delimiter", ParamType::FixedText),
            optional("header_delimiter", ParamType::FixedText),
            optional("mode", ParamType::FixedText),
        ],
        csv,
    )
    .prepared(check_csv),
    converter(
        "ParseSeverity",
        &[required("target", ParamType::Any), required("mapping", ParamType::Map)],
        severity,
    ),
];

/// Splits at a delimiter outside of quotes; quotes are taken off, empty parts left out.
fn unquoted(text: &[u8], delimiter: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let (mut quote, mut escaped, mut at) = (None, false, 0);
    while at < text.len() {
        let byte = text[at];
        if quote.is_none() && text[at..].starts_with(delimiter) {
            if !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
            at += delimiter.len();
            continue;
        }
        at += 1;
        if escaped {
            escaped = false;
        } else if quote == Some(byte) {
            quote = None;
            continue;
        } else if quote.is_none() && matches!(byte, b'"' | b'\'') {
            quote = Some(byte);
            continue;
        } else {
            escaped = byte == b'\\';
        }
        part.push(byte);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    quote.is_none().then_some(parts)
}

fn key_values<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let text = args.text(0)?;
    let (inner, outer) = (args.fixed_text(1).unwrap_or(b"="), args.fixed_text(2).unwrap_or(b" "));
    if text.is_empty() {
        return Err(Failure("an empty text has no pairs"));
    }
    let mut made = Vec::<(Vec<u8>, Val<'a>)>::new();
    for pair in unquoted(&text, outer).ok_or(Failure("a quote that is not closed"))? {
        let at = find(&pair, inner).ok_or(Failure("a pair without its delimiter"))?;
        put(&mut made, trimmed(&pair[..at]), Val::text(trimmed(&pair[at + inner.len()..])));
    }
    Ok(Val::map(made))
}

fn trimmed(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).trim().as_bytes().to_vec()
}

/// The last of equal keys counts.
pub(super) fn put<'a>(made: &mut Vec<(Vec<u8>, Val<'a>)>, key: Vec<u8>, value: Val<'a>) {
    match made.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => made.push((key, value)),
    }
}

fn check_csv(call: &Call) -> Result<Preparation, String> {
    for place in [2, 3] {
        if fixed_text(call, place).is_some_and(|text| String::from_utf8_lossy(text).chars().count() != 1) {
            return Err("a delimiter is a single character".to_owned());
        }
    }
    match fixed_text(call, 4) {
        None | Some(b"strict" | b"lazyQuotes" | b"ignoreQuotes") => Ok(Preparation::Nothing),
        Some(_) => Err("the mode must be strict, lazyQuotes or ignoreQuotes".to_owned()),
    }
}

fn csv<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (text, header) = (args.text(0)?, args.text(1)?);
    if header.is_empty() {
        return Err(Failure("a header without names"));
    }
    let delimiter = args.fixed_text(2).unwrap_or(b",");
    let names = split(&header, args.fixed_text(3).unwrap_or(delimiter));
    let fields = match args.fixed_text(4) {
        Some(b"ignoreQuotes") => split(&text, delimiter).into_iter().map(Cow::into_owned).collect(),
        mode => {
            let rows = Rows { text: &text, at: 0, delimiter, lazy: mode == Some(b"lazyQuotes") };
            rows.joined().ok_or(Failure("not CSV"))?
        }
    };
    if fields.len() != names.len() {
        return Err(Failure("as many fields as the header has names were expected"));
    }
    let mut made = Vec::new();
    for (name, field) in names.into_iter().zip(fields) {
        put(&mut made, name.into_owned(), Val::text(field));
    }
    Ok(Val::map(made))
}

/// CSV as Go's `encoding/csv` reads it.
struct Rows<'t> {
    text: &'t [u8],
    at: usize,
    delimiter: &'t [u8],
    lazy: bool,
}

impl Rows<'_> {
    /// All rows as one: the first field of a row continues the last one of the row before.
    fn joined(mut self) -> Option<Vec<Vec<u8>>> {
        let mut joined: Option<Vec<Vec<u8>>> = None;
        while let Some(row) = self.row()? {
            match &mut joined {
                None => joined = Some(row),
                Some(fields) => {
                    let mut row = row.into_iter();
                    if let (Some(last), Some(first)) = (fields.last_mut(), row.next()) {
                        last.push(b'\n');
                        last.extend(first);
                    }
                    fields.extend(row);
                }
            }
        }
        joined
    }

    /// The next row; empty lines are skipped. `None` for what is not CSV.
    #[expect(clippy::option_option, reason = "the end and a mistake are two things")]
    fn row(&mut self) -> Option<Option<Vec<Vec<u8>>>> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match rest {
                [] => return Some(None),
                [b'\n', ..] => self.at += 1,
                [b'\r', b'\n', ..] => self.at += 2,
                _ => break,
            }
        }
        let mut fields = Vec::new();
        loop {
            let (field, more) = self.field()?;
            fields.push(field);
            if !more {
                return Some(Some(fields));
            }
        }
    }

    /// The next field, and whether another follows in its row.
    fn field(&mut self) -> Option<(Vec<u8>, bool)> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.first() == Some(&b'"') {
            return self.quoted();
        }
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let end = find(&rest[..line], self.delimiter);
        let field = &rest[..end.unwrap_or(line)];
        if !self.lazy && field.contains(&b'"') {
            return None;
        }
        self.at += end.map_or(line + 1, |end| end + self.delimiter.len());
        let field = if end.is_none() { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
        Some((field.to_vec(), end.is_some()))
    }

    fn quoted(&mut self) -> Option<(Vec<u8>, bool)> {
        let mut field = Vec::new();
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(quote) = rest.iter().position(|byte| *byte == b'"') else {
                // Without its closing quote a field ends with the text, where that is allowed.
                field.extend_from_slice(rest);
                self.at = self.text.len();
                return self.lazy.then_some((field, false));
            };
            field.extend_from_slice(&rest[..quote]);
            self.at += quote + 1;
            match &rest[quote + 1..] {
                [b'"', ..] => {
                    field.push(b'"');
                    self.at += 1;
                }
                after if after.starts_with(self.delimiter) => {
                    self.at += self.delimiter.len();
                    return Some((field, true));
                }
                [] => return Some((field, false)),
                [b'\n', ..] => {
                    self.at += 1;
                    return Some((field, false));
                }
                [b'\r', b'\n', ..] => {
                    self.at += 2;
                    return Some((field, false));
                }
                _ if self.lazy => field.push(b'"'),
                _ => return None,
            }
        }
    }
}

/// The first level one of whose criteria the value meets.
fn severity<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let Some(Some(Argument::Expr(mapping))) = args.call.arguments.get(1) else {
        return Err(Failure("a mapping is missing"));
    };
    let Some(Val::Map(mapping)) = literal(mapping) else {
        return Err(Failure("a mapping must be written out"));
    };
    let levels = mapping.entries();
    let all: Option<Vec<(Vec<u8>, Vec<Criterion>)>> =
        levels.iter().map(|(level, criteria)| Some((level.to_vec(), criteria_of(criteria)?))).collect();
    let all = all.ok_or(Failure("a mapping that holds no criteria"))?;
    let value = args.value(0)?;
    for (level, criteria) in all {
        for criterion in criteria {
            let meets = match &value {
                Val::Text(text) => criterion.equals.iter().any(|equal| equal[..] == text[..]),
                Val::Int(number) => criterion.range.is_some_and(|(min, max)| (min..=max).contains(number)),
                _ => return Err(Failure("a value that has no severity")),
            };
            if meets {
                return Ok(Val::text(level));
            }
        }
    }
    Err(Failure("a value that no severity is mapped to"))
}

#[derive(Default)]
struct Criterion {
    equals: Vec<Vec<u8>>,
    range: Option<(i64, i64)>,
}

fn criteria_of(value: &Val<'_>) -> Option<Vec<Criterion>> {
    let Val::List(list) = value else { return None };
    list.items().iter().map(criterion_of).collect()
}

fn criterion_of(value: &Val<'_>) -> Option<Criterion> {
    let Val::Map(map) = value else { return None };
    let mut criterion = Criterion::default();
    if let Some(equals) = map.get(b"equals") {
        let Val::List(list) = equals else { return None };
        for item in list.items() {
            let Val::Text(text) = item else { return None };
            criterion.equals.push(text.into_owned());
        }
    }
    if let Some(range) = map.get(b"range") {
        criterion.range = Some(match range {
            Val::Text(name) => match &*name {
                b"2xx" => (200, 299),
                b"3xx" => (300, 399),
                b"4xx" => (400, 499),
                b"5xx" => (500, 599),
                _ => return None,
            },
            Val::Map(bounds) => (bound(&bounds, b"min")?, bound(&bounds, b"max")?),
            _ => return None,
        });
    }
    Some(criterion)
}

fn bound(bounds: &Map<'_>, key: &[u8]) -> Option<i64> {
    match bounds.get(key)? {
        Val::Int(number) => Some(number),
        _ => None,
    }
}
