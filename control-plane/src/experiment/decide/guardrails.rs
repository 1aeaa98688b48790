//! Guardrails, as criteria. What a guardrail could not look at is not measured.

use drift::Judgement;
use observe::{LensError, Sample};

use super::{Subject, beyond_mirror, sampled};
use crate::clock::UnixMillis;
use crate::experiment::guardrail::{
    Direction, Guardrail, GuardrailFinding, LeftOut, OfHost, OfSample, Quantity, Severity,
};
use crate::experiment::sequential::{self, Gathered, Sequential};
use crate::experiment::words::{count, listed};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};

/// A criterion for each guardrail of the policy.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let mut over_time = if looked.spec.is_observe_only() { Vec::new() } else { over_time(looked) };
    sampled::say_of_time(looked, &mut over_time);
    counted(looked).into_iter().chain(over_time).collect()
}

pub(super) fn effect(severity: Severity) -> Effect {
    match severity {
        Severity::Fatal => Effect::RollBackAtOnce,
        Severity::Blocking => Effect::Hold,
        Severity::Advisory => Effect::Tell,
    }
}

/// Guardrails on what is counted: over all that each agent has measured, and a fatal one on every horizon as well.
fn counted(looked: &Subject<'_>) -> Vec<Criterion> {
    let elsewhere = |one: &Guardrail| looked.spec.is_observe_only() && beyond_mirror::why(one).is_some();
    let counted = looked.policy().guardrails.iter().filter(|guardrail| !guardrail.quantity.varies());
    let guardrails = counted.filter(|guardrail| !elsewhere(guardrail));
    let criterion = |guardrail: &Guardrail| {
        let on_a_horizon =
            (guardrail.severity == Severity::Fatal).then(|| past_on_a_horizon(looked, guardrail));
        let found = on_a_horizon.flatten().or_else(|| guardrail.look(&totals(looked, guardrail)));
        let Some(found) = found else { return nothing(looked, guardrail) };
        let open = open(looked, guardrail, &found);
        let answer = match (&open, found.past) {
            (Some(_), _) => Answer::NotMeasured,
            (None, true) => Answer::Violated,
            (None, false) => Answer::Met,
        };
        let mut finding = of_count(guardrail, &found, looked.evidence.counted().count());
        finding.sentence.extend(open);
        if let Some(of) = found.of_sample.as_ref().filter(|_| answer == Answer::Met) {
            finding.sentence.extend(unseen(looked).map(|(_, said)| said));
            finding.sentence.push_str(if of.is_of_one { ONE_DECIDES } else { "" });
        }
        let mut criterion = Criterion::asked_for(answer, effect(guardrail.severity), finding);
        if found.of_sample.is_some() && found.left_out.series.is_empty() {
            criterion.finding.sentence.extend(sampled::rests(looked));
        } else if rests_on_sample(looked, guardrail.quantity) {
            sampled::say(looked, std::slice::from_mut(&mut criterion));
        }
        criterion
    };
    guardrails.map(criterion).collect()
}

/// All that each process of each agent has measured; where distinct things are counted, that of the process of each agent that
/// has most harm: what two of them have found may be the same, and one that found none hides nothing of another.
fn totals<'a>(looked: &'a Subject<'_>, guardrail: &Guardrail) -> Vec<OfHost<'a>> {
    if !guardrail.quantity.is_of_distinct() {
        return looked.totals().collect();
    }
    let worst = |agent: &'a AgentEvidence| {
        let all = agent.totals.iter().filter_map(|total| Some((guardrail.quantity.of(total)?, total)));
        let worst = all.max_by(|a, b| guardrail.harm(a.0).total_cmp(&guardrail.harm(b.0)))?;
        Some((agent.host.as_str(), worst.1.as_ref()))
    };
    looked.evidence.agents.iter().filter_map(worst).collect()
}

/// Tells whether a quantity is known of a sample alone, where there is one: points are of all that the candidate got.
fn rests_on_sample(looked: &Subject<'_>, quantity: Quantity) -> bool {
    match quantity {
        Quantity::Series
        | Quantity::SeriesLost
        | Quantity::Collisions
        | Quantity::LensTotal
        | Quantity::LensGroup => true,
        Quantity::CriticalHidden
        | Quantity::Failures
        | Quantity::Undelivered
        | Quantity::WireBytesPerPoint => false,
        _ => sampled::overloaded(looked).is_some(),
    }
}

