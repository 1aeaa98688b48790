//! Conversions between kinds, and numbers.

use super::super::eval::{Evaluated, Failure};
use super::super::getters::{boolean_like, double_like, integer_like, parse_integer};
use super::super::value::Val;
use super::{Args, Signature, Takes, converter, needs};

pub(super) const TABLE: &[Signature] = &[
    converter("Int", &[needs("target", Takes::IntLike)], |args| {
        Ok(integer_like(&args.value(0)?)?.map_or(Val::Nil, Val::Int))
    }),
    converter("Double", &[needs("target", Takes::DoubleLike)], |args| {
        Ok(double_like(&args.value(0)?)?.map_or(Val::Nil, Val::Double))
    }),
    converter("Bool", &[needs("target", Takes::BoolLike)], |args| {
        Ok(boolean_like(&args.value(0)?)?.map_or(Val::Nil, Val::Bool))
    }),
    converter("String", &[needs("target", Takes::TextLike)], |args| {
        Ok(args.text_like(0)?.map_or(Val::Nil, Val::Text))
    }),
    converter("ParseInt", &[needs("target", Takes::Text), needs("base", Takes::Int)], parse_int),
    converter("Log", &[needs("target", Takes::DoubleLike)], log),
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
