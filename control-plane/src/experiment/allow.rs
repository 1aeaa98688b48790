//! Changes that a policy accepts besides what is safe by default.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allow {
    /// Another name, unit or type of a metric, and attributes that a lens groups by taken away.
    pub renamed: Allowed,
    /// Other values.
    pub changed: Allowed,
}

/// Metrics for which a change is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// Those of these names, as the baseline has them.
    Metrics(BTreeSet<String>),
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
