//! Attributes as a set that is compared and ordered.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    /// Nothing was said.
    Empty,
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// The bits of a double.
    Double(u64),
    /// A list, a map or bytes, as it is written for debugging.
    Other(String),
}

impl Scalar {
    fn of(value: Option<&AnyValue>) -> Self {
        match value.and_then(|value| value.value.as_ref()) {
            None => Self::Empty,
            Some(Value::StringValue(text)) => Self::Text(text.clone()),
            Some(Value::BoolValue(bit)) => Self::Bool(*bit),
            Some(Value::IntValue(number)) => Self::Int(*number),
            Some(Value::DoubleValue(number)) => Self::Double(number.to_bits()),
            Some(other) => Self::Other(format!("{other:?}")),
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Other(text) => text.clone(),
            Self::Bool(bit) => bit.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Double(bits) => f64::from_bits(*bits).to_string(),
        }
    }
}

/// A set of attributes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attributes(pub BTreeMap<String, Scalar>);

impl Attributes {
    /// Of what stands on the wire.
    #[must_use]
    pub fn of(pairs: &[KeyValue]) -> Self {
        Self(pairs.iter().map(|pair| (pair.key.clone(), Scalar::of(pair.value.as_ref()))).collect())
    }

    /// An attribute that is there and says something.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<String> {
        self.0.get(name).map(Scalar::text).filter(|text| !text.is_empty())
    }

    /// The same without one.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.0.remove(name);
        rest
    }

    /// The same with nothing but these.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).map(pair).collect())
    }

    /// Names that are in this and not in `other`.
    pub fn names_beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter(|name| !other.0.contains_key(*name)).map(String::as_str)
    }

    /// Names that are in both with different values.
    pub fn names_of_others<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let differs =
            |(name, value): &(&String, &Scalar)| other.0.get(*name).is_some_and(|one| one != *value);
        self.0.iter().filter(differs).map(|(name, _)| name.as_str())
    }

    /// Tells whether all of it, with the same values, is in `other`.
    #[must_use]
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, value)| other.0.get(name) == Some(value))
    }
}

fn pair((name, value): (&String, &Scalar)) -> (String, Scalar) {
    (name.clone(), value.clone())
}