/// Reason, as a sentence, for which it cannot be said whether a guardrail is passed, though there is a figure.
fn open(looked: &Subject<'_>, guardrail: &Guardrail, found: &GuardrailFinding) -> Option<String> {
    let Guardrail { quantity, margin, .. } = guardrail;
    let is_overloaded = sampled::overloaded(looked).is_some();
    match quantity {
        Quantity::LensTotal | Quantity::LensGroup => not_looked_at(looked, found),
        Quantity::Collisions if found.past => None,
        Quantity::Collisions if is_overloaded => Some(" They were not looked for everywhere.".to_owned()),
        Quantity::Collisions => {
            let most =
                sampled::most_collisions(looked, guardrail.scope).filter(|most| *most as f64 > *margin)?;
            Some(format!(" Of all, {} may collide (95 %).", count(most)))
        }
        Quantity::CriticalHidden => {
            let is_cut = sampled::samples(looked).any(|(_, sample)| sample.critical_cut);
            (is_cut && !found.past)
                .then(|| " More critical processes came in than an agent can follow.".to_owned())
        }
        quantity if rests_on_sample(looked, *quantity) => {
            let wide = sampled::margin(looked, found.observed == 0.0)?;
            let is_near = (guardrail.harm(found.observed) - margin).abs() < wide;
            is_near.then(|| " This sample cannot tell whether it is past the limit.".to_owned())
        }
        _ => None,
    }
}

/// The same of a lens. A figure of a part of the series is no figure of all, but where a sample has an interval of it; groups
/// that are not told apart change nothing where another one is past the limit, nor does what is not followed where a sample is.
pub(super) fn not_looked_at(looked: &Subject<'_>, found: &GuardrailFinding) -> Option<String> {
    let LeftOut { series, groups, errors, held } = &found.left_out;
    if found.past && found.of_sample.is_some() {
        return None;
    }
    if !series.is_empty() {
        return Some(format!(
            " On {} it is of a part of the series, which does not tell that of all: several entities may be \
             put together or not told apart, a mean may be of what one variant does not show all the time, the largest or the \
             least may be of an entity that one variant alone shows, or the agent is of an earlier release: {FOLLOWS_ALL}.",
            listed(series)
        ));
    }
    if found.past {
        return None;
    }
    if found.of_sample.as_ref().is_some_and(|of| !of.within && of.is_of_one) {
        return Some(format!(
            " One entity decides it, which need not be one of those followed, so that a sample never shows that it is past \
             the limit: {FOLLOWS_ALL}."
        ));
    }
    if found.of_sample.as_ref().is_some_and(|of| !of.within) {
        return Some(format!(" This sample cannot tell whether it is past the limit: {FOLLOWS_ALL}."));
    }
    if !held.is_empty() {
        return Some(format!(
            " On {} stages hold points back, which may explain a difference or hide one past the limit: the longer it is \
             measured, the less that is.",
            listed(held)
        ));
    }
    if !groups.is_empty() {
        return Some(format!(
            " On {} several groups share a row, so that one of them may be past the limit: a lens by an attribute of at \
             most 1,024 values tells each.",
            listed(groups)
        ));
    }
    if !errors.is_empty() {
        return Some(format!(
            " The agents on {} are of a release that does not tell how far off the groups are that its reports do not \
             name: upgrade them.",
            listed(errors)
        ));
    }
    found
        .of_sample
        .as_ref()
        .and_then(|_| unseen(looked))
        .filter(|(is_accepted, _)| !is_accepted)
        .map(|(_, said)| said)
}

/// Words for what acceptance means where one series decides.
const ONE_DECIDES: &str = " One of those is enough to decide this figure.";

/// How all series are looked at.
const FOLLOWS_ALL: &str =
    "an agent follows all of at most 131,072 series, where its `phoenix.budget` is large enough for them";

/// What no entity of a sample has, and others may: whether the policy accepts it, and a sentence.
pub(super) fn unseen(looked: &Subject<'_>) -> Option<(bool, String)> {
    let (is_accepted, most, rest) = sampled::unseen(looked, Sample::most_beside)?;
    Some((
        is_accepted,
        format!(" What none of those followed is, up to {most} of all series may be (95 %): {rest}."),
    ))
}

/// Finding of a time in which a guardrail is passed, over the horizons of all agents of that time.
fn past_on_a_horizon(looked: &Subject<'_>, guardrail: &Guardrail) -> Option<GuardrailFinding> {
    let horizons = looked.horizons(guardrail.is_of_the_fleet());
    let times = horizons.len() as u64;
    horizons.iter().filter_map(|of_a_time| guardrail.look_often(of_a_time, times)).find(|found| found.past)
}

fn nothing(looked: &Subject<'_>, guardrail: &Guardrail) -> Criterion {
    let sentence = format!(
        "{}: {} could not be told, because there was nothing to compare.",
        guardrail.name,
        about(guardrail)
    );
    let finding = Reason { limit: Some(guardrail.margin), ..Reason::new("L0", &guardrail.name, sentence) };
    let n = looked.evidence.counted().count();
    let finding = Reason { n: u32::try_from(n).unwrap_or(u32::MAX), ..finding };
    Criterion::asked_for(Answer::NotMeasured, effect(guardrail.severity), finding)
}

