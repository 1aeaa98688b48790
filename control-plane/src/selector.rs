//! Selectors: the agents that are meant, by their labels and attributes, as Kubernetes writes label selectors.
//!
//! ```text
//! env=prod,k8s.cluster.name in (a,b),!canary
//! ```
//! Every requirement holds of an agent that is meant. `key=value` and `key in (a,b)` ask for the label with one of these
//! values; `key!=value` and `key notin (a,b)` hold of an agent without the label, too; `key` asks for the label and `!key`
//! for its absence. An empty selector means every agent.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::labels::{Attributes, LabelError, Labels, check, shown};

/// The most requirements, and the most values of one.
const MOST: usize = 32;

/// See the module. Requirements are in order and each is there once, so that equal selectors have one text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector(BTreeSet<Requirement>);

/// Condition on the label of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Requirement {
    key: String,
    holds: Holds,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Holds {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Tells whether an agent of these labels and attributes is meant. A label comes before an attribute of its name.
    pub fn matches(&self, labels: &Labels, attributes: &Attributes) -> bool {
        let value = |key: &str| labels.get(key).or_else(|| attributes.get(key));
        self.0.iter().all(|requirement| requirement.holds(value(&requirement.key)))
    }

    /// Tells whether every agent is meant.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.holds {
            Holds::In(values) => value.is_some_and(|value| values.contains(value)),
            Holds::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Holds::Exists => value.is_some(),
            Holds::Absent => value.is_none(),
        }
    }

    fn parse(at: usize, text: &str) -> Result<Self, LabelError> {
        let of = |key: &str, holds: Holds| {
            check(key.trim(), "")?;
            Ok(Self { key: key.trim().to_owned(), holds })
        };
        if let Some((key, value)) = text.split_once("!=") {
            return of(key, Holds::NotIn(one(value)?));
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            // `key=` asks for a label that is empty; after the sign of a comparison a value was forgotten.
            if value.trim().is_empty() && text.contains("==") {
                return Err(LabelError::NoValue { at, text: shown(text.trim()), key: shown(key.trim()) });
            }
            return of(key, Holds::In(one(value)?));
        }
        if let Some(key) = text.trim_start().strip_prefix('!') {
            return of(key, Holds::Absent);
        }
        let mut words = text.trim().splitn(2, char::is_whitespace);
        match (words.next().unwrap_or_default(), words.next().map(str::trim_start)) {
            ("", None) => Err(LabelError::Requirement(String::new())),
            (key, None) => of(key, Holds::Exists),
            (key, Some(rest)) => {
                let wrong = || LabelError::Requirement(shown(text.trim()));
                let (holds, list): (fn(_) -> Holds, &str) = match rest.strip_prefix("notin") {
                    Some(list) => (Holds::NotIn, list),
                    None => (Holds::In, rest.strip_prefix("in").ok_or_else(wrong)?),
                };
                of(key, holds(several(list).ok_or_else(wrong)??))
            }
        }
    }
}

fn one(value: &str) -> Result<BTreeSet<String>, LabelError> {
    let value = value.trim();
    check("key", value)?;
    Ok([value.to_owned()].into())
}

/// Values of `(a,b)`; nothing where it is no such list.
fn several(list: &str) -> Option<Result<BTreeSet<String>, LabelError>> {
    let inside = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    let values: Result<BTreeSet<String>, LabelError> =
        inside.split(',').map(|value| check("key", value.trim()).map(|()| value.trim().to_owned())).collect();
    match values {
        Ok(values) if values.len() > MOST => Some(Err(LabelError::TooManyValues(values.len()))),
        values => Some(values),
    }
}

/// Requirements of a text: commas within the parentheses of a list part values. A value may have parentheses of its own.
fn requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut depth) = (0, 0_u32);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !text[begin..at].contains('=') => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

