//! A reason: one finding behind a verdict, as data and in a sentence.

use serde::{Deserialize, Serialize};

/// See the module. Shares are from 0 to 1; counts are counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// Quantity that was looked at, such as `critical_process_coverage`.
    pub quantity: String,
    /// Figure that was found.
    pub observed: Option<f64>,
    /// Limit that it was held to.
    pub limit: Option<f64>,
    /// Agents that it rests on.
    pub n: u32,
    /// Layer of evidence: L0 exact counts, L2 what only delivery shows, L3 evidence over time, instant for a limit that
    /// acts at once, audit for what is missing, person for somebody's word.
    pub layer: String,
    /// The hosts that it is about; empty for all.
    pub hosts: Vec<String>,
    /// The groups of a lens that it is about.
    pub groups: Vec<String>,
    /// Names that it is about: processes, series.
    pub names: Vec<String>,
    /// In words.
    pub sentence: String,
}

/// The most names that a reason lists.
pub const MAX_NAMES: usize = 30;

impl Reason {
    /// A reason of a layer about a quantity.
    #[must_use]
    pub fn new(layer: &str, quantity: &str, sentence: impl Into<String>) -> Self {
        Self {
            layer: layer.to_owned(),
            quantity: quantity.to_owned(),
            sentence: sentence.into(),
            ..Self::default()
        }
    }

    /// Adds the figure, its limit, and the number of agents that it rests on.
    #[must_use]
    pub fn measured(self, observed: f64, limit: f64, n: usize) -> Self {
        Self { observed: Some(observed), limit: Some(limit), n: u32::try_from(n).unwrap_or(u32::MAX), ..self }
    }

    /// The same of an experiment that has ended: what was not known, or waited for, was so then.
    #[must_use]
    pub fn at_the_end(self) -> Self {
        let sentence = format!("When it ended: {}", self.sentence);
        Self { sentence, ..self }
    }

    /// The hosts and the names that it is about.
    #[must_use]
    pub fn about(mut self, hosts: Vec<String>, mut names: Vec<String>) -> Self {
        names.truncate(MAX_NAMES);
        (self.hosts, self.names) = (hosts, names);
        self
    }

    /// Adds the groups that it is about.
    #[must_use]
    pub fn of_groups(mut self, mut groups: Vec<String>) -> Self {
        groups.truncate(MAX_NAMES);
        self.groups = groups;
        self
    }
}
