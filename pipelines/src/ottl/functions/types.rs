//! Functions that ask what kind a value is, and how much of it there is.

use crate::ottl::run::civil;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::bytes_like;
use crate::ottl::run::value::Val;

use super::{Args, Availability, Level, ParamType, Signature, converter, required};

const ANY: &[super::Parameter] = &[required("target", ParamType::Any)];

pub(super) const TABLE: &[Signature] = &[
    converter("IsString", &[required("target", ParamType::Text)], |args| {
        is(args, |v| matches!(v, Val::Text(_)))
    }),
    converter("IsInt", &[required("target", ParamType::Int)], |args| is(args, |v| matches!(v, Val::Int(_)))),
    converter("IsDouble", &[required("target", ParamType::Double)], |args| {
        is(args, |v| matches!(v, Val::Double(_)))
    }),
    converter("IsBool", &[required("target", ParamType::Bool)], |args| {
        is(args, |v| matches!(v, Val::Bool(_)))
    }),
    converter("IsMap", &[required("target", ParamType::Map)], |args| is(args, |v| matches!(v, Val::Map(_)))),
    converter("IsList", ANY, |args| is(args, is_list)),
    converter("IsEmpty", ANY, |args| is(args, is_empty)),
    converter("Len", ANY, len),
    converter("TraceID", &[required("target", ParamType::BytesLike)], |args| id(args, 16)),
    converter("SpanID", &[required("target", ParamType::BytesLike)], |args| id(args, 8)),
    converter("HasAttrKeyOnDatapoint", &[required("key", ParamType::FixedText)], has_key)
        .known(Availability::MetricCondition)
        .reads(Level::Metric),
    converter(
        "HasAttrOnDatapoint",
        &[required("key", ParamType::FixedText), required("expected_val", ParamType::FixedText)],
        has_value,
    )
    .known(Availability::MetricCondition)
    .reads(Level::Metric),
];

fn is<'a>(args: &Args<'a, '_>, holds: impl Fn(&Val<'_>) -> bool) -> Evaluated<Val<'a>> {
    Ok(Val::Bool(holds(&args.value(0)?)))
}

fn is_list(value: &Val<'_>) -> bool {
    match value {
        Val::Part(part, _) => part.is_list(),
        _ => matches!(value, Val::List(_) | Val::Texts(_) | Val::Doubles(_)),
    }
}

fn is_empty(value: &Val<'_>) -> bool {
    match value {
        Val::Nil => true,
        Val::Bool(bit) => !bit,
        Val::Int(number) | Val::Duration(number) => *number == 0,
        // Zero by its bits: -0 is something.
        Val::Double(number) => number.to_bits() == 0,
        Val::Text(bytes) | Val::Bytes(bytes) => bytes.is_empty(),
        // The zero of a time is the year 1.
        Val::Time(time) => time.at == -civil::YEAR_1,
        Val::List(list) => list.len() == 0,
        Val::Map(map) => map.len() == 0,
        Val::Texts(texts) => texts.is_empty(),
        Val::Counts(counts) => counts.is_empty(),
        Val::Doubles(numbers) => numbers.is_empty(),
        Val::Id(id) => id.iter().all(|byte| *byte == 0),
        Val::Part(..) => false,
    }
}

fn len<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let len = match &args.value(0)? {
        Val::Text(bytes) | Val::Bytes(bytes) => bytes.len(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        Val::Texts(texts) => texts.len(),
        Val::Counts(counts) => counts.len(),
        Val::Doubles(numbers) => numbers.len(),
        Val::Part(part, len) if part.is_list() => *len,
        _ => return Err(Failure("a value that has no length")),
    };
    Ok(Val::Int(len as i64))
}

/// Bytes of an id's length, or that many in hexadecimal.
fn id<'a>(args: &Args<'a, '_>, len: usize) -> Evaluated<Val<'a>> {
    let value = args.value(0)?;
    let bytes = bytes_like(&value)?;
    if bytes.len() == len {
        return Ok(Val::Id(bytes.into_owned()));
    }
    let id = hex::decode(&bytes).ok().filter(|id| id.len() == len);
    id.map(Val::Id).ok_or(Failure("an id of the wrong length, or not hexadecimal"))
}

fn on_any_point<'a>(args: &Args<'a, '_>, holds: impl Fn(crate::batch::Rows) -> bool) -> Evaluated<Val<'a>> {
    let metric = args.row.metric.ok_or(Failure("a metric is missing"))?;
    Ok(Val::Bool(args.row.batch.points(metric).iter().any(|point| holds(point.attrs))))
}

fn has_key<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let key = args.fixed_text(0).unwrap_or_default();
    on_any_point(args, |rows| args.row.batch.attribute(rows, key).is_some())
}

/// Returns whether the attribute of some point equals a text; what is no text reads as the empty one.
fn has_value<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (key, expected) = (args.fixed_text(0).unwrap_or_default(), args.fixed_text(1).unwrap_or_default());
    on_any_point(args, |rows| {
        let found = args.row.batch.attribute(rows, key);
        found.is_some_and(|value| value.as_text().unwrap_or_default().as_bytes() == expected)
    })
}
