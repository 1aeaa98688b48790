//! Lists and maps.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::ottl::run::compare::compare;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::{self, is_raw, plain};
use crate::ottl::run::json;
use crate::ottl::run::value::{List, Val};
use crate::ottl::syntax::ast::CompareOp;

use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, optional, required};

pub(super) const TABLE: &[Signature] = &[
    converter("Keys", &[required("target", ParamType::Map)], |args| {
        let entries = args.map(0)?.entries();
        Ok(Val::List(List::Made(entries.into_iter().map(|(key, _)| Val::Text(key)).collect())))
    }),
    converter("Values", &[required("target", ParamType::Map)], |args| {
        let entries = args.map(0)?.entries();
        Ok(Val::List(List::Made(entries.into_iter().map(|(_, value)| value).collect())))
    }),
    converter("Sort", &[required("target", ParamType::Any), optional("order", ParamType::FixedText)], sort)
        .prepared(check_order),
    converter(
        "SliceToMap",
        &[
            required("target", ParamType::List),
            optional("key_path", ParamType::FixedTexts),
            optional("value_path", ParamType::FixedTexts),
        ],
        slice_to_map,
    ),
    converter("Coalesce", &[required("values", ParamType::Values(&ParamType::Any))], coalesce)
        .prepared(check_coalesce),
    converter(
        "ContainsValue",
        &[required("target", ParamType::List), required("item", ParamType::Any)],
        |args| {
            let (items, wanted) = (args.list(0)?, args.value(1)?);
            Ok(Val::Bool(items.iter().any(|item| compare(item, CompareOp::Eq, &wanted))))
        },
    ),
    converter(
        "ToKeyValueString",
        &[
            required("target", ParamType::Map),
            optional("delimiter", ParamType::FixedText),
            optional("pair_delimiter", ParamType::FixedText),
            optional("sort_output", ParamType::FixedBool),
        ],
        to_key_values,
    )
    .prepared(check_delimiters),
];

fn check_order(call: &Call) -> Result<Preparation, String> {
    match fixed_text(call, 1) {
        None | Some(b"asc" | b"desc") => Ok(Preparation::Nothing),
        Some(_) => Err("the order must be asc or desc".to_owned()),
    }
}

/// Type as which the elements of a list are compared.
enum SortKind {
    Integer,
    Double,
    Text,
}

/// Sorts what has a common kind; texts with booleans and nothing as texts. A list of anything else stays.
fn sort<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let value = args.value(0)?;
    let descending = args.fixed_text(1) == Some(b"desc");
    let turn = |order: Ordering| if descending { order.reverse() } else { order };
    let mut items = match value {
        Val::Texts(mut texts) => {
            texts.sort_by(|a, b| turn(a.cmp(b)));
            return Ok(Val::Texts(texts));
        }
        Val::Doubles(mut numbers) => {
            numbers.sort_by(|a, b| turn(order(*a, *b)));
            return Ok(Val::Doubles(numbers));
        }
        Val::List(List::Raw(items)) if !items.iter().all(is_raw) => {
            return Err(Failure("a list of what cannot be sorted"));
        }
        Val::List(list) => list.items(),
        _ => return Err(Failure("only a list can be sorted")),
    };
    let Some(by) = common(&items)? else { return Ok(Val::List(List::Made(items))) };
    match by {
        SortKind::Integer => items.sort_by_key(|item| match item {
            Val::Int(number) => {
                if descending {
                    number.checked_neg().unwrap_or(i64::MAX)
                } else {
                    *number
                }
            }
            _ => 0,
        }),
        SortKind::Double => {
            let number = |item: &Val<'_>| match item {
                Val::Int(number) => *number as f64,
                Val::Double(number) => *number,
                _ => 0.0,
            };
            items.sort_by(|a, b| turn(order(number(a), number(b))));
        }
        SortKind::Text => items.sort_by(|a, b| turn(shown(a).cmp(&shown(b)))),
    }
    Ok(Val::List(List::Raw(items.into_iter().map(plain).collect())))
}

