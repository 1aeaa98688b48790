//! Traits of a candidate's pipeline that verdicts use.
//!
//! They are told once, when its text is checked, and written down with the specification: to tell them takes compiling the
//! pipeline, which may take a second, and evidence is looked at every second.

use std::time::Duration;

use pipelines::config::Plan;
use proto::generation::Fragment;
use serde::{Deserialize, Serialize};

use super::Spec;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// Time for which it may hold a point back.
    #[serde(with = "crate::duration")]
    pub hold: Duration,
    /// Names of the functions by which its stages merge points, such as `sum`.
    pub merges: Vec<String>,
}

impl Traits {
    /// Traits of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let merges = plan.merge_functions().into_iter().map(str::to_owned).collect();
        Self { hold: plan.hold(), merges }
    }
}

impl Spec {
    /// Traits of its candidate. Only where an earlier release wrote the specification down is its text read for it.
    #[must_use]
    pub fn traits(&self) -> Traits {
        let read = || Fragment::new(&self.candidate).plan("candidate").map(|plan| Traits::of(&plan));
        self.traits.clone().unwrap_or_else(|| read().unwrap_or_default())
    }

    /// Time for which the candidate may hold a point back.
    #[must_use]
    pub fn hold(&self) -> Duration {
        self.traits().hold
    }
}