impl FromStr for Selector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let parts = requirements(text);
        if parts.len() > MOST {
            return Err(LabelError::TooManyRequirements(parts.len()));
        }
        let numbered = parts.into_iter().enumerate();
        let all: BTreeSet<Requirement> =
            numbered.map(|(at, part)| Requirement::parse(at + 1, part)).collect::<Result<_, _>>()?;
        let values =
            |requirement: &&Requirement| matches!(&requirement.holds, Holds::In(values) if values.len() == 1);
        let one_value: Vec<&Requirement> = all.iter().filter(values).collect();
        match one_value.windows(2).find(|pair| pair[0].key == pair[1].key) {
            Some(pair) => Err(LabelError::Twice(shown(&pair[0].key))),
            None => Ok(Self(all)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(Requirement::to_string).collect();
        f.write_str(&all.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list =
            |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.holds {
            Holds::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Holds::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", list(values)),
            Holds::In(values) => write!(f, "{key} in ({})", list(values)),
            Holds::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Holds::Exists => f.write_str(key),
            Holds::Absent => write!(f, "!{key}"),
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn agent() -> Labels {
        let pairs = [("env", "prod"), ("region", "eu"), ("empty", "")];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Labels::try_from(BTreeMap::from(pairs)).expect("labels")
    }

    #[test]
    fn a_selector_means_agents_of_which_all_of_it_holds() {
        let around = [("k8s.cluster.name", "a"), ("env", "of the surroundings")];
        let around = Attributes::of(around.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (selector, meant) in [
            ("", true),
            ("env=prod", true),
            ("env==prod", true),
            (" region=eu , env=prod ", true),
            ("env=dev", false),
            ("env=prod,zone=a", false),
            ("env=", false),
            ("empty=", true),
            ("env!=dev,env!=test", true),
            ("env!=prod", false),
            ("zone!=a", true),
            ("env in (dev, prod)", true),
            ("env in (dev,test)", false),
            ("env in(prod)", true),
            ("zone in (a)", false),
            ("env notin (dev,test),region in (eu,us)", true),
            ("env notin (prod)", false),
            ("zone notin (a)", true),
            ("env", true),
            ("zone", false),
            ("empty", true),
            ("!zone", true),
            ("! zone", true),
            ("!env", false),
            ("env=prod,region in (eu,us),!canary", true),
            ("env!=a(b,region=eu", true),
            ("env=prod,k8s.cluster.name in (a,b),!canary", true),
            ("k8s.cluster.name=b", false),
        ] {
            assert_eq!(
                selector.parse::<Selector>().map(|s| s.matches(&agent(), &around)),
                Ok(meant),
                "{selector:?}"
            );
        }
    }

    #[test]
    fn a_selector_has_one_text_that_reads_back() {
        for (text, canonical) in [
            ("region=eu,env=prod", "env=prod,region=eu"),
            ("b notin (z, y),b notin (y,z),!c,a", "a,b notin (y,z),!c"),
            ("a in (x),b notin (y)", "a=x,b!=y"),
            ("a==x", "a=x"),
        ] {
            let selector: Selector = text.parse().expect("a selector");
            assert_eq!(selector.to_string(), canonical);
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        let long = "x".repeat(64);
        let no_value =
            |at, text: &str| LabelError::NoValue { at, text: text.to_owned(), key: "a".to_owned() };
        for (text, why) in [
            ("env=a,", LabelError::Requirement(String::new())),
            ("env with (a)", LabelError::Requirement("env with (a)".to_owned())),
            ("env in a", LabelError::Requirement("env in a".to_owned())),
            ("env in (a", LabelError::Requirement("env in (a".to_owned())),
            ("=a", LabelError::Key(String::new())),
            ("!", LabelError::Key(String::new())),
            ("a b=c", LabelError::Key("a b".to_owned())),
            ("a=b=c", LabelError::Value("b=c".to_owned())),
            ("a=b,a=c", LabelError::Twice("a".to_owned())),
            ("b=c, a== ", no_value(2, "a==")),
            ("a==", no_value(1, "a==")),
            ("a==,b=c", no_value(1, "a==")),
            (&format!("{long}=a"), LabelError::Key(long.clone())),
        ] {
            assert_eq!(text.parse::<Selector>(), Err(why), "{text:?}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert_eq!(many.join(",").parse::<Selector>(), Err(LabelError::TooManyRequirements(33)));
        let values: Vec<String> = (0..33).map(|n| format!("v{n}")).collect();
        let text = format!("a in ({})", values.join(","));
        assert_eq!(text.parse::<Selector>(), Err(LabelError::TooManyValues(33)));
    }
}
