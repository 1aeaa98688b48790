//! Conversions between kinds, and numbers.

use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::{boolean_like, double_like, integer_like, parse_integer};
use crate::ottl::run::value::Val;

use super::{Args, ParamType, Signature, converter, required};

pub(super) const TABLE: &[Signature] = &[
    converter("Int", &[required("target", ParamType::IntLike)], |args| {
        Ok(integer_like(&args.value(0)?)?.map_or(Val::Nil, Val::Int))
    }),
    converter("Double", &[required("target", ParamType::DoubleLike)], |args| {
        Ok(double_like(&args.value(0)?)?.map_or(Val::Nil, Val::Double))
    }),
    converter("Bool", &[required("target", ParamType::BoolLike)], |args| {
        Ok(boolean_like(&args.value(0)?)?.map_or(Val::Nil, Val::Bool))
    }),
    converter("String", &[required("target", ParamType::TextLike)], |args| {
        Ok(args.text_like(0)?.map_or(Val::Nil, Val::Text))
    }),
    converter(
        "ParseInt",
        &[required("target", ParamType::Text), required("base", ParamType::Int)],
        parse_int,
    ),
    converter("Log", &[required("target", ParamType::DoubleLike)], log),
];

fn parse_int<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (text, base) = (args.text(0)?, args.integer(1)?);
    let number = parse_integer(&text, base).ok_or(Failure("a text that is no integer of this base"))?;
    Ok(Val::Int(number))
}

fn log<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    match double_like(&args.value(0)?)? {
        Some(number) if number > 0.0 || number.is_nan() => Ok(Val::Double(number.ln())),
        _ => Err(Failure("a logarithm of what is not above zero")),
    }
}
