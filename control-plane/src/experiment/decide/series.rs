//! Series: what becomes of those that the baseline has.

use super::Looked;
use crate::experiment::words::{count, percent};
use crate::experiment::{Answer, Criterion, Effect, Reason};

/// The criteria on series.
pub fn criteria(looked: &Looked<'_>) -> Vec<Criterion> {
    loss(looked).into_iter().collect()
}

fn loss(looked: &Looked<'_>) -> Option<Criterion> {
    let limit = looked.policy().max_series_loss?;
    let figures = &looked.figures;
    let Some(loss) = figures.loss() else {
        let sentence = "The baseline has no series, so that none can be lost.";
        let finding = Reason { limit: Some(limit), ..Reason::new("L0", "max_series_loss", sentence) };
        return Some(Criterion::asked_for(Answer::NotMeasured, Effect::RollBack, finding));
    };
    let at_most = if figures.at_most { "at most " } else { "" };
    let sentence = format!(
        "The candidate loses {at_most}{} of the baseline's {} series, {}; at most {} are allowed.",
        count(figures.lost),
        count(figures.series[0]),
        percent(loss),
        percent(limit)
    );
    let answer = if loss > limit { Answer::Violated } else { Answer::Met };
    let finding = looked.measured(Reason::new("L0", "max_series_loss", sentence), loss, limit);
    Some(Criterion::asked_for(answer, Effect::RollBack, finding))
}
