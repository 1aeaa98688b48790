//! Checked expressions: names resolved, arguments bound, patterns compiled.

use crate::ottl::context::Level;
use crate::ottl::syntax::ast::{CompareOp, MathOp};

use super::call::Call;
use super::paths::Field;

/// A checked condition.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    Constant(bool),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Expr, CompareOp, Expr),
    /// An expression that must give a boolean.
    Holds(Expr),
}

/// A checked value.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<[u8]>),
    Bytes(Box<[u8]>),
    Field(Field, Vec<Key>),
    List(Vec<Self>),
    Map(Vec<(Box<[u8]>, Self)>),
    Call(Box<Call>, Vec<Key>),
    Negation(Box<Self>),
    Math(Box<Self>, MathOp, Box<Self>),
}

/// Index into a list or map.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Text(Box<[u8]>),
    Index(i64),
    Computed(Expr),
}

impl Predicate {
    /// Joins with `and`. A literal `false` decides when the config is read, wherever it stands.
    pub(crate) fn and(operands: Vec<Self>) -> Self {
        match operands.iter().any(|operand| matches!(operand, Self::Constant(false))) {
            true => Self::Constant(false),
            false => Self::And(operands),
        }
    }

    /// Joins with `or`. A literal `true` decides when the config is read, wherever it stands.
    pub(crate) fn or(operands: Vec<Self>) -> Self {
        match operands.iter().any(|operand| matches!(operand, Self::Constant(true))) {
            true => Self::Constant(true),
            false => Self::Or(operands),
        }
    }

    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            other => Self::Not(Box::new(other)),
        }
    }

    /// Number of leading operands of an `and` that read nothing below the metric, if some do and some do not, and what
    /// those read.
    pub(crate) fn gate(&self) -> Option<(usize, Level)> {
        let Self::And(operands) = self else { return None };
        let gate = operands.iter().take_while(|operand| operand.level() <= Level::Metric).count();
        let level = widest(operands.iter().take(gate).map(Self::level));
        (gate > 0 && gate < operands.len()).then_some((gate, level))
    }

    /// The narrowest level that it reads.
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Constant(_) => Level::Constant,
            Self::Not(inner) => inner.level(),
            Self::And(operands) | Self::Or(operands) => widest(operands.iter().map(Self::level)),
            Self::Compare(left, _, right) => left.level().max(right.level()),
            Self::Holds(expr) => expr.level(),
        }
    }

    /// Returns whether it depends on the time.
    pub(crate) fn asks_clock(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Not(inner) => inner.asks_clock(),
            Self::And(operands) | Self::Or(operands) => operands.iter().any(Self::asks_clock),
            Self::Compare(left, _, right) => left.asks_clock() || right.asks_clock(),
            Self::Holds(expr) => expr.asks_clock(),
        }
    }
}

impl Expr {
    /// Returns whether it says the same every time, as what is written out does. A call does not, nor arithmetic.
    pub(crate) fn is_literal(&self) -> bool {
        match self {
            Self::Nil | Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::Text(_) | Self::Bytes(_) => {
                true
            }
            Self::List(items) => items.iter().all(Self::is_literal),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.is_literal()),
            _ => false,
        }
    }

    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Field(field, keys) => field.level().max(widest(keys.iter().map(Key::level))),
            Self::List(items) => widest(items.iter().map(Self::level)),
            Self::Map(entries) => widest(entries.iter().map(|(_, value)| value.level())),
            Self::Call(call, keys) => call.level().max(widest(keys.iter().map(Key::level))),
            Self::Negation(inner) => inner.level(),
            Self::Math(left, _, right) => left.level().max(right.level()),
            _ => Level::Constant,
        }
    }

    pub(crate) fn asks_clock(&self) -> bool {
        match self {
            Self::Field(_, keys) => keys.iter().any(Key::asks_clock),
            Self::List(items) => items.iter().any(Self::asks_clock),
            Self::Map(entries) => entries.iter().any(|(_, value)| value.asks_clock()),
            Self::Call(call, keys) => call.asks_clock() || keys.iter().any(Key::asks_clock),
            Self::Negation(inner) => inner.asks_clock(),
            Self::Math(left, _, right) => left.asks_clock() || right.asks_clock(),
            _ => false,
        }
    }
}

impl Key {
    fn level(&self) -> Level {
        match self {
            Self::Text(_) | Self::Index(_) => Level::Constant,
            Self::Computed(expr) => expr.level(),
        }
    }

    pub(crate) fn asks_clock(&self) -> bool {
        matches!(self, Self::Computed(expr) if expr.asks_clock())
    }
}

pub(crate) fn widest(levels: impl Iterator<Item = Level>) -> Level {
    levels.max().unwrap_or(Level::Constant)
}
