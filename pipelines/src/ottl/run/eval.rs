//! Evaluation. A failure is a word and costs nothing: conditions may fail for every point.

use std::borrow::Cow;

use crate::batch::data::Exemplar;
use crate::batch::{Batch, MetricRow, PointRow, ResourceRow, ScopeRow, Value};
use crate::ottl::check::expr::{Expr, Key, Predicate};
use crate::ottl::syntax::ast::MathOp;

use super::compare::{compare, plain};
use super::value::{Entries, List, Map, Moment, Val};

/// Reason why a condition or statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub(crate) &'static str);

pub(crate) type Evaluated<T> = Result<T, Failure>;

/// Subject of a condition: a row and those that own it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The batch that the rows are of.
    pub batch: &'a Batch,
    /// The resource.
    pub resource: &'a ResourceRow,
    /// The scope, from scope conditions on.
    pub scope: Option<&'a ScopeRow>,
    /// The metric, from metric conditions on.
    pub metric: Option<&'a MetricRow>,
    /// The data point, in data-point conditions.
    pub point: Option<&'a PointRow>,
    /// The exemplar, in its statements.
    pub(crate) exemplar: Option<&'a Exemplar>,
    /// Entries that statements keep for those that follow.
    pub(crate) cache: &'a Entries,
    /// The time, in nanoseconds since 1970.
    pub(crate) now: u64,
}

/// Empty cache, which conditions have in place of one.
pub(crate) static NO_CACHE: Entries = Vec::new();

/// Returns whether all hold, asked in order until one does not.
pub(crate) fn all(operands: &[Predicate], row: &Row<'_>) -> Evaluated<bool> {
    for operand in operands {
        if !operand.holds(row)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Predicate {
    /// Operands are evaluated in order until one decides; one that fails before it fails the whole.
    pub(crate) fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Not(inner) => inner.holds(row).map(|holds| !holds),
            Self::And(operands) => all(operands, row),
            Self::Or(operands) => {
                for operand in operands {
                    if operand.holds(row)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Compare(left, op, right)
                if let (Some(a), Some(b)) = (left.plain(row), right.plain(row)) =>
            {
                Ok(plain(a, *op, b))
            }
            Self::Compare(left, op, right) => Ok(compare(&left.eval(row)?, *op, &right.eval(row)?)),
            Self::Holds(expr) => match expr.eval(row)? {
                Val::Bool(value) => Ok(value),
                _ => Err(Failure("a converter used as a condition gave no boolean")),
            },
        }
    }
}

impl Expr {
    /// The value of a literal or a plain field that is one boolean, number or text.
    #[inline]
    fn plain<'a>(&'a self, row: &Row<'a>) -> Option<Value<'a>> {
        match self {
            Self::Bool(value) => Some(Value::Bool(*value)),
            Self::Int(value) => Some(Value::Int(*value)),
            Self::Double(value) => Some(Value::Double(*value)),
            Self::Text(text) => Some(Value::Text(text)),
            Self::Field(field, keys) => field.plain(keys, row).filter(|value| {
                matches!(value, Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Text(_))
            }),
            _ => None,
        }
    }

    pub(crate) fn eval<'a>(&'a self, row: &Row<'a>) -> Evaluated<Val<'a>> {
        Ok(match self {
            Self::Nil => Val::Nil,
            Self::Bool(value) => Val::Bool(*value),
            Self::Int(value) => Val::Int(*value),
            Self::Double(value) => Val::Double(*value),
            Self::Text(text) => Val::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Val::Bytes(Cow::Borrowed(bytes)),
            Self::Field(field, keys) => {
                if let Some(value) = field.plain(keys, row) {
                    return Ok(value.into());
                }
                let value = field.read(row).ok_or(Failure("the row that a path begins at is missing"))?;
                return index(value, keys, row, MissingKey::IsNil);
            }
            Self::List(items) => {
                let items = items.iter().map(|item| item.eval(row));
                Val::List(List::Raw(items.collect::<Evaluated<_>>()?))
            }
            Self::Map(entries) => {
                let mut made = Vec::<(Cow<'a, [u8]>, Val<'a>)>::with_capacity(entries.len());
                for (key, value) in entries {
                    let value = held(value.eval(row)?)?;
                    match made.iter_mut().find(|(known, _)| **known == **key) {
                        Some((_, old)) => *old = value,
                        None => made.push((Cow::Borrowed(key), value)),
                    }
                }
                Val::Map(Map::Made(made))
            }
            Self::Call(call, keys) => {
                let value = call.converted(row)?;
                return index(value, keys, row, MissingKey::Fails);
            }
            Self::Negation(inner) => match inner.eval(row)? {
                Val::Int(value) => Val::Int(value.wrapping_neg()),
                Val::Double(value) => Val::Double(-value),
                _ => return Err(Failure("only a number can be negated")),
            },
            Self::Math(left, op, right) => return math(left.eval(row)?, *op, right.eval(row)?),
        })
    }
}

/// A value as a map holds it.
fn held(value: Val<'_>) -> Evaluated<Val<'_>> {
    match value {
        Val::List(List::Raw(items)) => {
            let items = items.into_iter().map(|item| match item {
                Val::Map(map) => Ok(Val::Map(map)),
                item if crate::ottl::run::getters::is_raw(&item) => Ok(item),
                _ => Err(Failure("a value that no map holds")),
            });
            Ok(Val::List(List::Made(items.collect::<Evaluated<_>>()?)))
        }
        Val::Map(map) => Ok(Val::Map(map)),
        value if crate::ottl::run::getters::is_raw(&value) => Ok(value),
        _ => Err(Failure("a value that no map holds")),
    }
}

/// Result of indexing by a key that a map does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingKey {
    /// Nil, as in paths.
    IsNil,
    /// Failure, as in results of converters.
    Fails,
}

pub(crate) fn index<'a>(
    value: Val<'a>,
    keys: &'a [Key],
    row: &Row<'a>,
    missing: MissingKey,
) -> Evaluated<Val<'a>> {
    let mut value = value;
    for key in keys {
        let key = match key {
            Key::Text(text) => Val::Text(Cow::Borrowed(&**text)),
            Key::Index(index) => Val::Int(*index),
            Key::Computed(expr) => expr.eval(row)?,
        };
        value = match (&value, key) {
            (Val::Map(map), Val::Text(key)) => match map.get(&key) {
                Some(value) => value,
                None if missing == MissingKey::IsNil => return Ok(Val::Nil),
                None => return Err(Failure("a key that the map does not have")),
            },
            (Val::List(list), Val::Int(index)) => list.get(index).ok_or(OUT_OF_BOUNDS)?,
            (Val::Texts(texts), Val::Int(index)) => {
                let text = usize::try_from(index).ok().and_then(|index| texts.get(index));
                Val::Text(text.cloned().ok_or(OUT_OF_BOUNDS)?)
            }
            (Val::Doubles(numbers), Val::Int(index)) => {
                let number = usize::try_from(index).ok().and_then(|index| numbers.get(index));
                Val::Double(*number.ok_or(OUT_OF_BOUNDS)?)
            }
            (Val::Map(_), _) => return Err(Failure("a map is indexed by a text")),
            (Val::List(_) | Val::Texts(_), _) => return Err(Failure("a list is indexed by an integer")),
            _ => return Err(Failure("only a map or a list can be indexed")),
        };
    }
    Ok(value)
}

