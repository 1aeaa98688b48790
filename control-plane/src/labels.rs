//! Labels of agents, and the selectors that choose agents by them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

const MOST: usize = 32;
const LONGEST_KEY: usize = 63;
const LONGEST_VALUE: usize = 128;

/// Labels of an agent. At most 32; keys and values are such that a selector can name them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

/// Selector of agents: those that have all of these labels. Written `env=prod,region=eu`; empty, it is every agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector(BTreeMap<String, String>);

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
    /// Not `key=value`.
    #[error("a selector is key=value pairs with commas between them; {0:?} is no pair")]
    Pair(String),
    /// One key, two values: no agent has both.
    #[error("a selector names each key once; {0:?} is there twice")]
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

impl Selector {
    /// Tells whether an agent of these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Tells whether every agent is meant.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Selector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let mut pairs = BTreeMap::new();
        if text.trim().is_empty() {
            return Ok(Self(pairs));
        }
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').ok_or_else(|| LabelError::Pair(shown(pair)))?;
            let (key, value) = (key.trim(), value.trim());
            check(key, value)?;
            if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(LabelError::Twice(shown(key)));
            }
            if pairs.len() > MOST {
                return Err(LabelError::TooMany(pairs.len()));
            }
        }
        Ok(Self(pairs))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn check(key: &str, value: &str) -> Result<(), LabelError> {
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

fn shown(text: &str) -> String {
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
    fn a_selector_means_agents_that_have_all_of_it() {
        let agent = labels(&[("env", "prod"), ("region", "eu")]);
        for (selector, meant) in [
            ("", true),
            ("env=prod", true),
            (" region=eu , env=prod ", true),
            ("env=dev", false),
            ("env=prod,zone=a", false),
            ("env=", false),
        ] {
            assert_eq!(selector.parse::<Selector>().unwrap().matches(&agent), meant, "{selector:?}");
        }
        let selector: Selector = "region=eu,env=prod".parse().unwrap();
        assert_eq!(selector.to_string(), "env=prod,region=eu");
        assert_eq!(selector.to_string().parse(), Ok(selector));
    }

    #[test]
    fn what_is_no_selector_says_why() {
        let long = "x".repeat(64);
        for (text, why) in [
            ("env", LabelError::Pair("env".to_owned())),
            ("env=a,", LabelError::Pair(String::new())),
            ("=a", LabelError::Key(String::new())),
            ("a b=c", LabelError::Key("a b".to_owned())),
            ("a=b=c", LabelError::Value("b=c".to_owned())),
            ("a=b,a=c", LabelError::Twice("a".to_owned())),
            (&format!("{long}=a"), LabelError::Key(long.clone())),
        ] {
            assert_eq!(text.parse::<Selector>(), Err(why), "{text:?}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert_eq!(many.join(",").parse::<Selector>(), Err(LabelError::TooMany(33)));
    }

    #[test]
    fn a_tokens_labels_beat_the_agents_own() {
        let own = labels(&[("env", "dev"), ("rack", "7")]);
        let overlaid = own.overlaid(&labels(&[("env", "prod")])).unwrap();
        assert_eq!(overlaid, labels(&[("env", "prod"), ("rack", "7")]));
    }
}
