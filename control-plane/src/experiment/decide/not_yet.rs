//! Sentence about a stretch of which nothing was reported yet: that, and not that nothing came in.

use super::Subject;
use crate::experiment::{AgentEvidence, Answer, Criterion, Goal};

/// Says of what was not measured that it could not be yet, where no agent has reported a horizon of what is looked at.
pub(super) fn say(looked: &Subject<'_>, goal: Option<Goal>, criteria: &mut [Criterion]) {
    let has_told = |agent: &AgentEvidence| {
        !agent.horizons.is_empty() || agent.count + agent.idle + agent.voided > 0 || !agent.void.is_empty()
    };
    if looked.evidence.agents.iter().any(has_told) {
        return;
    }
    let sentence = match goal {
        None | Some(Goal::Judge) => {
            format!("Not known yet: no agent has reported a horizon of the step {}.", looked.run.step)
        }
        Some(Goal::Promote | Goal::Stop) => {
            "Not known yet: no agent has reported its last horizon.".to_owned()
        }
    };
    let open =
        criteria.iter_mut().filter(|one| matches!(one.answer, Answer::NotMeasured | Answer::NotApplicable));
    // What is measured over time has earlier steps to speak of.
    for criterion in open.filter(|one| !["audit", "person", "L3"].contains(&one.finding.layer.as_str())) {
        criterion.finding.sentence.clone_from(&sentence);
    }
}