const OUT_OF_BOUNDS: Failure = Failure("an index past the end of a list");

/// Integers wrap; an integer and a double give a double; dividing by zero fails for both.
fn math<'a>(left: Val<'a>, op: MathOp, right: Val<'a>) -> Evaluated<Val<'a>> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => match op {
            MathOp::Add => Ok(Val::Int(a.wrapping_add(b))),
            MathOp::Sub => Ok(Val::Int(a.wrapping_sub(b))),
            MathOp::Mul => Ok(Val::Int(a.wrapping_mul(b))),
            MathOp::Div if b == 0 => Err(Failure("a division by zero")),
            MathOp::Div => Ok(Val::Int(a.wrapping_div(b))),
        },
        (Val::Int(a), Val::Double(b)) => doubles(a as f64, op, b),
        (Val::Double(a), Val::Int(b)) => doubles(a, op, b as f64),
        (Val::Double(a), Val::Double(b)) => doubles(a, op, b),
        (Val::Time(time), Val::Duration(by)) | (Val::Duration(by), Val::Time(time)) if op == MathOp::Add => {
            Ok(Val::Time(Moment { at: time.at.saturating_add(by.into()), ..time }))
        }
        (Val::Time(time), Val::Duration(by)) if op == MathOp::Sub => {
            Ok(Val::Time(Moment { at: time.at.saturating_sub(by.into()), ..time }))
        }
        (Val::Time(a), Val::Time(b)) if op == MathOp::Sub => {
            let apart = a.at.saturating_sub(b.at).clamp(i64::MIN.into(), i64::MAX.into());
            Ok(Val::Duration(apart as i64))
        }
        (Val::Duration(a), Val::Duration(b)) if op == MathOp::Add => Ok(Val::Duration(a.wrapping_add(b))),
        (Val::Duration(a), Val::Duration(b)) if op == MathOp::Sub => Ok(Val::Duration(a.wrapping_sub(b))),
        _ => Err(Failure("arithmetic with what is no number")),
    }
}

fn doubles<'a>(a: f64, op: MathOp, b: f64) -> Evaluated<Val<'a>> {
    Ok(Val::Double(match op {
        MathOp::Add => a + b,
        MathOp::Sub => a - b,
        MathOp::Mul => a * b,
        MathOp::Div if b == 0.0 => return Err(Failure("a division by zero")),
        MathOp::Div => a / b,
    }))
}
