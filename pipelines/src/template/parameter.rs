//! Parameters: what may be set, and to what.

use std::time::Duration;

use regex_automata::meta::Regex;
use serde::Serialize;
use serde_json::Value;

use crate::cost::{Allowance, Dialect, PatternError, compile};

use super::ParameterProblem;
use super::value;

/// One parameter of a template.
#[derive(Debug, Clone, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Description of what it sets, for people.
    pub description: String,
    /// Type and bounds.
    #[serde(flatten)]
    pub kind: ParameterKind,
    /// Default; without one it must be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// The type of a parameter and the range of its values, bounds included.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase", tag = "type")]
#[non_exhaustive]
pub enum ParameterKind {
    /// Text: a JSON string.
    String {
        /// Pattern that all of it must match, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
        /// The words that are allowed; empty if any is.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        one_of: Vec<String>,
    },
    /// A whole number of 64 bits.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A double.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// `true` or `false`.
    Boolean,
    /// A duration: a JSON string such as `"1m30s"`.
    Duration {
        /// The least.
        #[serde(serialize_with = "value::seconds")]
        min: Duration,
        /// The greatest.
        #[serde(serialize_with = "value::seconds")]
        max: Duration,
    },
    /// Several texts: a JSON list of strings.
    Strings {
        /// Pattern that each must match, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
        /// Least number of items.
        min_items: usize,
        /// Largest number of items.
        max_items: usize,
    },
}

/// A regular expression that a whole text must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    pub(super) fn compile(text: &str, allowance: &mut Allowance) -> Result<Self, PatternError> {
        let regex = compile(&format!("^(?:{text})$"), Dialect::Text, allowance)?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The expression, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl ParameterKind {
    /// The name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String { .. } => "string",
            Self::Integer { .. } => "integer",
            Self::Number { .. } => "number",
            Self::Boolean => "boolean",
            Self::Duration { .. } => "duration",
            Self::Strings { .. } => "strings",
        }
    }
}

impl Parameter {
    /// The value that a text on a command line stands for; lists are written with commas.
    ///
    /// # Errors
    /// A text that stands for no value of this type, or for one out of range.
    pub fn read(&self, text: &str) -> Result<Value, ParameterProblem> {
        let value = match &self.kind {
            ParameterKind::String { .. } | ParameterKind::Duration { .. } => Value::from(text),
            ParameterKind::Strings { .. } if text.is_empty() => Value::Array(Vec::new()),
            ParameterKind::Strings { .. } => text.split(',').map(|item| Value::from(item.trim())).collect(),
            ParameterKind::Integer { .. } | ParameterKind::Number { .. } | ParameterKind::Boolean => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
            }
        };
        value::check(self, &value)?;
        Ok(value)
    }
}
