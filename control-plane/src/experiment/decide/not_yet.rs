//! Sentence about a stretch of which not everything was reported yet: that, and not that nothing came in.

use super::Subject;
use crate::experiment::words::listed;
use crate::experiment::{AgentEvidence, Answer, Criterion};

/// Says of what was not measured that it could not be yet, where nothing came in on any agent that has reported a horizon of what
/// is looked at, and others are still to report one.
pub(super) fn say(looked: &Subject<'_>, criteria: &mut [Criterion]) {
    let has_told = |agent: &&AgentEvidence| !agent.has_told_nothing();
    let (told, silent): (Vec<&AgentEvidence>, Vec<&AgentEvidence>) =
        looked.evidence.agents.iter().partition(has_told);
    let to_tell = |agent: &&AgentEvidence| agent.is_waited_for(looked.spec, looked.now);
    let Some(sentence) = (match told.as_slice() {
        [] => Some(nobody(looked)),
        told if told.iter().all(|agent| agent.is_idle()) => {
            let silent: Vec<String> =
                silent.into_iter().filter(to_tell).map(|one| one.host.clone()).collect();
            (!silent.is_empty()).then(|| some(looked, told, &silent))
        }
        _ => None,
    }) else {
        return;
    };
    let open =
        criteria.iter_mut().filter(|one| matches!(one.answer, Answer::NotMeasured | Answer::NotApplicable));
    // What is measured over time has earlier steps to speak of.
    for criterion in open.filter(|one| !["audit", "person", "L3"].contains(&one.finding.layer.as_str())) {
        criterion.finding.sentence.clone_from(&sentence);
    }
}

fn nobody(looked: &Subject<'_>) -> String {
    format!("Not known yet: no agent has reported a horizon of the step {}.", looked.step())
}

fn some(looked: &Subject<'_>, told: &[&AgentEvidence], silent: &[String]) -> String {
    let told: Vec<String> = told.iter().map(|agent| agent.host.clone()).collect();
    format!(
        "Not known yet: in the step {} nothing came in on {}, and {} {} not reported a horizon of it.",
        looked.step(),
        listed(&told),
        listed(silent),
        if silent.len() == 1 { "has" } else { "have" }
    )
}
