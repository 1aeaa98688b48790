//! Criteria that only steps with a weight can measure, of an experiment that has none: not measured, from its beginning.

use super::{Subject, guardrails};
use crate::experiment::guardrail::{Guardrail, Quantity};
use crate::experiment::{Answer, Criterion, Effect, Reason, Spec};

/// Criteria of the policy that mirror does not measure.
pub(super) fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let limit = looked.policy().max_error_rate;
    let error_rate =
        limit.map(|limit| ("max_error_rate".to_owned(), limit, Effect::RollBack, NOTHING_LEAVES));
    let guarded = looked.policy().all_guardrails().filter_map(|guardrail| {
        let why = why(&guardrail)?;
        Some((guardrail.name.clone(), guardrail.margin, guardrails::effect(guardrail.severity), why))
    });
    let criterion = |(quantity, limit, effect, why): (String, f64, Effect, &str)| {
        let sentence =
            format!("{quantity} is not measured: {why}, and this experiment has no step with a weight.");
        let finding = Reason { limit: Some(limit), ..Reason::new(layer(why), &quantity, sentence) };
        Criterion::asked_for(Answer::NotMeasured, effect, finding)
    };
    error_rate.into_iter().chain(guarded).map(criterion).collect()
}

const NOTHING_LEAVES: &str = "destinations answer for what leaves by the candidate";
const BY_CHANCE: &str =
    "it varies by chance, mirror only shows how much, and the steps after it are the evidence";

/// Reason for which mirror does not measure a guardrail; nothing where it does.
pub(super) fn why(guardrail: &Guardrail) -> Option<&'static str> {
    match guardrail.quantity {
        Quantity::Undelivered | Quantity::WireBytesPerPoint => Some(NOTHING_LEAVES),
        quantity if quantity.varies() => Some(BY_CHANCE),
        _ => None,
    }
}

fn layer(why: &str) -> &'static str {
    if why == BY_CHANCE { "L3" } else { "L2" }
}

impl Spec {
    /// Names of what the policy asks for with a consequence, and an experiment that only observes never measures.
    pub(crate) fn beyond_mirror(&self) -> Vec<String> {
        if !self.is_observe_only() {
            return Vec::new();
        }
        let error_rate = self.policy.max_error_rate.map(|_| "max_error_rate".to_owned());
        let binding = |guardrail: &Guardrail| guardrails::effect(guardrail.severity) != Effect::Tell;
        let guardrails = self.policy.all_guardrails();
        let guarded = guardrails.filter(|one| why(one).is_some() && binding(one)).map(|one| one.name.clone());
        error_rate.into_iter().chain(guarded).collect()
    }
}
