//! Functions of expressions.

use std::cmp::Ordering;

use super::Evaluated;
use super::value::{Kind, Value};
use crate::ottl::Failure;

/// A function by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::processors::filter) enum Function {
    /// Length of a text in characters, or of a list.
    Len,
    /// A whole number of a number or of a text in decimal digits.
    Int,
    /// A number of a number or of a text.
    Float,
    /// A text of any value.
    Text,
    /// A text without the blanks around it.
    Trim,
    /// A text in capitals.
    Upper,
    /// A text in small letters.
    Lower,
    /// Place of a text in another in bytes, or -1.
    IndexOf,
    HasPrefix,
    HasSuffix,
    TrimPrefix,
    TrimSuffix,
    /// A text with another in each place of a part of it.
    Replace,
    Abs,
    Floor,
    Ceil,
    /// The nearest whole number; a half goes away from zero.
    Round,
    Min,
    Max,
}

impl Function {
    /// Functions with their names and numbers of arguments.
    pub(super) const ALL: [(&'static str, Self, usize); 19] = [
        ("len", Self::Len, 1),
        ("int", Self::Int, 1),
        ("float", Self::Float, 1),
        ("string", Self::Text, 1),
        ("trim", Self::Trim, 1),
        ("upper", Self::Upper, 1),
        ("lower", Self::Lower, 1),
        ("indexOf", Self::IndexOf, 2),
        ("hasPrefix", Self::HasPrefix, 2),
        ("hasSuffix", Self::HasSuffix, 2),
        ("trimPrefix", Self::TrimPrefix, 2),
        ("trimSuffix", Self::TrimSuffix, 2),
        ("replace", Self::Replace, 3),
        ("abs", Self::Abs, 1),
        ("floor", Self::Floor, 1),
        ("ceil", Self::Ceil, 1),
        ("round", Self::Round, 1),
        ("min", Self::Min, 2),
        ("max", Self::Max, 2),
    ];

    /// Returns whether it takes numbers alone.
    pub(super) fn is_of_numbers(self) -> bool {
        matches!(self, Self::Abs | Self::Floor | Self::Ceil | Self::Round | Self::Min | Self::Max)
    }

    /// Returns whether it takes any number of arguments from one on.
    pub(super) fn takes_more(self) -> bool {
        matches!(self, Self::Min | Self::Max)
    }

    /// Kind of what it gives, where its arguments do not decide that.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Self::Len | Self::Int | Self::IndexOf => Some(Kind::Int),
            Self::Float | Self::Floor | Self::Ceil | Self::Round => Some(Kind::Float),
            Self::HasPrefix | Self::HasSuffix => Some(Kind::Bool),
            Self::Text
            | Self::Trim
            | Self::Upper
            | Self::Lower
            | Self::TrimPrefix
            | Self::TrimSuffix
            | Self::Replace => Some(Kind::Text),
            Self::Abs | Self::Min | Self::Max => None,
        }
    }

    pub(super) fn call<'a>(self, arguments: &[Value<'a>]) -> Evaluated<Value<'a>> {
        match self {
            Self::Min => chosen(arguments, Ordering::Less),
            Self::Max => chosen(arguments, Ordering::Greater),
            _ => self.call_fixed(arguments),
        }
    }

    /// Calls one that takes a fixed number of arguments.
    fn call_fixed<'a>(self, arguments: &[Value<'a>]) -> Evaluated<Value<'a>> {
        let (first, second, third) = match arguments {
            [first] => (first, &Value::Nil, &Value::Nil),
            [first, second] => (first, second, &Value::Nil),
            [first, second, third] => (first, second, third),
            _ => return Err(Failure("a function with too few or too many arguments")),
        };
        Ok(match self {
            Self::Len => Value::Int(length(first)?),
            Self::Int => Value::Int(int(first)?),
            Self::Float => Value::Float(float(first)?),
            Self::Text => Value::Text(shown(first).into()),
            Self::Trim => changed(first, |text| text.trim().to_owned())?,
            Self::Upper => changed(first, str::to_uppercase)?,
            Self::Lower => changed(first, str::to_lowercase)?,
            Self::IndexOf => {
                let (whole, part) = (first.text()?, second.text()?);
                let found = match part.len() {
                    0 => Some(0),
                    length => whole.windows(length).position(|window| window == &*part),
                };
                Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
            }
            Self::HasPrefix => Value::Bool(first.text()?.starts_with(&second.text()?)),
            Self::HasSuffix => Value::Bool(first.text()?.ends_with(&second.text()?)),
            Self::TrimPrefix => {
                let (whole, part) = (first.text()?, second.text()?);
                Value::Text(whole.strip_prefix(&*part).unwrap_or(&whole).to_vec().into())
            }
            Self::TrimSuffix => {
                let (whole, part) = (first.text()?, second.text()?);
                Value::Text(whole.strip_suffix(&*part).unwrap_or(&whole).to_vec().into())
            }
            Self::Replace => {
                let [part, with] = [second.text()?, third.text()?];
                let [part, with] = [&part, &with].map(|text| String::from_utf8_lossy(text));
                changed(first, |text| text.replace(&*part, &with))?
            }
            Self::Floor => Value::Float(first.number()?.floor()),
            Self::Ceil => Value::Float(first.number()?.ceil()),
            Self::Round => Value::Float(first.number()?.round()),
            Self::Min | Self::Max => return Err(Failure("a function with too few or too many arguments")),
            Self::Abs => match first {
                Value::Int(number) => Value::Int(number.wrapping_abs()),
                _ => Value::Float(first.number()?.abs()),
            },
        })
    }
}

