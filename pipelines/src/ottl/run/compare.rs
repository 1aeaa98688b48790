//! Meaning of `==` and its like.
//!
//! Numbers compare by value across kinds, texts and bytes by their bytes, `false` is less than `true`.
//! Lists and maps are equal or not, by content, and inside them kinds count. Empty bytes are `nil`. Between
//! other kinds only `!=` holds.

use std::cmp::Ordering;

use crate::batch::Value;
use crate::ottl::syntax::ast::CompareOp;

use super::value::{List, Map, Val};

/// Returns whether `left op right` holds.
pub(crate) fn compare(left: &Val<'_>, op: CompareOp, right: &Val<'_>) -> bool {
    match (left, right) {
        (left, right) if is_nil(left) && is_nil(right) => {
            matches!(op, CompareOp::Eq | CompareOp::Le | CompareOp::Ge)
        }
        (Val::Bytes(a), Val::Bytes(b)) => holds(op, Some(a.cmp(b))),
        (Val::Time(a), Val::Time(b)) => holds(op, Some(a.at.cmp(&b.at))),
        (Val::Duration(a), Val::Duration(b)) => holds(op, Some(a.cmp(b))),
        (Val::List(a), Val::List(b)) => equality(op, || same_lists(a, b)),
        (Val::Map(a), Val::Map(b)) => equality(op, || same_maps(a, b)),
        (Val::Id(a), Val::Id(b)) => equality(op, || a == b),
        _ => match (scalar(left), scalar(right)) {
            (Some(left), Some(right)) => plain(left, op, right),
            _ => op == CompareOp::Ne,
        },
    }
}

/// Returns whether `left op right` holds, for booleans, numbers and texts.
#[inline]
pub(crate) fn plain(left: Value<'_>, op: CompareOp, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => match op {
            CompareOp::Eq => a == b,
            CompareOp::Ne => a != b,
            _ => holds(op, Some(a.cmp(b))),
        },
        (Value::Int(a), Value::Int(b)) => holds(op, Some(a.cmp(&b))),
        (Value::Double(a), Value::Double(b)) => holds(op, a.partial_cmp(&b)),
        (Value::Int(a), Value::Double(b)) => holds(op, (a as f64).partial_cmp(&b)),
        (Value::Double(a), Value::Int(b)) => holds(op, a.partial_cmp(&(b as f64))),
        (Value::Bool(a), Value::Bool(b)) => holds(op, Some(a.cmp(&b))),
        _ => op == CompareOp::Ne,
    }
}

fn scalar<'v>(value: &'v Val<'_>) -> Option<Value<'v>> {
    match value {
        Val::Bool(value) => Some(Value::Bool(*value)),
        Val::Int(value) => Some(Value::Int(*value)),
        Val::Double(value) => Some(Value::Double(*value)),
        Val::Text(text) => Some(Value::Text(text)),
        _ => None,
    }
}

fn is_nil(value: &Val<'_>) -> bool {
    match value {
        Val::Nil => true,
        Val::Bytes(bytes) => bytes.is_empty(),
        _ => false,
    }
}

/// `None` is what NaN gives: unequal, and in no order.
fn holds(op: CompareOp, order: Option<Ordering>) -> bool {
    match op {
        CompareOp::Eq => order == Some(Ordering::Equal),
        CompareOp::Ne => order != Some(Ordering::Equal),
        CompareOp::Lt => order == Some(Ordering::Less),
        CompareOp::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        CompareOp::Gt => order == Some(Ordering::Greater),
        CompareOp::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn equality(op: CompareOp, equal: impl FnOnce() -> bool) -> bool {
    match op {
        CompareOp::Eq => equal(),
        CompareOp::Ne => !equal(),
        _ => false,
    }
}

/// Equality inside lists and maps, where the integer 1 is not the double 1.0.
fn same(left: &Val<'_>, right: &Val<'_>) -> bool {
    match (left, right) {
        (Val::Nil, Val::Nil) => true,
        (Val::Int(a), Val::Int(b)) => a == b,
        (Val::Double(a), Val::Double(b)) => a == b,
        (Val::Nil | Val::Int(_) | Val::Double(_), _) | (_, Val::Nil | Val::Int(_) | Val::Double(_)) => false,
        _ => compare(left, CompareOp::Eq, right),
    }
}

fn same_lists(left: &List<'_>, right: &List<'_>) -> bool {
    let (left, right) = (left.items(), right.items());
    left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| same(a, b))
}

fn same_maps(left: &Map<'_>, right: &Map<'_>) -> bool {
    left.len() == right.len()
        && left.entries().iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, &other)))
}
