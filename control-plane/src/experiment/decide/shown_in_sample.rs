//! Limits of a lens where some agent follows a sample of the entities.
//!
//! What a guardrail asks of the total and of each group, a limit asks of both: met is what is so with every interval, where the
//! policy accepts what none of those followed shows. Past it for sure is the total, and a group of which one agent alone tells
//! and that surely has its share. A lost group is never sure: what is not followed of it may be there.

use observe::{Lens, LensLimit, LensReport};

use super::Subject;
use super::guardrails::{not_looked_at, unseen};
use crate::experiment::Answer;
use crate::experiment::guardrail::{
    Direction, Guardrail, GuardrailFinding, OfHost, OfSample, Quantity, Scope, Severity,
};
use crate::experiment::words::{are, counted, listed, percent, signed};

/// Answer, what is said besides, and the groups that it is about; nothing where every agent with the lens follows all.
pub(super) fn judged(
    looked: &Subject<'_>,
    lens: &Lens,
    limit: &LensLimit,
) -> Option<(Answer, String, Vec<String>)> {
    let hosts: Vec<OfHost<'_>> = looked.totals().filter(|(_, found)| report(found, lens).is_some()).collect();
    if hosts.iter().all(|(_, found)| found.sample.is_none()) {
        return None;
    }
    let open = |said: String| Some((Answer::NotMeasured, said, Vec::new()));
    let lost = lost(looked, lens);
    if lost > limit.max_groups_lost {
        let groups = counted(lost, "group");
        return open(format!(
            "Of what is followed {groups} {} lost, and {} may be; the rest of {} may be there.",
            if lost == 1 { "is" } else { "are" },
            limit.max_groups_lost,
            if lost == 1 { "it" } else { "them" },
        ));
    }
    let Some(max_error) = limit.max_error else {
        let (accepted, said) = unseen(looked)?;
        let answer = if accepted { Answer::Met } else { Answer::NotMeasured };
        return Some((answer, format!("Of the groups that are followed none is lost.{said}"), Vec::new()));
    };
    let look = |quantity| guardrail(lens, quantity, max_error).look(&hosts);
    let total = look(Quantity::LensTotal)?;
    // Where nothing has a group, the total is all.
    let groups = look(Quantity::LensGroup).unwrap_or_else(|| total.clone());
    if limit.absolute_margin == 0.0
        && let Some((said, names)) = past(&hosts, lens, limit, [&total, &groups])
    {
        return Some((Answer::Violated, said, names));
    }
    let unsure = |found: &GuardrailFinding| {
        let may_be = found.past.then(|| {
            " What is past it may be within it on all agents together, or too small to be judged by itself.".to_owned()
        });
        may_be.or_else(|| not_looked_at(looked, found))
    };
    if let Some(why) = unsure(&total).or_else(|| unsure(&groups)) {
        return open(format!("{}{why}", within(&total, &groups, max_error)));
    }
    let unseen = unseen(looked).map(|(_, said)| said).unwrap_or_default();
    Some((Answer::Met, format!("{}{unseen}", within(&total, &groups, max_error)), Vec::new()))
}

fn report<'a>(found: &'a observe::Comparison, lens: &Lens) -> Option<&'a LensReport> {
    found.lenses.iter().find(|one| one.name == lens.name && one.measured.is_measured())
}

fn guardrail(lens: &Lens, quantity: Quantity, margin: f64) -> Guardrail {
    Guardrail {
        name: lens.name.clone(),
        quantity,
        lens: Some(lens.name.clone()),
        scope: Scope::Fleet,
        direction: Direction::Either,
        margin,
        severity: Severity::Blocking,
    }
}

/// Groups that are lost, in all that an agent has measured or in its last horizon, on the agent with most.
fn lost(looked: &Subject<'_>, lens: &Lens) -> u64 {
    let lasts = looked.evidence.agents.iter().filter_map(|agent| Some(&agent.last()?.horizon));
    let all = looked.totals().map(|(_, found)| found).chain(lasts);
    all.filter_map(|found| report(found, lens)).map(|lens| lens.groups_lost).max().unwrap_or(0)
}

/// What is past the limit for sure: the total, or groups of one agent that surely have their share.
fn past(
    hosts: &[OfHost<'_>],
    lens: &Lens,
    limit: &LensLimit,
    [total, groups]: [&GuardrailFinding; 2],
) -> Option<(String, Vec<String>)> {
    let most = percent(limit.max_error?);
    let is_whole = hosts.len() == 1 || lens.function.adds_up();
    if let Some(of) = total.of_sample.as_ref().filter(|of| of.past && is_whole) {
        let [least, highest] = of.interval.map(signed);
        let said =
            format!("Of all entities the total lies between {least} and {highest} (95 %), past {most}.");
        return Some((said, Vec::new()));
    }
    let [(_, found)] = hosts else { return None };
    let lens = report(found, lens)?;
    let whole = lens.total.sampled?;
    let figures = lens.groups.max(1);
    let has_share = |name: &String| {
        let group = lens.named().find(|one| one.group == *name).and_then(|one| one.sampled);
        group.is_some_and(|of| of.least_share_of(&whole, figures) >= limit.min_group_share)
    };
    let names: Vec<String> =
        groups.groups.iter().filter(|name| groups.past && has_share(name)).cloned().collect();
    (!names.is_empty()).then(|| {
        let verb = are(names.len() as u64);
        (format!("Whatever is not followed of them, past {most} {verb} {} (95 %).", listed(&names)), names)
    })
}

/// Intervals of the total and of the groups, in words.
fn within(total: &GuardrailFinding, groups: &GuardrailFinding, max_error: f64) -> String {
    let of = |found: &GuardrailFinding| {
        let interval = found.of_sample.as_ref().map(|OfSample { interval, .. }| *interval);
        interval.filter(|ends| ends.iter().all(|end| end.is_finite())).map(|ends| ends.map(signed))
    };
    let most = percent(max_error);
    match (of(total), of(groups)) {
        (Some([a, b]), Some([c, d])) => format!(
            "Of all entities like those followed the total lies between {a} and {b} and each group between {c} and {d} (95 %); \
             {most} is the limit."
        ),
        (Some([a, b]), None) => format!(
            "Of all entities like those followed the total lies between {a} and {b} (95 %), and of some groups the sample has \
             too few to tell; {most} is the limit."
        ),
        _ => format!("Of the total the sample has too few to tell; {most} is the limit."),
    }
}