/// Guardrails on what varies by chance, over all that was measured since mirror.
fn over_time(looked: &Subject<'_>) -> Vec<Criterion> {
    let n = looked.evidence.agents.len();
    let criterion = |one: &Sequential| {
        let answer = match one.judgement {
            Judgement::Violated { .. } => Answer::Violated,
            Judgement::Met => Answer::Met,
            // Mirror only has to be long enough, and the rest is asked of the steps after it.
            Judgement::NotMeasured { .. } if !one.holds(looked.run.step) => Answer::NotApplicable,
            Judgement::NotMeasured { .. } => Answer::NotMeasured,
        };
        let (effect, finding) = (effect(one.guardrail.severity), of_time(one, n));
        Criterion { answer, effect, asked: true, finding }
    };
    sequential::judge(looked.evidence, looked.spec).iter().map(criterion).collect()
}

fn of_count(guardrail: &Guardrail, found: &GuardrailFinding, n: usize) -> Reason {
    let Guardrail { name, quantity, margin, .. } = guardrail;
    let decimals = decimals([found.observed, *margin]);
    let figure = shown(*quantity, found.observed, decimals);
    let limit = limit_of(guardrail, decimals);
    let mut about = about(guardrail);
    if !found.left_out.series.is_empty() {
        about += ", of the series that are followed,";
    } else if found.of_sample.is_some() {
        about += ", of the sample,";
    }
    if !found.left_out.held.is_empty() {
        about += ", beyond what stages hold back,";
    }
    let of_all = found.of_sample.as_ref().map_or_else(String::new, |of| of_all(*quantity, of));
    let mut sentence = format!("{name}: {about} is {figure}{of_all}; {limit} is the limit.");
    if found.past && !found.hosts.is_empty() {
        sentence = format!("{name}: {about} is {figure}{of_all}, past {limit}, on {}.", listed(&found.hosts));
    }
    if found.past {
        sentence.extend(found.furthest.iter().map(furthest));
    }
    Reason::new("L0", name, sentence)
        .measured(found.observed, *margin, n)
        .about(found.hosts.clone(), Vec::new())
        .of_groups(found.groups.clone())
}

/// The group that is furthest off, in words.
fn furthest((host, group): &(String, LensError)) -> String {
    let figures = |[baseline, candidate]: [f64; 2]| {
        format!("{} where the baseline has {}", figure(candidate), figure(baseline))
    };
    let instant = group.worst.map(|worst| {
        let at = UnixMillis(i64::try_from(worst.time / 1_000_000).unwrap_or(i64::MAX));
        format!("; the instant at which they are furthest apart is {at}, with {}", figures(worst.figures))
    });
    format!(
        " Furthest off of the groups that reports name is {} on {host}: {}{}.",
        group.group,
        figures([group.baseline, group.candidate]),
        instant.unwrap_or_default()
    )
}

