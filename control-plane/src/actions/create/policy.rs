//! Policy of an experiment that somebody asks for: texts and words made the domain's own.

use super::{duration, kept};
use crate::experiment::{
    Allow, AtEnd, ChangeWindow, Day, Direction, Guardrail, Policy, Quantity, Scope, Severity,
};
use crate::refusal::Refusal;

impl TryFrom<api::Policy> for Policy {
    type Error = Refusal;

    fn try_from(asked: api::Policy) -> Result<Self, Refusal> {
        let mut wrong = Vec::new();
        let mut time = |field, text| kept(&mut wrong, duration(field, text)).flatten();
        let gone_after = time("policy.gone_after", Some(asked.gone_after));
        let max_step_duration = time("policy.max_step_duration", asked.max_step_duration);
        let max_duration = time("policy.max_duration", asked.max_duration);
        if !wrong.is_empty() {
            return Err(Refusal::together(wrong));
        }
        Ok(Self {
            min_cardinality_reduction: asked.min_cardinality_reduction,
            min_cost_reduction: asked.min_cost_reduction,
            critical_process_coverage: asked.critical_process_coverage,
            max_series_loss: asked.max_series_loss,
            max_lens_error: asked.max_lens_error,
            max_groups_lost: asked.max_groups_lost,
            max_error_rate: asked.max_error_rate,
            max_latency_increase: asked.max_latency_increase,
            max_collisions: asked.max_collisions,
            max_unseen: asked.max_unseen,
            allow: allow(asked.allow),
            guardrails: asked.guardrails.into_iter().map(Into::into).collect(),
            alpha: asked.alpha,
            min_horizons: asked.min_horizons,
            min_hosts: asked.min_hosts,
            max_missing: asked.max_missing,
            gone_after: gone_after.unwrap_or_default(),
            max_gone: asked.max_gone,
            max_step_duration,
            max_duration,
            at_max_duration: match asked.at_max_duration {
                api::AtEnd::Hold => AtEnd::Hold,
                api::AtEnd::RollBack => AtEnd::RollBack,
            },
            require_approval: asked.require_approval,
            change_windows: asked.change_windows.into_iter().map(Into::into).collect(),
        })
    }
}

fn allow(asked: Vec<api::Allow>) -> Allow {
    let mut allow = Allow::default();
    for one in asked {
        match one {
            api::Allow::All(api::Change::Renamed) => allow.renamed.add(Vec::new()),
            api::Allow::All(api::Change::Changed) => allow.changed.add(Vec::new()),
            api::Allow::All(api::Change::Held) => allow.held = true,
            api::Allow::All(api::Change::More) => allow.more = true,
            api::Allow::Part(api::AllowedParts { renamed, changed }) => {
                // An empty list of metrics names none, and allows none.
                let named = |part: Option<api::AllowedMetrics>| {
                    part.map(|part| part.metric).filter(|all| !all.is_empty())
                };
                named(renamed).into_iter().for_each(|metrics| allow.renamed.add(metrics));
                named(changed).into_iter().for_each(|metrics| allow.changed.add(metrics));
            }
        }
    }
    allow
}

impl From<api::Guardrail> for Guardrail {
    fn from(asked: api::Guardrail) -> Self {
        Self {
            name: asked.name,
            quantity: asked.quantity.into(),
            lens: asked.lens,
            scope: match asked.scope {
                api::Scope::Fleet => Scope::Fleet,
                api::Scope::Host => Scope::Host,
            },
            direction: match asked.direction {
                api::Direction::Higher => Direction::Higher,
                api::Direction::Lower => Direction::Lower,
                api::Direction::Either => Direction::Either,
            },
            margin: asked.margin,
            severity: match asked.severity {
                api::Severity::Fatal => Severity::Fatal,
                api::Severity::Blocking => Severity::Blocking,
                api::Severity::Advisory => Severity::Advisory,
            },
        }
    }
}

impl From<api::Quantity> for Quantity {
    fn from(asked: api::Quantity) -> Self {
        match asked {
            api::Quantity::LensTotal => Self::LensTotal,
            api::Quantity::LensGroup => Self::LensGroup,
            api::Quantity::Series => Self::Series,
            api::Quantity::Points => Self::Points,
            api::Quantity::Bytes => Self::Bytes,
            api::Quantity::SeriesLost => Self::SeriesLost,
            api::Quantity::CriticalHidden => Self::CriticalHidden,
            api::Quantity::Collisions => Self::Collisions,
            api::Quantity::Failures => Self::Failures,
            api::Quantity::Undelivered => Self::Undelivered,
            api::Quantity::WireBytesPerPoint => Self::WireBytesPerPoint,
            api::Quantity::NanosPerPoint => Self::NanosPerPoint,
            api::Quantity::LatencyP99 => Self::LatencyP99,
        }
    }
}

impl From<api::ChangeWindow> for ChangeWindow {
    fn from(asked: api::ChangeWindow) -> Self {
        let api::ChangeWindow { days, from, to, time_zone } = asked;
        Self { days: days.into_iter().map(Into::into).collect(), from, to, time_zone }
    }
}

impl From<api::Day> for Day {
    fn from(asked: api::Day) -> Self {
        match asked {
            api::Day::Mon => Self::Mon,
            api::Day::Tue => Self::Tue,
            api::Day::Wed => Self::Wed,
            api::Day::Thu => Self::Thu,
            api::Day::Fri => Self::Fri,
            api::Day::Sat => Self::Sat,
            api::Day::Sun => Self::Sun,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_not_given_is_the_one_that_a_kept_experiment_has_by_default() {
        assert_eq!(Policy::try_from(api::Policy::default()), Ok(Policy::default()));
    }

    #[test]
    fn all_that_are_no_durations_are_told() {
        let [gone_after, max_duration] = ["soon", "1 fortnight"].map(str::to_owned);
        let max_duration = Some(max_duration);
        let refused = Policy::try_from(api::Policy { gone_after, max_duration, ..api::Policy::default() });
        let fields: Vec<_> =
            refused.unwrap_err().mistakes().iter().map(|one| one.field.clone().unwrap()).collect();
        assert_eq!(fields, ["policy.gone_after", "policy.max_duration"]);
    }

    #[test]
    fn what_is_no_duration_is_told_by_field() {
        let asked = api::Policy { max_duration: Some("1 fortnight".to_owned()), ..api::Policy::default() };
        let refused = Policy::try_from(asked).unwrap_err();
        assert_eq!(refused.mistakes()[0].field.as_deref(), Some("policy.max_duration"));
        assert!(refused.detail().contains("\"1 fortnight\""), "{}", refused.detail());
    }
}