/// NaN comes first.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn common(items: &[Val<'_>]) -> Evaluated<Option<SortKind>> {
    let Some(first) = items.first() else { return Ok(None) };
    let (mut text, mut double) = (false, false);
    for item in items {
        match item {
            Val::Int(_) => double |= matches!(first, Val::Double(_)),
            Val::Double(_) => double |= matches!(first, Val::Int(_)),
            Val::Text(_) | Val::Bool(_) | Val::Nil => text = true,
            _ => return Ok(None),
        }
    }
    Ok(Some(match first {
        _ if text => SortKind::Text,
        Val::Double(_) => SortKind::Double,
        _ if double => SortKind::Double,
        _ => SortKind::Integer,
    }))
}

/// A value as the Collector shows it.
pub(in crate::ottl) fn shown(value: &Val<'_>) -> Vec<u8> {
    match value {
        Val::Nil => Vec::new(),
        Val::Text(text) => text.to_vec(),
        Val::Bytes(bytes) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes()
        }
        Val::Double(number) => json::double_text(*number).into_bytes(),
        other => json::text_of(other).unwrap_or_default().into_bytes(),
    }
}

fn slice_to_map<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let mut made = Vec::<(Vec<u8>, Val<'a>)>::new();
    let (key_path, value_path) = (args.fixed_texts(1), args.fixed_texts(2));
    for (place, item) in args.list(0)?.into_iter().enumerate() {
        let key = match key_path {
            Some(path) => getters::text(follow(&item, path)?)?.into_owned(),
            None => place.to_string().into_bytes(),
        };
        let value = match value_path {
            Some(path) => follow(&item, path)?,
            None if key_path.is_some() && !matches!(item, Val::Map(_)) => return Err(NO_PATH),
            None => item,
        };
        match made.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => made.push((key, value)),
        }
    }
    Ok(Val::map(made))
}

const NO_PATH: Failure = Failure("an element that does not have the path");

fn follow<'a>(item: &Val<'a>, path: &[Box<[u8]>]) -> Evaluated<Val<'a>> {
    let mut value = item.clone();
    if path.is_empty() {
        return Err(NO_PATH);
    }
    for key in path {
        let Val::Map(map) = value else { return Err(NO_PATH) };
        value = map.get(key).ok_or(NO_PATH)?;
    }
    Ok(value)
}

fn check_coalesce(call: &Call) -> Result<Preparation, String> {
    match call.arguments.first() {
        Some(Some(crate::ottl::check::call::Argument::Exprs(exprs))) if exprs.is_empty() => {
            Err("there is no value to choose from".to_owned())
        }
        _ => Ok(Preparation::Nothing),
    }
}

fn coalesce<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    for expr in args.exprs(0) {
        match expr.eval(args.row)? {
            Val::Nil => {}
            found => return Ok(found),
        }
    }
    Ok(Val::Nil)
}

/// Delimiters of pairs and of what is in a pair must be there and differ.
pub(super) fn check_delimiters(call: &Call) -> Result<Preparation, String> {
    let (inner, outer) = (fixed_text(call, 1).unwrap_or(b"="), fixed_text(call, 2).unwrap_or(b" "));
    if inner.is_empty() || outer.is_empty() {
        return Err("a delimiter cannot be empty".to_owned());
    }
    if inner == outer {
        return Err("the two delimiters cannot be equal".to_owned());
    }
    Ok(Preparation::Nothing)
}

fn to_key_values<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (inner, outer) = (args.fixed_text(1).unwrap_or(b"="), args.fixed_text(2).unwrap_or(b" "));
    let mut entries = args.map(0)?.entries();
    if args.fixed_bool(3) == Some(true) {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let quoted = |text: &[u8]| -> Vec<u8> {
        let escaped: Vec<u8> = text
            .iter()
            .flat_map(|byte| if *byte == b'"' { vec![b'\\', b'"'] } else { vec![*byte] })
            .collect();
        let holds = |delimiter| super::text::find(&escaped, delimiter).is_some();
        if holds(outer) || holds(inner) { [b"\"", escaped.as_slice(), b"\""].concat() } else { escaped }
    };
    let pairs = entries.iter().map(|(key, value)| [&quoted(key), inner, &quoted(&shown(value))].concat());
    Ok(Val::Text(Cow::Owned(pairs.collect::<Vec<_>>().join(outer))))
}