/// The least of these numbers, or the greatest.
fn chosen<'a>(numbers: &[Value<'a>], wanted: Ordering) -> Evaluated<Value<'a>> {
    let mut chosen: Option<&Value<'a>> = None;
    for number in numbers {
        number.number()?;
        let is_it = chosen.is_none_or(|chosen| number.compare(chosen) == Ok(Some(wanted)));
        chosen = if is_it { Some(number) } else { chosen };
    }
    chosen.cloned().ok_or(Failure("a function without an argument"))
}

fn length(value: &Value<'_>) -> Evaluated<i64> {
    let length = match value {
        Value::Text(text) => String::from_utf8_lossy(text).chars().count(),
        Value::List(items) => items.len(),
        _ => return Err(Failure("len needs a text or a list")),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

fn int(value: &Value<'_>) -> Evaluated<i64> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Float(number) => Ok(*number as i64),
        Value::Text(text) => {
            let text = std::str::from_utf8(text).ok();
            text.and_then(|text| text.parse().ok()).ok_or(Failure("int of a text that is no whole number"))
        }
        _ => Err(Failure("int needs a number or a text")),
    }
}

fn float(value: &Value<'_>) -> Evaluated<f64> {
    match value {
        Value::Text(text) => {
            let text = std::str::from_utf8(text).ok();
            text.and_then(|text| text.parse().ok()).ok_or(Failure("float of a text that is no number"))
        }
        other => other.number(),
    }
}

fn changed<'a>(value: &Value<'_>, change: impl Fn(&str) -> String) -> Evaluated<Value<'a>> {
    Ok(Value::Text(change(&String::from_utf8_lossy(&value.text()?)).into_bytes().into()))
}

fn shown(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Nil => b"<nil>".to_vec(),
        Value::Bool(bit) => bit.to_string().into_bytes(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Float(number) => number.to_string().into_bytes(),
        Value::Text(text) => text.to_vec(),
        Value::List(items) => {
            let items: Vec<Vec<u8>> = items.iter().map(shown).collect();
            [b"[".as_slice(), &items.join(&b' '), b"]"].concat()
        }
    }
}
