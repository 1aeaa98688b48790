//! Savings that the policy asks for, in the backend's own terms, and those that nobody asked for, told.

use super::{Subject, sampled};
use crate::experiment::words::{change, count, dollars, percent};
use crate::experiment::{Answer, Criterion, Effect, Reason};

/// The criteria on savings.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let figures = &looked.figures;
    let [baseline, candidate] = figures.active;
    let series = Saving {
        quantity: "min_cardinality_reduction",
        what: "active series as the backend bills them",
        limit: looked.policy().min_cardinality_reduction,
        saved: figures.saving_active,
        amounts: [count(baseline), count(candidate)],
        but: for_a_time(looked),
    };
    let cost = Saving {
        quantity: "min_cost_reduction",
        what: "the monthly cost",
        limit: looked.policy().min_cost_reduction,
        saved: figures.saving_cost,
        amounts: dollars(figures.monthly_usd),
        but: String::new(),
    };
    vec![series.criterion(looked), cost.criterion(looked)]
}

struct Saving {
    quantity: &'static str,
    what: &'static str,
    limit: Option<f64>,
    saved: Option<f64>,
    /// Baseline and candidate, in words.
    amounts: [String; 2],
    /// More words, after a blank.
    but: String,
}

/// Words about series that the candidate has for a part of the time: they are billed on for a while.
fn for_a_time(looked: &Subject<'_>) -> String {
    let interrupted = looked.totals().map(|(_, found)| &found.fates.interrupted);
    match interrupted.map(|of| of.as_it_is + of.others).sum() {
        0 => String::new(),
        some => format!(
            " A series is active for twenty minutes after its last point, also {} that the candidate has for a part of the time.",
            count(some)
        ),
    }
}

impl Saving {
    fn criterion(self, looked: &Subject<'_>) -> Criterion {
        let Self { quantity, what, limit, saved, amounts: [baseline, candidate], but } = self;
        let Some(saved) = saved else {
            let sentence = format!(
                "The baseline has nothing{} of {what}, so that no share of it can be saved.",
                looked.that_counts()
            );
            let finding = Reason { limit, ..Reason::new("L0", quantity, sentence) };
            return Criterion::of(limit.is_some(), Answer::NotApplicable, effect(limit), finding);
        };
        let changed = change(-saved, ["more", "less"]);
        let margin = sampled::margin(looked, false).unwrap_or(0.0);
        let is_open = |limit: f64| (saved - limit).abs() < margin;
        let asked = match limit {
            Some(limit) if is_open(limit) => {
                format!("; at least {} less is asked for, which this sample cannot tell", percent(limit))
            }
            Some(limit) if saved < limit => format!("; at least {} less is asked for", percent(limit)),
            _ => String::new(),
        };
        let about = if sampled::samples(looked).next().is_some() { "about " } else { "" };
        let sentence = format!(
            "Of {what} the candidate has {about}{candidate} where the baseline has {about}{baseline}: {changed}{asked}.{but}"
        );
        let finding = looked.measured(Reason::new("L0", quantity, sentence), saved, limit.unwrap_or(0.0));
        let answer = match limit {
            Some(limit) if is_open(limit) => Answer::NotMeasured,
            Some(limit) if saved < limit => Answer::Violated,
            _ => Answer::Met,
        };
        Criterion::of(limit.is_some(), answer, effect(limit), Reason { limit, ..finding })
    }
}

/// Less than what is asked for holds; what nobody asked for is told.
fn effect(limit: Option<f64>) -> Effect {
    if limit.is_some() { Effect::Hold } else { Effect::Tell }
}
