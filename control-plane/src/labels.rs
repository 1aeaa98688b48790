//! Labels of agents, which people give them, and attributes, which say what surrounds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MOST: usize = 32;
const MOST_ATTRIBUTES: usize = 64;
const LONGEST_KEY: usize = 63;
const LONGEST_VALUE: usize = 128;

/// Labels of an agent. At most 32; keys and values are such that a selector can name them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

/// Reason for which something is no label or no selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// Too many.
    #[error("at most 32 labels, not {0}")]
    TooMany(usize),
    /// Not a key.
    #[error("a label's key has 1 to 63 characters out of letters, digits, '.', '_', '-' and '/', not {0:?}")]
    Key(String),
    /// Not a value.
    #[error(
        "a label's value has at most 128 characters, none of them ',', '=' or a control character, not {0:?}"
    )]
    Value(String),
    /// A comparison of a selector with nothing on its right side.
    #[error(
        "requirement {at} of the selector, {text:?}, has no value after ==; expected one, such as {text}web, or {key}= for a \
         label that is empty"
    )]
    NoValue {
        /// Number of the requirement, from 1.
        at: usize,
        /// The requirement.
        text: String,
        /// Its key.
        key: String,
    },
    /// Not a requirement of a selector.
    #[error(
        "{0:?} is no requirement of a selector: key=value, key!=value, key in (a,b), key notin (a,b), key or !key, with \
         commas between them"
    )]
    Requirement(String),
    /// Too many requirements.
    #[error("a selector has at most 32 requirements, not {0}")]
    TooManyRequirements(usize),
    /// Too many values of one.
    #[error("a requirement of a selector has at most 32 values, not {0}")]
    TooManyValues(usize),
    /// One key, two values: no agent has both.
    #[error(
        "a selector asks for one value of a key; {0:?} is there with two: write {0} in (a,b) for either of them"
    )]
    Twice(String),
}

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Key by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// These, with `stronger`'s in the place of those of the same key.
    ///
    /// # Errors
    /// [`LabelError::TooMany`].
    pub fn overlaid(mut self, stronger: &Self) -> Result<Self, LabelError> {
        self.0.extend(stronger.0.clone());
        Self::try_from(self.0)
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = LabelError;

    fn try_from(labels: BTreeMap<String, String>) -> Result<Self, LabelError> {
        if labels.len() > MOST {
            return Err(LabelError::TooMany(labels.len()));
        }
        labels.iter().try_for_each(|(key, value)| check(key, value))?;
        Ok(Self(labels))
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

/// Attribute by which an agent says which of its pipelines of metrics experiments are about.
pub const PIPELINE: &str = "phoenix.pipeline";

/// Attributes of an agent's surroundings, as OpenTelemetry names them: what the agent itself says. At most 64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// Those of these that a selector can name, the first 64 of them.
    pub fn of(all: impl IntoIterator<Item = (String, String)>) -> Self {
        let named = all.into_iter().filter(|(key, value)| check(key, value).is_ok());
        Self(named.take(MOST_ATTRIBUTES).collect())
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl From<Attributes> for BTreeMap<String, String> {
    fn from(attributes: Attributes) -> Self {
        attributes.0
    }
}

/// Tells whether these can be a label's.
///
/// # Errors
/// [`LabelError::Key`] and [`LabelError::Value`].
pub fn check(key: &str, value: &str) -> Result<(), LabelError> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !(1..=LONGEST_KEY).contains(&key.len()) || !key.chars().all(letter) {
        return Err(LabelError::Key(shown(key)));
    }
    let strange = |c: char| c == ',' || c == '=' || c.is_control();
    if value.chars().count() > LONGEST_VALUE || value.contains(strange) {
        return Err(LabelError::Value(shown(value)));
    }
    Ok(())
}

/// As much of a text as a message shows.
pub fn shown(text: &str) -> String {
    text.chars().take(LONGEST_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Labels::try_from(pairs.collect::<BTreeMap<_, _>>()).unwrap()
    }

    #[test]
    fn a_tokens_labels_beat_the_agents_own() {
        let own = labels(&[("env", "dev"), ("rack", "7")]);
        let overlaid = own.overlaid(&labels(&[("env", "prod")])).unwrap();
        assert_eq!(overlaid, labels(&[("env", "prod"), ("rack", "7")]));
    }
}
