//! Criteria that stand in the way of a promotion.

use std::fmt;

use super::words::count;
use super::{Answer, Criterion, Effect, Reason, Step, Verdict};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet(pub Vec<Criterion>);

/// The most that are told in a sentence each.
const MAX_TOLD: usize = 30;

impl Verdict {
    /// Criteria that are violated or not measured, and would have a consequence. In an A/A step nothing of the candidate was
    /// measured.
    #[must_use]
    pub fn unmet(&self, step: Step) -> Vec<Criterion> {
        let unmet = self.criteria.iter().filter(|one| {
            one.effect != Effect::Tell && matches!(one.answer, Answer::Violated | Answer::NotMeasured)
        });
        let untried = (step == Step::Aa).then(untried);
        unmet.cloned().chain(untried).collect()
    }
}

/// Criterion that an A/A step never meets.
pub(super) fn untried() -> Criterion {
    let sentence = "In the step aa the candidate is the baseline, so that nothing of it was measured.";
    Criterion::asked_for(Answer::NotMeasured, Effect::Hold, Reason::new("audit", "candidate", sentence))
}

impl Unmet {
    /// Each with its answer.
    #[must_use]
    pub fn named(&self) -> Vec<String> {
        self.0.iter().map(named).collect()
    }

    /// Each with its answer and what was found.
    #[must_use]
    pub fn sentences(&self) -> String {
        let told = self.0.iter().take(MAX_TOLD);
        let told: Vec<String> =
            told.map(|criterion| format!("{}: {}", named(criterion), criterion.finding.sentence)).collect();
        told.join(" ")
    }
}

fn named(criterion: &Criterion) -> String {
    let answer = if criterion.answer == Answer::Violated { "violated" } else { "not measured" };
    format!("{} is {answer}", criterion.finding.quantity)
}

/// "2 criteria are not met."
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("every criterion is met."),
            1 => f.write_str("1 criterion is not met."),
            several => write!(f, "{} criteria are not met.", count(several as u64)),
        }
    }
}
