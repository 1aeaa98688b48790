//! What a candidate must show to go on, what sends it back, and who has to be asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change_window::ChangeWindow;
use super::guardrail::Guardrail;
use super::spec::{Invalid, field};

/// The most guardrails, and the most change windows.
const MAX_LIST: usize = 40;

/// See the module. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The least share of distinct series that it must save; less holds the step.
    pub min_cardinality_reduction: Option<f64>,
    /// The least share of the monthly cost that it must save, by the price model; less holds the step.
    pub min_cost_reduction: Option<f64>,
    /// The least share of the critical processes that it must show; less rolls back, at once.
    pub critical_process_coverage: f64,
    /// The most series that it may lose, as a share of the baseline's; more rolls back.
    pub max_series_loss: Option<f64>,
    /// The most that any lens's total over the fleet may be off, as a share of it; more rolls back.
    pub max_lens_error: Option<f64>,
    /// The most output identities that several series may write; more rolls back, at once.
    pub max_collisions: u64,
    /// What else it is held to.
    pub guardrails: Vec<Guardrail>,
    /// The probability of a false alarm that is allowed over all looks at all guardrails on what varies by chance.
    pub alpha: f64,
    /// Judged horizons that every agent must have in a step before the next.
    pub min_horizons: u32,
    /// Hosts that must have them.
    pub min_hosts: u32,
    /// The share of the step's agents whose evidence may be missing; more holds the step.
    pub max_missing: f64,
    /// After so long a step that has not advanced is given up, and the experiment rolled back; nothing to hold for
    /// ever.
    #[serde(with = "crate::duration::option")]
    #[schema(value_type = Option<String>, example = "2h")]
    pub max_step_duration: Option<Duration>,
    /// How long the whole may take; nothing for as long as it needs.
    #[serde(with = "crate::duration::option")]
    #[schema(value_type = Option<String>, example = "7d")]
    pub max_duration: Option<Duration>,
    /// What to do then. Nothing is ever promoted because time is up.
    pub at_max_duration: AtEnd,
    /// Whether somebody other than its author has to approve before it is promoted.
    pub require_approval: bool,
    /// When it may advance and promote by itself; always, if none is named. What sends it back acts at any time.
    pub change_windows: Vec<ChangeWindow>,
}

/// What to do when the time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// Stay in the step until a person decides.
    #[default]
    Hold,
    /// Put the baseline back in charge.
    RollBack,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_cardinality_reduction: None,
            min_cost_reduction: None,
            critical_process_coverage: 1.0,
            max_series_loss: None,
            max_lens_error: None,
            max_collisions: 0,
            guardrails: Vec::new(),
            alpha: 0.05,
            min_horizons: 3,
            min_hosts: 1,
            max_missing: 0.0,
            max_step_duration: None,
            max_duration: None,
            at_max_duration: AtEnd::Hold,
            require_approval: false,
            change_windows: Vec::new(),
        }
    }
}

impl Policy {
    /// Checks it; `lenses` are the names of the experiment's.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self, lenses: &[&str]) -> Result<(), Invalid> {
        let shares = [
            ("policy.min_cardinality_reduction", self.min_cardinality_reduction),
            ("policy.min_cost_reduction", self.min_cost_reduction),
            ("policy.critical_process_coverage", Some(self.critical_process_coverage)),
            ("policy.max_series_loss", self.max_series_loss),
            ("policy.max_missing", Some(self.max_missing)),
        ];
        for (name, share) in shares {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                return Err(field(name, format!("{share:?}"), "a share from 0 to 1"));
            }
        }
        if self.max_lens_error.is_some_and(|error| !error.is_finite() || error < 0.0) {
            return Err(field("policy.max_lens_error", "it is no share", "0 or more"));
        }
        if self.min_horizons == 0 || self.min_horizons > 1_000 {
            return Err(field("policy.min_horizons", self.min_horizons.to_string(), "1 to 1000"));
        }
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            return Err(field("policy.alpha", self.alpha.to_string(), "above 0 and below 0.5"));
        }
        if self.guardrails.len() > MAX_LIST || self.change_windows.len() > MAX_LIST {
            return Err(field(
                "policy.guardrails",
                "there are too many, or of change_windows",
                "at most 40 of each",
            ));
        }
        self.guardrails.iter().try_for_each(|guardrail| guardrail.check(lenses))?;
        self.change_windows.iter().try_for_each(ChangeWindow::check)
    }
}
