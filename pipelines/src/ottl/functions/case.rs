//! Upper and lower case, `snake_case` and `CamelCase`.

use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::Val;

use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, required};

const TEXT: &[super::Parameter] = &[required("target", ParamType::Text)];

pub(super) const TABLE: &[Signature] = &[
    converter("ToLowerCase", TEXT, |args| Ok(Val::text(lower(&args.text(0)?)))),
    converter("ToUpperCase", TEXT, |args| Ok(Val::text(upper(&args.text(0)?)))),
    converter("ToSnakeCase", TEXT, |args| Ok(Val::text(snake(&args.text(0)?)))),
    converter("ToCamelCase", TEXT, |args| Ok(Val::text(camel(&args.text(0)?)))),
    converter(
        "ConvertCase",
        &[required("target", ParamType::Text), required("to_case", ParamType::FixedText)],
        convert_case,
    )
    .prepared(check_case),
];

type Convert = fn(&[u8]) -> Vec<u8>;
const CASES: [(&[u8], Convert); 4] =
    [(b"lower", lower), (b"upper", upper), (b"snake", snake), (b"camel", camel)];

fn check_case(call: &Call) -> Result<Preparation, String> {
    let case = fixed_text(call, 1).unwrap_or_default();
    match CASES.iter().any(|(known, _)| *known == case) {
        true => Ok(Preparation::Nothing),
        false => Err("the case must be lower, upper, snake or camel".to_owned()),
    }
}

fn convert_case<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let case = args.fixed_text(1).unwrap_or_default();
    let (_, convert) = CASES.iter().find(|(known, _)| *known == case).ok_or(Failure("an unknown case"))?;
    Ok(Val::text(convert(&args.text(0)?)))
}

/// Characters without a single counterpart stay, as in Go.
pub(crate) fn lower(text: &[u8]) -> Vec<u8> {
    each(text, |c| c.to_lowercase().next())
}

pub(crate) fn upper(text: &[u8]) -> Vec<u8> {
    each(text, |c| {
        let mut upper = c.to_uppercase();
        upper.next().filter(|_| upper.next().is_none())
    })
}

fn each(text: &[u8], convert: impl Fn(char) -> Option<char>) -> Vec<u8> {
    let converted: String = String::from_utf8_lossy(text).chars().map(|c| convert(c).unwrap_or(c)).collect();
    converted.into_bytes()
}

fn trimmed(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes().to_vec(),
        Err(_) => text.trim_ascii().to_vec(),
    }
}

/// Words are told apart by what is neither letter nor digit, by digits, and by a change of case. Only ASCII
/// letters and digits are kept.
pub(in crate::ottl) fn camel(text: &[u8]) -> Vec<u8> {
    let (mut out, mut raise, mut after_capital) = (Vec::new(), true, false);
    for byte in trimmed(text) {
        let capital = byte.is_ascii_uppercase();
        if raise {
            out.extend(byte.is_ascii_alphanumeric().then(|| byte.to_ascii_uppercase()));
        } else if after_capital && capital {
            out.push(byte.to_ascii_lowercase());
        } else {
            out.extend(byte.is_ascii_alphanumeric().then_some(byte));
        }
        after_capital = capital;
        raise = !byte.is_ascii_alphabetic() && (byte.is_ascii_digit() || b"_ -.".contains(&byte));
    }
    out
}

/// Every change between lower case, capitals and digits begins a word.
fn snake(text: &[u8]) -> Vec<u8> {
    let text = trimmed(text);
    let mut out = Vec::with_capacity(text.len() + 2);
    for (place, byte) in text.iter().enumerate() {
        let (capital, low, digit) =
            (byte.is_ascii_uppercase(), byte.is_ascii_lowercase(), byte.is_ascii_digit());
        let written = byte.to_ascii_lowercase();
        if let Some(next) = text.get(place + 1) {
            let (next_capital, next_low, next_digit) =
                (next.is_ascii_uppercase(), next.is_ascii_lowercase(), next.is_ascii_digit());
            let changes = capital && (next_low || next_digit)
                || low && (next_capital || next_digit)
                || digit && (next_capital || next_low);
            if changes {
                let ends_acronym = place > 0 && text[place - 1].is_ascii_uppercase();
                if capital && next_low && ends_acronym {
                    out.push(b'_');
                }
                out.push(written);
                if low || digit || next_digit {
                    out.push(b'_');
                }
                continue;
            }
        }
        out.push(if b" _-.".contains(byte) { b'_' } else { written });
    }
    out
}
