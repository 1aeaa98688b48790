//! Changes that a policy accepts besides what is safe by default.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// See the module. Written as people write it: a list of words and of maps with metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Allow {
    /// Another name, unit or type of a metric, and attributes that a lens groups by taken away.
    pub renamed: Allowed,
    /// Other values.
    pub changed: Allowed,
    /// Points that a stage holds back: their values are not compared, and in steps with a weight what is held when the candidate
    /// is cut out may be lost.
    pub held: bool,
    /// More active series, points or bytes than the baseline has.
    pub more: bool,
}

/// Metrics for which a change is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowed {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// Those of these names, as the baseline has them.
    Metrics(BTreeSet<String>),
}

/// An entry of the list: a word for all metrics, or a map from it to some of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    All(Change),
    Some(BTreeMap<Change, Metrics>),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Renamed,
    Changed,
    Held,
    More,
}

#[derive(Serialize, Deserialize)]
struct Metrics {
    metric: Vec<String>,
}

impl From<Vec<Entry>> for Allow {
    fn from(entries: Vec<Entry>) -> Self {
        let mut allow = Self::default();
        for entry in entries {
            match entry {
                Entry::All(change) => allow.add(change, Vec::new()),
                // An empty list of metrics names none, and allows none.
                Entry::Some(some) => {
                    let named = some.into_iter().filter(|(_, metrics)| !metrics.metric.is_empty());
                    named.for_each(|(change, metrics)| allow.add(change, metrics.metric));
                }
            }
        }
        allow
    }
}

impl From<Allow> for Vec<Entry> {
    fn from(Allow { renamed, changed, held, more }: Allow) -> Self {
        let entry = |change, allowed| match allowed {
            Allowed::Nothing => None,
            Allowed::All => Some(Entry::All(change)),
            Allowed::Metrics(names) => {
                let metrics = Metrics { metric: names.into_iter().collect() };
                Some(Entry::Some(BTreeMap::from([(change, metrics)])))
            }
        };
        let [held, more] =
            [(held, Change::Held), (more, Change::More)].map(|(is, change)| is.then_some(Entry::All(change)));
        let all = [entry(Change::Renamed, renamed), entry(Change::Changed, changed), held, more];
        all.into_iter().flatten().collect()
    }
}

impl Allow {
    fn add(&mut self, change: Change, metrics: Vec<String>) {
        match change {
            Change::Renamed => self.renamed.add(metrics),
            Change::Changed => self.changed.add(metrics),
            // These are of no metric.
            Change::Held => self.held = true,
            Change::More => self.more = true,
        }
    }
}

impl Allowed {
    /// Tells whether the change is accepted for a metric.
    #[must_use]
    pub fn covers(&self, metric: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Metrics(names) => names.contains(metric),
        }
    }

    /// Accepts it for more metrics; none named means all.
    pub fn add(&mut self, metrics: Vec<String>) {
        match self {
            _ if metrics.is_empty() => *self = Self::All,
            Self::All => {}
            Self::Nothing => *self = Self::Metrics(metrics.into_iter().collect()),
            Self::Metrics(names) => names.extend(metrics),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_down_as_it_is_read() {
        let text = r#"["renamed",{"changed":{"metric":["a"]}},"held","more"]"#;
        let allow: Allow = serde_json::from_str(text).expect("a list");
        assert!(allow.held && allow.more && allow.renamed == Allowed::All && allow.changed.covers("a"));
        assert_eq!(serde_json::to_string(&allow).expect("a text"), text);
        assert!(!Allow::default().held && !Allow::default().more);
    }

    #[test]
    fn metrics_add_up_and_all_covers_what_is_named_or_not() {
        let mut allowed = Allowed::default();
        assert!(!allowed.covers("a"));
        allowed.add(vec!["a".into()]);
        allowed.add(vec!["b".into()]);
        assert!(allowed.covers("a") && allowed.covers("b") && !allowed.covers("c"));
        allowed.add(Vec::new());
        allowed.add(vec!["a".into()]);
        assert!(allowed.covers("c"));
    }
}
