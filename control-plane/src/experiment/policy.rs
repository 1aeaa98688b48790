//! Policy: what a candidate must show to go on, what sends it back, and who has to be asked.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allow::Allow;
use super::change_window::ChangeWindow;
use super::guardrail::{Direction, Guardrail, Quantity, Scope, Severity};
use super::invalid::{Invalid, Mistakes, field};

/// The most guardrails, and the most change windows.
const MAX_LIST: usize = 40;

/// See the module. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The least share of active series, as the backend bills them, that it must save; less holds the step.
    pub min_cardinality_reduction: Option<f64>,
    /// The least share of the monthly cost that it must save, by the price model; less holds the step.
    pub min_cost_reduction: Option<f64>,
    /// The least share of the critical processes that it must show, 1 by default; less rolls back, at once.
    pub critical_process_coverage: Option<f64>,
    /// The most series that it may lose, as a share of the baseline's; more rolls back.
    pub max_series_loss: Option<f64>,
    /// The most that any lens may be off, as a share of the baseline: its total, each larger group, and the smaller ones
    /// together. More rolls back. A lens's own limit takes its place.
    pub max_lens_error: Option<f64>,
    /// The most groups of a lens with a limit that the candidate may never show; more rolls back. 0 if not given.
    pub max_groups_lost: Option<u64>,
    /// The most of its points that destinations may not take, as a share of those that are settled; more rolls back.
    pub max_error_rate: Option<f64>,
    /// The most that what 99 of 100 batches wait for the pipeline may rise, as a share of the baseline's, judged over
    /// time; more, and by more than 1 ms, holds the step.
    pub max_latency_increase: Option<f64>,
    /// The most output identities that several series may write, 0 by default; more rolls back, at once.
    pub max_collisions: Option<u64>,
    /// The largest share of the series that may be renamed, have other values, or be off in a lens with a guardrail, on an
    /// agent that follows a sample of its entities without one of them being in it, at 95 %; more holds the step. None is
    /// accepted if not given.
    pub max_unseen: Option<f64>,
    /// Changes that are accepted besides what is safe by default: renamed, changed.
    pub allow: Allow,
    /// Guardrails that it is held to besides.
    pub guardrails: Vec<Guardrail>,
    /// The probability of a false alarm that is allowed over all looks at all guardrails on what varies by chance.
    pub alpha: f64,
    /// Judged horizons that every agent must have in a step before the next.
    pub min_horizons: u32,
    /// Hosts that must have them.
    pub min_hosts: u32,
    /// The share of the step's agents whose evidence may be missing; more holds the step.
    pub max_missing: f64,
    /// Time without a word of an agent, after which it is gone: nobody waits for it.
    #[serde(with = "crate::duration")]
    pub gone_after: Duration,
    /// The share of the step's agents that may be gone; more holds the step.
    pub max_gone: f64,
    /// After so long a step that has not advanced is given up, and the experiment rolled back; nothing to hold for
    /// ever.
    #[serde(with = "crate::duration::option")]
    pub max_step_duration: Option<Duration>,
    /// Time that the whole may take; nothing for as long as it needs.
    #[serde(with = "crate::duration::option")]
    pub max_duration: Option<Duration>,
    /// Action at that time. Nothing is ever promoted because time is up.
    pub at_max_duration: AtEnd,
    /// True if somebody other than its author has to approve before it is promoted.
    pub require_approval: bool,
    /// Times at which it may advance and promote by itself; always, if none is named. What sends it back acts at any
    /// time.
    pub change_windows: Vec<ChangeWindow>,
}

/// Action when the time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
            critical_process_coverage: None,
            max_series_loss: None,
            max_lens_error: None,
            max_groups_lost: None,
            max_error_rate: None,
            max_latency_increase: None,
            max_collisions: None,
            max_unseen: None,
            allow: Allow::default(),
            guardrails: Vec::new(),
            alpha: 0.05,
            min_horizons: 3,
            min_hosts: 1,
            max_missing: 0.0,
            gone_after: Duration::from_secs(900),
            max_gone: 0.2,
            max_step_duration: None,
            max_duration: None,
            at_max_duration: AtEnd::Hold,
            require_approval: false,
            change_windows: Vec::new(),
        }
    }
}

impl Policy {
    /// Every guardrail, the one that `max_latency_increase` stands for included.
    pub fn all_guardrails(&self) -> impl Iterator<Item = Cow<'_, Guardrail>> {
        let latency = self.max_latency_increase.map(|margin| Guardrail {
            name: "max_latency_increase".to_owned(),
            quantity: Quantity::LatencyP99,
            lens: None,
            scope: Scope::Fleet,
            direction: Direction::Higher,
            margin,
            severity: Severity::Blocking,
        });
        self.guardrails.iter().map(Cow::Borrowed).chain(latency.map(Cow::Owned))
    }

    /// Checks it; `lenses` are the names of the experiment's.
    ///
    /// # Errors
    /// All fields that are wrong.
    pub fn check(&self, lenses: &[&str]) -> Result<(), Invalid> {
        let mut wrong = Mistakes::default();
        let shares = [
            ("policy.min_cardinality_reduction", self.min_cardinality_reduction),
            ("policy.min_cost_reduction", self.min_cost_reduction),
            ("policy.critical_process_coverage", self.critical_process_coverage),
            ("policy.max_series_loss", self.max_series_loss),
            ("policy.max_error_rate", self.max_error_rate),
            ("policy.max_unseen", self.max_unseen),
            ("policy.max_missing", Some(self.max_missing)),
            ("policy.max_gone", Some(self.max_gone)),
        ];
        for (name, share) in shares.into_iter().filter_map(|(name, share)| Some((name, share?))) {
            wrong.unless((0.0..=1.0).contains(&share), || {
                field(name, share.to_string(), "a share from 0 to 1, such as 0.05 for 5 %")
            });
        }
        for (name, limit) in [
            ("policy.max_lens_error", self.max_lens_error),
            ("policy.max_latency_increase", self.max_latency_increase),
        ] {
            let limit = limit.unwrap_or_default();
            wrong.unless(limit.is_finite() && limit >= 0.0, || {
                field(name, limit.to_string(), "a share of 0 or more, such as 0.05 for 5 %")
            });
        }
        wrong.unless((1..=1_000).contains(&self.min_horizons), || {
            field("policy.min_horizons", self.min_horizons.to_string(), "1 to 1000")
        });
        wrong.unless(self.alpha > 0.0 && self.alpha < 0.5, || {
            field("policy.alpha", self.alpha.to_string(), "above 0 and below 0.5")
        });
        if self.guardrails.len() > MAX_LIST || self.change_windows.len() > MAX_LIST {
            let what = "there are too many, or of change_windows";
            wrong.note(field("policy.guardrails", what, "at most 40 of each"));
        } else {
            for guardrail in &self.guardrails {
                wrong.keep(guardrail.check(lenses));
            }
            for window in &self.change_windows {
                wrong.keep(window.check());
            }
        }
        wrong.end()
    }
}
