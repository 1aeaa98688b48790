//! Values of expressions: their kinds, and what can be done with them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Evaluated, Operator};
use crate::ottl::Failure;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
}

/// Kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nil,
    Bool,
    Int,
    Float,
    Text,
    List,
}

impl Kind {
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }
}

impl<'a> Value<'a> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Nil,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
            Self::List(_) => Kind::List,
        }
    }

    pub fn bool(&self) -> Evaluated<bool> {
        match self {
            Self::Bool(bit) => Ok(*bit),
            _ => Err(Failure("expected true or false in an expression")),
        }
    }

    pub fn text(&self) -> Evaluated<Cow<'a, [u8]>> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            _ => Err(Failure("expected a text in an expression")),
        }
    }

    pub fn number(&self) -> Evaluated<f64> {
        match self {
            Self::Int(number) => Ok(*number as f64),
            Self::Float(number) => Ok(*number),
            _ => Err(Failure("expected a number in an expression")),
        }
    }

    pub fn negative(self) -> Evaluated<Self> {
        match self {
            Self::Int(number) => Ok(Self::Int(number.wrapping_neg())),
            Self::Float(number) => Ok(Self::Float(-number)),
            _ => Err(Failure("expected a number behind -")),
        }
    }

    /// Tells whether both are the same; numbers of either kind are compared, other kinds differ.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(one), Self::Float(other)) | (Self::Float(other), Self::Int(one)) => {
                *one as f64 == *other
            }
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.equals(other))
            }
            (one, other) => one == other,
        }
    }

    /// Order of two numbers or two texts; none beside NaN.
    pub fn compare(&self, other: &Self) -> Evaluated<Option<Ordering>> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => Ok(Some(one.cmp(other))),
            (Self::Text(one), Self::Text(other)) => Ok(Some(one.cmp(other))),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                Ok(self.number()?.partial_cmp(&other.number()?))
            }
            _ => Err(Failure("expected two numbers or two texts to compare")),
        }
    }

    pub fn arithmetic(&self, operator: Operator, other: &Self) -> Evaluated<Self> {
        match (operator, self, other) {
            (Operator::Add, Self::Text(one), Self::Text(other)) => {
                Ok(Self::Text([one.as_ref(), other.as_ref()].concat().into()))
            }
            (Operator::Add, Self::Int(one), Self::Int(other)) => Ok(Self::Int(one.wrapping_add(*other))),
            (Operator::Subtract, Self::Int(one), Self::Int(other)) => Ok(Self::Int(one.wrapping_sub(*other))),
            (Operator::Multiply, Self::Int(one), Self::Int(other)) => Ok(Self::Int(one.wrapping_mul(*other))),
            (Operator::Remainder, Self::Int(one), Self::Int(other)) => {
                one.checked_rem(*other).map(Self::Int).ok_or(Failure("a division by zero in an expression"))
            }
            (Operator::Remainder, ..) => Err(Failure("expected two whole numbers around %")),
            (Operator::Add, ..) => Ok(Self::Float(self.number()? + other.number()?)),
            (Operator::Subtract, ..) => Ok(Self::Float(self.number()? - other.number()?)),
            (Operator::Multiply, ..) => Ok(Self::Float(self.number()? * other.number()?)),
            (Operator::Divide, ..) => Ok(Self::Float(self.number()? / other.number()?)),
            _ => Ok(Self::Float(self.number()?.powf(other.number()?))),
        }
    }
}