/// A figure of a lens, to six digits.
fn figure(figure: f64) -> String {
    let digits = if figure == 0.0 { 0.0 } else { figure.abs().log10().floor() };
    let decimals = (5.0 - digits).clamp(0.0, 12.0) as usize;
    let text = format!("{figure:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Interval in which what a sample was taken of lies, in words.
fn of_all(quantity: Quantity, of: &OfSample) -> String {
    let [least, most] = of.interval;
    if least.is_infinite() || most.is_infinite() {
        return " (the sample has too few to tell that of all)".to_owned();
    }
    let (all, they) = match (of.past, quantity == Quantity::LensGroup) {
        (true, true) => ("of all entities", "those past the limit lie"),
        (true, false) => ("of all entities", "it lies"),
        (false, true) => ("of all entities like those", "the groups' lie"),
        (false, false) => ("of all entities like those", "it lies"),
    };
    let decimals = decimals([least, most]);
    let [least, most] = [least, most].map(|end| shown(quantity, end, decimals));
    let on_each = if quantity == Quantity::LensGroup && of.samples > 1 { " on each host" } else { "" };
    format!(" ({all} {they} between {least} and {most}, at 95 %{on_each})")
}

fn of_time(one: &Sequential, n: usize) -> Reason {
    let Guardrail { name, quantity, margin, .. } = &one.guardrail;
    let Some(gathered) = &one.gathered else {
        let Judgement::NotMeasured { reason, .. } = one.judgement else { return Reason::default() };
        return Reason::new("L3", name, format!("{name}: not measured: {reason}."));
    };
    let decimals = decimals([gathered.mean, *margin]);
    let (figure, rests) = (shown(*quantity, gathered.mean, decimals), rests(gathered));
    let (about, limit) = (about(&one.guardrail), limit_of(&one.guardrail, decimals));
    let sentence = match one.judgement {
        Judgement::Violated { .. } => {
            format!("{name}: {about} is past {limit} for a time; {figure} on average ({rests}).")
        }
        Judgement::Met => format!("{name}: {about} is within {limit}; {figure} on average ({rests})."),
        Judgement::NotMeasured { reason, needed, .. } => format!(
            "{name}: not measured: {reason} ({rests}; {needed} blocks are needed at least to show that there is no \
             harm, {} to find it).",
            gathered.minimum
        ),
    };
    let hosts = gathered.hosts.clone();
    Reason::new("L3", name, sentence).measured(gathered.mean, *margin, n).about(hosts, Vec::new())
}

/// Evidence in words.
fn rests(gathered: &Gathered) -> String {
    let Gathered {
        log_e, log_e_inside, blocks, block, clipped_past: [mirror, since], clipped_inside, ..
    } = gathered;
    let mut said = format!(
        "{blocks} blocks of {}; E = {:.3} for harm, {:.3} for none",
        humantime::format_duration(*block),
        log_e.exp(),
        log_e_inside.exp()
    );
    if *since > 0.0 || *clipped_inside > 0.0 {
        said += &format!(
            "; clipped past the margin {:.1} % of horizons, {:.1} % in mirror, on the other side {:.1} %",
            100.0 * since,
            100.0 * mirror,
            100.0 * clipped_inside
        );
    }
    if !gathered.unjudged.is_empty() {
        said += &format!("; not judged by themselves: {}", listed(&gathered.unjudged));
    }
    said
}

fn about(guardrail: &Guardrail) -> String {
    let lens = guardrail.lens.as_deref().unwrap_or_default();
    match guardrail.quantity {
        Quantity::LensTotal => format!("the error of {lens}"),
        Quantity::LensGroup => format!("the worst group's error of {lens}"),
        Quantity::Series => "the change of distinct series".to_owned(),
        Quantity::Points => "the change of points".to_owned(),
        Quantity::Bytes => "the change of bytes".to_owned(),
        Quantity::SeriesLost => "the share of series lost".to_owned(),
        Quantity::CriticalHidden => "the share of critical processes hidden".to_owned(),
        Quantity::Collisions => "the number of colliding identities".to_owned(),
        Quantity::Failures => "the number of failed batches".to_owned(),
        Quantity::Undelivered => "the share of points not delivered".to_owned(),
        Quantity::WireBytesPerPoint => "the change of bytes on the wire for a point".to_owned(),
        Quantity::NanosPerPoint => "the change of time for a point".to_owned(),
        Quantity::LatencyP99 => "the change of what 99 of 100 batches wait".to_owned(),
    }
}

/// The limit in words, on the sides on which it is one.
fn limit_of(guardrail: &Guardrail, decimals: usize) -> String {
    let figure = shown(guardrail.quantity, guardrail.margin, decimals);
    match (figure.strip_prefix('+'), guardrail.direction) {
        (Some(figure), Direction::Either) => format!("±{figure}"),
        (Some(figure), Direction::Lower) => format!("−{figure}"),
        _ => figure,
    }
}

fn shown(quantity: Quantity, figure: f64, decimals: usize) -> String {
    match quantity {
        _ if figure.is_infinite() => "that of something where the baseline has nothing".to_owned(),
        Quantity::Collisions | Quantity::Failures => format!("{figure}"),
        Quantity::SeriesLost | Quantity::CriticalHidden | Quantity::Undelivered => {
            format!("{:.decimals$} %", 100.0 * figure)
        }
        _ => format!("{:+.decimals$} %", 100.0 * figure),
    }
}

/// Decimals of percent by which shares are shown: none that is not zero as zero, and none that differ as equal.
fn decimals(shares: [f64; 2]) -> usize {
    let is_told = |decimals: &usize| {
        let texts = shares.map(|share| format!("{:.*}", *decimals, 100.0 * share.abs()));
        let is_zero = |text: &String| text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        let zeros = texts.each_ref().map(is_zero);
        zeros == shares.map(|share| share == 0.0)
            && (texts[0] != texts[1] || shares[0].abs() == shares[1].abs())
    };
    (2..=12).find(is_told).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_shown_as_its_limit_nor_as_nothing_where_it_is_not() {
        let said = |shares: [f64; 2]| shares.map(|share| shown(Quantity::Series, share, decimals(shares)));
        assert_eq!(said([-0.5, 0.4]), ["-50.00 %", "+40.00 %"]);
        assert_eq!(said([0.000_001, 0.0]), ["+0.0001 %", "+0.0000 %"]);
        assert_eq!(said([0.020_000_1, 0.02]), ["+2.00001 %", "+2.00000 %"]);
        assert_eq!(said([0.0, 0.0]), ["+0.00 %", "+0.00 %"]);
    }
}
