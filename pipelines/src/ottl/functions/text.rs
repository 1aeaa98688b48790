//! Texts: their parts, and patterns in them.

use std::borrow::Cow;

use crate::cost::Allowance;
use crate::ottl::pattern::Pattern;
use crate::ottl::run::compare::compare;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::{self, text_like};
use crate::ottl::run::value::{Map, Val};
use crate::ottl::syntax::ast::CompareOp;

use super::{
    Args, Call, ParamType, Preparation, Signature, converter, optional, prepare_pattern, required,
    with_pattern,
};

pub(super) const TABLE: &[Signature] = &[
    converter(
        "IsMatch",
        &[required("target", ParamType::TextLike), required("pattern", ParamType::Text)],
        is_match,
    )
    .compiled(prepare_pattern::<1>),
    converter(
        "ExtractPatterns",
        &[required("target", ParamType::Text), required("pattern", ParamType::Text)],
        extract,
    )
    .compiled(prepare_groups),
    converter(
        "Concat",
        &[required("vals", ParamType::Values(&ParamType::TextLike)), required("delimiter", ParamType::Text)],
        concat,
    ),
    converter(
        "Split",
        &[required("target", ParamType::Text), required("delimiter", ParamType::Text)],
        |args| Ok(Val::Texts(split(&args.text(0)?, &args.text(1)?))),
    ),
    converter(
        "HasPrefix",
        &[required("target", ParamType::Text), required("prefix", ParamType::Text)],
        |args| Ok(Val::Bool(args.text(0)?.starts_with(&args.text(1)?))),
    ),
    converter(
        "HasSuffix",
        &[required("target", ParamType::Text), required("suffix", ParamType::Text)],
        |args| Ok(Val::Bool(args.text(0)?.ends_with(&args.text(1)?))),
    ),
    converter(
        "Trim",
        &[required("target", ParamType::Text), optional("replacement", ParamType::FixedText)],
        trim,
    ),
    converter(
        "TrimPrefix",
        &[required("target", ParamType::Text), required("prefix", ParamType::Text)],
        |args| {
            let (text, prefix) = (args.text(0)?, args.text(1)?);
            Ok(Val::text(text.strip_prefix(&*prefix).unwrap_or(&text)))
        },
    ),
    converter(
        "TrimSuffix",
        &[required("target", ParamType::Text), required("suffix", ParamType::Text)],
        |args| {
            let (text, suffix) = (args.text(0)?, args.text(1)?);
            Ok(Val::text(text.strip_suffix(&*suffix).unwrap_or(&text)))
        },
    ),
    converter(
        "Substring",
        &[
            required("target", ParamType::Text),
            required("start", ParamType::Int),
            required("length", ParamType::Int),
            optional("utf8_safe", ParamType::FixedBool),
        ],
        substring,
    ),
    converter("Index", &[required("target", ParamType::Any), required("value", ParamType::Any)], index),
];

fn is_match<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    with_pattern(args, 1, |pattern| {
        let value = args.value(0)?;
        Ok(Val::Bool(text_like(&value)?.is_some_and(|text| pattern.is_match(&text))))
    })
}

const NO_GROUP: &str = "the pattern has no group with a name";

/// A pattern without a named group is found out at run time by the Collector, and fails every time.
fn prepare_groups(call: &Call, allowance: &mut Allowance) -> Result<Preparation, String> {
    prepare_pattern::<1>(call, allowance)
}

fn extract<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    with_pattern(args, 1, |pattern| groups(pattern, &args.text(0)?))
}

fn groups<'a>(pattern: &Pattern, text: &[u8]) -> Evaluated<Val<'a>> {
    let names: Vec<Option<&str>> = pattern.group_names().collect();
    if names.iter().all(Option::is_none) {
        return Err(Failure(NO_GROUP));
    }
    let mut found = Vec::<(Vec<u8>, Val<'a>)>::new();
    if let Some(captures) = pattern.captures(text) {
        for (place, name) in names.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let text = captures.get(place + 1).unwrap_or_default();
            found.push((name.as_bytes().to_vec(), Val::text(text)));
        }
    }
    Ok(Val::map(found))
}

fn concat<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let delimiter = args.text(1)?;
    let mut joined = Vec::new();
    for (place, item) in args.exprs(0).iter().enumerate() {
        if place > 0 {
            joined.extend_from_slice(&delimiter);
        }
        let value = item.eval(args.row)?;
        joined.extend_from_slice(&text_like(&value)?.unwrap_or(Cow::Borrowed(b"<nil>")));
    }
    Ok(Val::text(joined))
}

/// Splits at every delimiter; an empty one splits into characters.
pub(super) fn split<'a>(text: &[u8], delimiter: &[u8]) -> Vec<Cow<'a, [u8]>> {
    let made = |part: &[u8]| Cow::Owned(part.to_vec());
    if delimiter.is_empty() {
        return String::from_utf8_lossy(text).chars().map(|c| made(c.to_string().as_bytes())).collect();
    }
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = find(rest, delimiter) {
        parts.push(made(&rest[..at]));
        rest = &rest[at + delimiter.len()..];
    }
    parts.push(made(rest));
    parts
}

/// Finds the place where one text begins in another.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Takes characters of a set off both ends.
fn trim<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let set = String::from_utf8_lossy(args.fixed_text(1).unwrap_or(b" ")).into_owned();
    let text = args.text(0)?;
    let text = String::from_utf8_lossy(&text);
    Ok(Val::text(text.trim_matches(|c| set.contains(c))))
}

fn substring<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    const WRONG: Failure = Failure("a substring that does not lie in its text");
    let start = usize::try_from(args.integer(1)?).map_err(|_| WRONG)?;
    let length = usize::try_from(args.integer(2)?).ok().filter(|length| *length > 0).ok_or(WRONG)?;
    let text = args.text(0)?;
    let end = start.checked_add(length).filter(|end| *end <= text.len()).ok_or(WRONG)?;
    let (mut from, mut to) = (start, end);
    if args.fixed_bool(3) == Some(true) {
        let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        while inside(from) {
            from += 1;
        }
        while from < to && inside(to) {
            to -= 1;
        }
    }
    Ok(Val::text(text.get(from..to.max(from)).unwrap_or_default()))
}

/// Finds the place where a text or value stands first; -1 where it does not.
fn index<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (target, value) = (args.value(0)?, args.value(1)?);
    let place = match target {
        Val::Text(text) => find(&text, &getters::text(value)?),
        other => {
            let value = match value {
                Val::Map(map) => Val::Map(Map::Made(map.entries())),
                value => value,
            };
            getters::list(other)?.iter().position(|item| compare(item, CompareOp::Eq, &value))
        }
    };
    Ok(Val::Int(place.map_or(-1, |place| place as i64)))
}
