//! Baselines: whether each agent's is still the one that the candidate was made for.
//!
//! A candidate is a whole pipeline. Whatever is changed in a baseline while an experiment runs, a promotion would undo, and in a
//! step with a weight the candidate's units leave without it already. No comparison shows that: it shows what the candidate does
//! to the data, not what the owner wants. So a step with a weight is rolled back at once, and one without holds until the
//! earlier baseline is back, or somebody ends the experiment.

use super::{Subject, Verdict};
use crate::experiment::words::{listed, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason, Rebased};

const LAYER: &str = "audit";
const QUANTITY: &str = "baseline";

/// The criterion on the baselines.
pub(super) fn criterion(looked: &Subject<'_>) -> Criterion {
    let delivers = looked.run.step.weight_bp() > 0;
    let effect = if delivers { Effect::RollBackAtOnce } else { Effect::Hold };
    let agents = looked.evidence.agents.iter();
    let rebased: Vec<(&AgentEvidence, &Rebased)> =
        agents.filter_map(|agent| Some((agent, agent.rebased.as_ref()?))).collect();
    if rebased.is_empty() {
        let sentence =
            "No agent of the step says that its baseline is another than when the experiment began.";
        let answer = if looked.came_in() { Answer::Met } else { Answer::NotApplicable };
        return Criterion::default_of(answer, effect, Reason::new(LAYER, QUANTITY, sentence));
    }
    let hosts = unique(rebased.iter().map(|(agent, _)| agent.host.clone()));
    let names = unique(
        rebased.iter().map(|(agent, Rebased { from, to })| format!("{}: from {from} to {to}", agent.host)),
    );
    let sentence = format!(
        "The baseline was changed in the midst of the experiment, on {}: what was measured with the earlier one does not count, \
         and the candidate, which was made for that one, would undo the change. {}",
        listed(&hosts),
        if delivers {
            "Begin an experiment with a candidate that is made for the new one."
        } else {
            "Put the earlier baseline back, or end this experiment and begin one with a candidate that is made for the new one."
        }
    );
    let finding = looked.measured(Reason::new(LAYER, QUANTITY, sentence), hosts.len() as f64, 0.0);
    Criterion::default_of(Answer::Violated, effect, finding.about(hosts, names))
}

/// Tells whether it is this criterion: a guardrail may have its name, and is of another layer.
fn is_it(criterion: &Criterion) -> bool {
    (criterion.finding.layer.as_str(), criterion.finding.quantity.as_str()) == (LAYER, QUANTITY)
}

/// Change of what a verdict says of the baselines; nothing if it says the same as the one before.
#[must_use]
pub fn rebased<'a>(before: Option<&Verdict>, next: &'a Verdict) -> Option<&'a Reason> {
    let of = |verdict: &'a Verdict| verdict.criteria.iter().find(|one| is_it(one)).map(|one| &one.finding);
    let was = before.and_then(|verdict| verdict.criteria.iter().find(|one| is_it(one)));
    let was = was.map(|one| one.finding.names.as_slice()).unwrap_or_default();
    of(next).filter(|finding| finding.names != was)
}

/// Tells whether it is this criterion, and a baseline has changed.
pub(super) fn changed(criterion: &Criterion) -> bool {
    is_it(criterion) && criterion.answer == Answer::Violated
}
