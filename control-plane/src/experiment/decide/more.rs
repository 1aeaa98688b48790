//! More: a candidate is tried to save something, and must not cost more than the baseline without leave.
//!
//! Both variants process the same points, so that a difference is one; a share of one in a hundred is let through, because
//! stages hold points back at the edges of a stretch. Bytes may be a tenth more, as an attribute makes them.

use super::{Subject, sampled};
use crate::experiment::words::{count, listed, percent};
use crate::experiment::{Answer, Criterion, Effect, Reason};

/// The share by which active series and points may be more.
const MARGIN: f64 = 0.01;
/// The share by which bytes may be.
const MARGIN_OF_BYTES: f64 = 0.1;

/// The criterion.
pub(super) fn criterion(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "more";
    let figures = &looked.figures;
    let amounts = [
        ("active series as the backend bills them", figures.active, MARGIN),
        ("points", figures.points, MARGIN),
        ("bytes", figures.bytes, MARGIN_OF_BYTES),
    ];
    let more = amounts
        .iter()
        .filter(|(_, [baseline, candidate], margin)| *candidate as f64 > *baseline as f64 * (1.0 + margin));
    let told: Vec<String> = more.clone().map(|(what, amounts, _)| told(what, *amounts)).collect();
    let most = more.map(|(_, amounts, _)| share(*amounts)).fold(0.0, f64::max);
    let allowed = looked.policy().allow.more;
    // A difference that is smaller than what a sample can tell is none.
    let within = sampled::margin(looked, false).is_some_and(|margin| most < MARGIN + margin);
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
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), most, MARGIN);
    Criterion::default_of(answer, Effect::Hold, finding)
}

/// Share by which the candidate has more; all of it where the baseline has nothing.
fn share([baseline, candidate]: [u64; 2]) -> f64 {
    if baseline == 0 { 1.0 } else { candidate as f64 / baseline as f64 - 1.0 }
}

fn told(what: &str, amounts: [u64; 2]) -> String {
    let [baseline, candidate] = amounts.map(count);
    if amounts[0] == 0 {
        return format!("{what} ({candidate} where the baseline has none)");
    }
    format!("{what} ({candidate} where the baseline has {baseline}, {} more)", percent(share(amounts)))
}
