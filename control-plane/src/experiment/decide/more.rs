//! More: a candidate is tried to save something, and must not cost more than the baseline without leave.

use observe::{Amount, MORE, More};

use super::{Subject, sampled};
use crate::experiment::words::{count, listed, percent};
use crate::experiment::{Answer, Criterion, Effect, Reason};

/// The criterion.
pub(super) fn criterion(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "more";
    let figures = &looked.figures;
    let more = More::than_may_be([figures.active, figures.points, figures.bytes]);
    let told: Vec<String> = more.iter().map(told).collect();
    let most = more.iter().map(More::share).fold(0.0, f64::max);
    let allowed = looked.policy().allow.more;
    // A difference that is smaller than what a sample can tell is none.
    let within = sampled::margin(looked, false).is_some_and(|margin| most < MORE + margin);
    let (answer, sentence) = match told.as_slice() {
        _ if !looked.came_in() => (
            Answer::NotApplicable,
            format!("Nothing{} came in of which the candidate could make more.", looked.that_counts()),
        ),
        [] => (
            Answer::Met,
            "The candidate has no more active series and points than the baseline, and no more bytes, but for what stages and \
             attributes make: 1 % of the first two and 10 % of bytes."
                .to_owned(),
        ),
        some if allowed => (Answer::Met, format!("The candidate has more {}; that is allowed.", listed(some))),
        some if within => (
            Answer::NotMeasured,
            format!("The candidate may have more {}, which this sample cannot tell.", listed(some)),
        ),
        some => (
            Answer::Violated,
            format!("The candidate has more {}. To accept it: `allow: [more]`.", listed(some)),
        ),
    };
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), most, MORE);
    Criterion::default_of(answer, Effect::Hold, finding)
}

fn told(more: &More) -> String {
    let what = match more.of {
        Amount::ActiveSeries => "active series as the backend bills them",
        Amount::Points => "points",
        Amount::Bytes => "bytes",
    };
    let [baseline, candidate] = more.amounts.map(count);
    if more.amounts[0] == 0 {
        return format!("{what} ({candidate} where the baseline has none)");
    }
    format!("{what} ({candidate} where the baseline has {baseline}, {} more)", percent(more.share()))
}
