//! A criterion: one question that a policy asks, and its answer. What was not measured is an answer of its own.

use serde::{Deserialize, Serialize};

use super::Reason;

/// Answer to a criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was measured, and it holds.
    Met,
    /// It was measured, and it does not hold.
    Violated,
    /// It was not measured: nothing advances on it.
    NotMeasured,
    /// Nobody asked for it, and nothing came in that it speaks of.
    NotApplicable,
}

impl Answer {
    /// Its name in labels of metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Violated => "violated",
            Self::NotMeasured => "not_measured",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// Consequence of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Roll back at once, on any horizon of any agent.
    RollBackAtOnce,
    /// Roll back, once the evidence of the step is complete.
    RollBack,
    /// Hold the step.
    Hold,
    /// Tell, and go on.
    Tell,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its answer.
    pub answer: Answer,
    /// Consequence of a violation; where it is not `tell`, what was not measured holds.
    pub effect: Effect,
    /// True if the policy asks for it, false if it is a default.
    pub asked: bool,
    /// Figures, limit, agents and names that the answer rests on, and the sentence.
    #[serde(flatten)]
    pub finding: Reason,
}

impl Criterion {
    /// A default criterion.
    #[must_use]
    pub fn default_of(answer: Answer, effect: Effect, finding: Reason) -> Self {
        Self { answer, effect, asked: false, finding }
    }

    /// A criterion that the policy asks for. Not applicable is no answer to it: it is not measured then.
    #[must_use]
    pub fn asked_for(answer: Answer, effect: Effect, finding: Reason) -> Self {
        let answer = if answer == Answer::NotApplicable { Answer::NotMeasured } else { answer };
        Self { answer, effect, asked: true, finding }
    }

    /// A criterion that is asked for or a default.
    #[must_use]
    pub fn of(asked: bool, answer: Answer, effect: Effect, finding: Reason) -> Self {
        if asked {
            Self::asked_for(answer, effect, finding)
        } else {
            Self::default_of(answer, effect, finding)
        }
    }

    /// Tells whether its violation has this effect, and it is violated.
    #[must_use]
    pub fn is_violated_with(&self, effect: Effect) -> bool {
        self.answer == Answer::Violated && self.effect == effect
    }

    /// Tells whether it keeps the step where it is: a violation that holds, or no measurement where a violation would
    /// have consequences.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.answer {
            Answer::Violated => self.effect == Effect::Hold,
            Answer::NotMeasured => self.effect != Effect::Tell,
            Answer::Met | Answer::NotApplicable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [Answer; 4] = [Answer::Met, Answer::Violated, Answer::NotMeasured, Answer::NotApplicable];

    #[test]
    fn what_was_asked_for_and_not_measured_holds_and_a_default_of_which_nothing_came_in_does_not() {
        let of = |asked, answer, effect| Criterion::of(asked, answer, effect, Reason::default());
        for effect in [Effect::RollBackAtOnce, Effect::RollBack, Effect::Hold] {
            assert!(of(true, Answer::NotApplicable, effect).holds());
            assert!(of(true, Answer::NotMeasured, effect).holds());
            assert!(of(false, Answer::NotMeasured, effect).holds());
            assert!(!of(false, Answer::NotApplicable, effect).holds());
        }
        assert!(ANSWERS.iter().all(|answer| !of(true, *answer, Effect::Tell).holds()));
    }
}
