//! Delivery: what the step's weight sends by the candidate must arrive.

use observe::DeliveryReport;

use super::Subject;
use crate::experiment::words::{apart, count, counted, percent};
use crate::experiment::{Answer, Criterion, Effect, Reason, Step};

/// The criteria on delivery: in a step with a weight, that something of the candidate arrived, and that destinations refuse no
/// more of it than of the baseline; and the error rate, where the policy asks for it. Nothing of the candidate leaves where it
/// only observes.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let error_rate = if looked.spec.is_observe_only() { None } else { error_rate(looked) };
    let refused = if looked.policy().max_error_rate.is_some() { None } else { refused(looked) };
    arrived(looked).into_iter().chain(refused).chain(error_rate).collect()
}

/// The share of the candidate's settled points that may be lost beyond the baseline's, and that at which nothing is waited for.
const REFUSED: [f64; 2] = [0.01, 0.1];

/// Points that were settled, and those of them that were lost, of all agents.
#[derive(Default)]
struct Refused {
    settled: u64,
    lost: u64,
    /// Points of the candidate that would have been lost, had each agent's destinations refused as much of it as of the baseline.
    expected: f64,
    /// True if the baseline's share is that of this step on some agent.
    of_step: bool,
    /// True if it is that of the steps before on some agent.
    of_before: bool,
}

impl Refused {
    fn share(&self) -> f64 {
        if self.settled == 0 { 0.0 } else { self.lost as f64 / self.settled as f64 }
    }

    fn expected_share(&self) -> f64 {
        if self.settled == 0 { 0.0 } else { self.expected / self.settled as f64 }
    }
}

/// What destinations refused of the candidate in this step, on agents on which the baseline is known to be taken or refused, and
/// on others. An agent is compared with itself: others may have other destinations. Where nothing of the baseline was settled in
/// this step, as at 100 %, all that was settled of it before is asked: when it was refused is not known then, but that it was not.
fn refusals(looked: &Subject<'_>) -> [Refused; 2] {
    let (mut known, mut unknown) = (Refused::default(), Refused::default());
    for agent in &looked.evidence.agents {
        let sum = |all: &mut dyn Iterator<Item = DeliveryReport>| {
            let all = all.map(|one| one.settled_and_lost());
            all.fold([0, 0], |[settled, lost], more| [settled + more[0], lost + more[1]])
        };
        let horizons = || agent.horizons.iter().map(|findings| &findings.horizon);
        let [settled, lost] = sum(&mut horizons().map(|found| found.candidate.delivery));
        let of_step = sum(&mut horizons().map(|found| found.baseline.delivery));
        let before = sum(&mut agent.totals.iter().map(|found| found.baseline.delivery));
        let [of, missed] = if of_step[0] > 0 { of_step } else { before };
        let share = |lost: u64, settled: u64| if settled == 0 { 0.0 } else { lost as f64 / settled as f64 };
        let refused = share(missed, of);
        // A destination that has refused some of the baseline may have come to refuse all.
        let may_be_all =
            of_step[0] == 0 && refused > REFUSED[0] && share(lost, settled) > refused + REFUSED[0];
        let is_known = of > 0 && !may_be_all;
        let all = if is_known { &mut known } else { &mut unknown };
        all.settled += settled;
        all.lost += lost;
        if is_known && settled > 0 {
            all.expected += settled as f64 * missed as f64 / of as f64;
            all.of_step |= of_step[0] > 0;
            all.of_before |= of_step[0] == 0;
        }
    }
    [known, unknown]
}

/// Points of the candidate that destinations did not take for good, beyond what they did not take of the baseline: they are lost.
/// A policy with an error rate of its own says how many may be. Where nothing of the baseline was ever settled there is nothing to
/// compare with: a destination that refuses whatever comes is not the candidate's fault.
fn refused(looked: &Subject<'_>) -> Option<Criterion> {
    const QUANTITY: &str = "undelivered";
    let Step::Split(_) = looked.run.step else { return None };
    let (step, [known, unknown]) = (looked.step(), refusals(looked));
    if known.settled + unknown.settled == 0 {
        let sentence = format!(
            "No point of the candidate was settled by a destination in the step {step}, so that none was refused."
        );
        let finding = Reason::new("L2", QUANTITY, sentence);
        return Some(Criterion::default_of(Answer::NotApplicable, Effect::RollBack, finding));
    }
    let refused = |of: &Refused| {
        format!(
            "Destinations did not take {} of {} of the candidate, {}",
            count(of.lost),
            counted(of.settled, "point"),
            percent(of.share())
        )
    };
    let beyond = (known.share() - known.expected_share()).max(0.0);
    if beyond <= REFUSED[0] && unknown.share() > REFUSED[0] {
        let sentence = format!(
            "{}, on agents on which nothing of the baseline was settled in the step {step}, and before that some of it was refused \
             or none settled: there is nothing to compare with, and the destination may refuse whatever comes. See what it says in the \
             agents' logs; a policy with `max_error_rate` accepts so many.",
            refused(&unknown)
        );
        let finding = looked.measured(Reason::new("L2", QUANTITY, sentence), unknown.share(), REFUSED[0]);
        return Some(Criterion::default_of(Answer::NotMeasured, Effect::RollBack, finding));
    }
    let when = match (known.of_step, known.of_before) {
        (false, true) => format!(" before, as nothing of it was settled in the step {step}"),
        (true, true) => format!(" in the step {step}, or before it where nothing of it was settled in that"),
        _ => String::new(),
    };
    let of_baseline = match known.settled {
        0 => "; nothing of the baseline was settled".to_owned(),
        _ => format!(", and {} of the baseline's{when}", percent(known.expected_share())),
    };
    let of_both = format!("{}{of_baseline}", refused(if known.settled > 0 { &known } else { &unknown }));
    let sentence = if beyond > REFUSED[0] {
        format!(
            "{of_both}: such points are lost. See what the destination says in the agents' logs; a policy with `max_error_rate` \
             accepts so many."
        )
    } else {
        format!("{of_both}.")
    };
    let answer = if beyond > REFUSED[0] { Answer::Violated } else { Answer::Met };
    let effect = if beyond > REFUSED[1] { Effect::RollBackAtOnce } else { Effect::RollBack };
    let finding = looked.measured(Reason::new("L2", QUANTITY, sentence), beyond, REFUSED[0]);
    Some(Criterion::default_of(answer, effect, finding))
}

