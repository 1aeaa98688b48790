//! Table of criteria: each question that the policy asks, its answer, and the sentence behind it.

use api::{Answer, Criterion, Effect};

/// Words for the answers, in the order in which a person looks for them.
const WORDS: [&str; 5] = ["violated", "not measured", "met", "told", "not applicable"];

/// Columns of a sentence.
const WIDTH: usize = 70;

/// Word for the answer to a criterion. One without a consequence is told, unless nothing came in for it.
fn word(criterion: &Criterion) -> &'static str {
    match (criterion.answer, criterion.effect) {
        (Answer::NotApplicable, _) => "not applicable",
        (Answer::NotMeasured, _) => "not measured",
        (Answer::Violated, _) => "violated",
        (Answer::Met, Effect::Tell) => "told",
        (Answer::Met, _) => "met",
    }
}

/// The criteria with the words for their answers: violated, not measured, met, told, not applicable.
pub fn in_order(criteria: &[Criterion]) -> impl Iterator<Item = (&'static str, &Criterion)> {
    WORDS.into_iter().flat_map(move |said| {
        criteria.iter().filter(move |one| word(one) == said).map(move |one| (said, one))
    })
}

/// Consequence of a criterion that is violated, and whether the policy asks for it. What only observes has nothing to roll back.
pub fn consequence(criterion: &Criterion, observe_only: bool) -> String {
    let effect = match (criterion.effect, observe_only) {
        (Effect::RollBackAtOnce, false) => "rolls back at once",
        (Effect::RollBack, false) => "rolls back",
        (Effect::Hold, false) => "holds the step",
        (Effect::RollBackAtOnce, true) => "ends the experiment at once: would_not",
        (Effect::RollBack | Effect::Hold, true) => "ends the experiment: would_not",
        (Effect::Tell, _) => return "told, without consequence".to_owned(),
    };
    let asked = if criterion.asked { "asked for" } else { "by default" };
    format!("{asked}; if violated, it {effect}")
}

/// The criteria as a table of answer, question and sentence; sentences are broken at 70 columns.
pub fn table(caption: &str, criteria: &[Criterion]) -> String {
    let rows = in_order(criteria).map(|(word, one)| {
        let sentence = super::broken(&one.finding.sentence, WIDTH).join("\n");
        vec![word.to_owned(), one.finding.quantity.clone(), sentence]
    });
    crate::table::render(caption, &["answer", "criterion", "because"], 3, rows.collect())
}