/// Points of this step, over all agents: input of units assigned to the candidate, output of theirs that left by it, and
/// settled ones.
struct OfStep {
    came_in: u64,
    units: u64,
    assigned: u64,
    left: u64,
    confirmed: u64,
    settled: u64,
}

fn of_step(looked: &Subject<'_>) -> OfStep {
    let mut sum = OfStep { came_in: 0, units: 0, assigned: 0, left: 0, confirmed: 0, settled: 0 };
    for agent in &looked.evidence.agents {
        sum.came_in += agent.horizons.iter().map(|findings| findings.horizon.input.points).sum::<u64>();
        for found in agent.horizons.iter().map(|findings| &findings.horizon.candidate) {
            sum.units = sum.units.max(found.units.value);
            sum.assigned += found.assigned_points;
            sum.left += found.delivered.points;
            sum.confirmed += found.delivery.confirmed;
            sum.settled += found.delivery.settled_and_lost()[0];
        }
    }
    sum
}

fn arrived(looked: &Subject<'_>) -> Option<Criterion> {
    let weight @ Step::Split(bp) = looked.run.step else { return None };
    let (step, of) = (looked.step(), of_step(looked));
    let all = bp == 10_000;
    let (answer, sentence) = if of.confirmed > 0 {
        (
            Answer::Met,
            format!(
                "Destinations confirmed at least {} of the candidate in the step {step}; a point counts once for each destination.",
                counted(of.confirmed, "point")
            ),
        )
    } else if of.came_in == 0 {
        (
            Answer::NotMeasured,
            format!(
                "Nothing{} came in during the step {step}, so that nothing of it could be delivered.",
                looked.that_counts()
            ),
        )
    } else if of.assigned == 0 && !all {
        (
            Answer::NotApplicable,
            format!(
                "The weight {weight} assigns no unit to the candidate, so the step shows nothing of its delivery and is skipped."
            ),
        )
    } else if of.assigned == 0 {
        (
            Answer::NotMeasured,
            format!(
                "The candidate delivered nothing in the step {step}: no unit is assigned to it. Choose a unit whose attributes the data has."
            ),
        )
    } else if of.left == 0 && !all {
        (
            Answer::NotApplicable,
            format!(
                "Of {} of the units that the weight {weight} assigns to the candidate none left by it, so the step shows nothing of its delivery and is skipped.",
                counted(of.assigned, "point")
            ),
        )
    } else if of.left == 0 {
        (
            Answer::NotMeasured,
            format!(
                "The candidate delivered nothing in the step {step}, of {} that came in.",
                counted(of.assigned, "point")
            ),
        )
    } else if of.settled > 0 {
        (
            Answer::Violated,
            format!(
                "No destination confirmed any of {} of the candidate in the step {step}.",
                counted(of.settled, "point")
            ),
        )
    } else {
        (
            Answer::NotMeasured,
            format!(
                "The candidate delivered nothing in the step {step} yet: {} left, and no destination has answered.",
                counted(of.left, "point")
            ),
        )
    };
    let finding = looked.measured(Reason::new("L2", "delivery", sentence), of.confirmed as f64, 1.0);
    Some(Criterion::default_of(answer, Effect::Hold, finding))
}

fn error_rate(looked: &Subject<'_>) -> Option<Criterion> {
    let limit = looked.policy().max_error_rate?;
    let figures = &looked.figures;
    let quantity = "max_error_rate";
    let Some(rate) = figures.error_rate() else {
        let before = looked.run.step.weight_bp() == 0;
        let sentence = if before {
            "Nothing of the candidate leaves in this step, so that nothing can be refused."
        } else {
            "No point of the candidate was settled by a destination, so that no share of them can be told."
        };
        let finding = Reason { limit: Some(limit), ..Reason::new("L2", quantity, sentence) };
        // Before anything leaves there is nothing to ask.
        let criterion = Criterion::default_of(Answer::NotApplicable, Effect::RollBack, finding);
        let answer = if before { Answer::NotApplicable } else { Answer::NotMeasured };
        return Some(Criterion { asked: true, answer, ..criterion });
    };
    let [lost, settled] = [figures.undelivered[1], figures.settled[1]].map(count);
    let past = rate > limit;
    let [rate_text, limit_text] = apart([rate, limit]);
    let sentence = format!(
        "Destinations did not take {lost} of {settled} points of the candidate, {rate_text}; at most {limit_text} are \
         allowed."
    );
    let answer = if past { Answer::Violated } else { Answer::Met };
    let finding = looked.measured(Reason::new("L2", quantity, sentence), rate, limit);
    Some(Criterion::asked_for(answer, Effect::RollBack, finding))
}
