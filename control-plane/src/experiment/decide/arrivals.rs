//! Lenses of what arrives: totals, by owner, of metrics that no lens was asked for. They describe, in one sentence.

use std::collections::BTreeMap;

use observe::{FleetGroup, FleetLens, Lens, LensReport, UnwatchedMetrics};

use super::shown::described_with_groups;
use super::{Subject, added_up};
use crate::experiment::words::{counted, listed, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};
use crate::id::AgentUid;

/// The most of them that a sentence names.
const MAX_NAMED: usize = 8;

/// Reports of each by agent, by name: those of the horizons of the step.
pub(super) type Reports<'a> = BTreeMap<&'a str, Vec<(AgentUid, &'a LensReport)>>;

/// Reports of the lenses that are none of these.
pub(super) fn reports<'a>(looked: &'a Subject<'_>, asked: &[Lens]) -> Reports<'a> {
    let mut reports = Reports::new();
    for agent in &looked.evidence.agents {
        for lens in agent.horizons.iter().flat_map(|found| &found.horizon.lenses) {
            if asked.iter().all(|one| one.name != lens.name) {
                reports.entry(&lens.name).or_default().push((agent.uid, lens));
            }
        }
    }
    reports
}

/// The lenses themselves.
pub(super) fn lenses(reports: &Reports<'_>) -> Vec<Lens> {
    let first = reports.values().filter_map(|found| found.first());
    first.map(|(_, one)| Lens::new(&one.name, &one.metric, &one.group_by, one.function)).collect()
}

/// A criterion that tells of all of them, and holds nothing.
pub(super) fn criterion(looked: &Subject<'_>, name: &str, reports: &Reports<'_>) -> Criterion {
    let fleets = reports.values().map(|found| fleet(looked, found));
    let (measured, others): (Vec<FleetLens>, Vec<FleetLens>) = fleets.partition(|fleet| fleet.hosts > 0);
    let mut differ: Vec<&FleetLens> = measured.iter().filter(|fleet| differs(fleet)).collect();
    let size = |fleet: &FleetLens| fleet.total.relative_error.map_or(f64::INFINITY, f64::abs);
    differ.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    let (sentence, unwatched) =
        (sentence(&measured, &differ, others.len(), looked.that_counts()), unwatched(looked));
    let answer = match (measured.is_empty(), &unwatched) {
        (false, _) => Answer::Met,
        (true, Some(_)) => Answer::NotMeasured,
        (true, None) => Answer::NotApplicable,
    };
    let sentence = match unwatched {
        Some(unwatched) if measured.is_empty() && others.is_empty() => unwatched,
        Some(unwatched) => format!("{sentence} {unwatched}"),
        None => sentence,
    };
    let most = measured.iter().map(|fleet| fleet.hosts).max().unwrap_or(0);
    let sentence = match added_up::sentence(looked, most) {
        Some(which) if most > 0 => format!("{sentence} {which}"),
        _ => sentence,
    };
    let finding = Reason::new("L0", "other_metrics", sentence).about(Vec::new(), vec![name.to_owned()]);
    Criterion::of(false, answer, Effect::Tell, finding)
}

/// One of them over the fleet. On an agent on which some metrics are in no lens, this one may be among them.
fn fleet(looked: &Subject<'_>, reports: &[(AgentUid, &LensReport)]) -> FleetLens {
    let fleet = FleetLens::of(reports.iter().copied());
    let metric = reports.first().map(|(_, report)| report.metric.as_str()).unwrap_or_default();
    let is_unwatched = |agent: &&AgentEvidence| {
        let has_report = reports.iter().any(|(uid, _)| *uid == agent.uid);
        let found = agent.last().map(|last| &last.horizon.unwatched);
        let may_be_one = |found: &UnwatchedMetrics| {
            let all_named = found.count == found.names.len() as u64 && !found.at_least;
            found.count > 0 && (!all_named || found.names.iter().any(|name| name == metric))
        };
        !has_report && found.is_some_and(may_be_one)
    };
    let unwatched = looked.evidence.agents.iter().filter(is_unwatched).count() as u64;
    FleetLens { hosts_not_measured: fleet.hosts_not_measured + unwatched, ..fleet }
}

/// Metrics that came in and that no lens looks at, in a sentence, by the last horizon of each agent.
fn unwatched(looked: &Subject<'_>) -> Option<String> {
    let last = looked.evidence.agents.iter().filter_map(|agent| {
        let found = &agent.last()?.horizon.unwatched;
        (found.count > 0).then_some((&agent.host, found))
    });
    let last: Vec<_> = last.collect();
    let hosts = unique(last.iter().map(|(host, _)| (*host).clone()));
    let names = unique(last.iter().flat_map(|(_, found)| found.names.iter().cloned()));
    let all_named = last.iter().all(|(_, found)| found.count == found.names.len() as u64);
    let most = last.iter().map(|(_, found)| found.count).max()?.max(names.len() as u64);
    let cut = last.iter().any(|(_, found)| found.at_least) || (last.len() > 1 && !all_named);
    let at_least = if cut { "at least " } else { "" };
    let metrics = if last.iter().all(|(_, found)| found.count == 1) && most == 1 {
        "1 metric that came in is".to_owned()
    } else {
        format!("{} that came in are", counted(most, "metric"))
    };
    let first: Vec<String> = names.iter().take(MAX_NAMED).cloned().collect();
    let rest = if most > first.len() as u64 { "among them " } else { "" };
    let place = if hosts.len() == 1 { "on" } else { "on one at least of" };
    let text =
        format!("{at_least}{metrics} in no lens {place} {}: {rest}{}.", listed(&hosts), first.join(", "));
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

fn differs(fleet: &FleetLens) -> bool {
    let of_some_variant = |group: &FleetGroup| group.figures.is_lost() || group.figures.is_new();
    let of_a_group = |group: &FleetGroup| of_some_variant(group) || group.figures.differs();
    let unnamed = fleet.unnamed.lost > 0 || fleet.unnamed.difference > 0.0;
    total_differs(fleet) || unnamed || fleet.groups.iter().any(of_a_group)
}

fn total_differs(fleet: &FleetLens) -> bool {
    fleet.total.baseline != fleet.total.candidate
}

fn sentence(measured: &[FleetLens], differ: &[&FleetLens], others: usize, that_counts: &str) -> String {
    let not = match others {
        0 => String::new(),
        some => format!(" {some} more came in and cannot be measured so."),
    };
    if measured.is_empty() {
        return format!(
            "No metric{that_counts} came in that no other lens looks at and that has a total.{not}"
        );
    }
    let metrics = counted(measured.len() as u64, "other metric");
    let same = match measured.iter().filter(|fleet| !total_differs(fleet)).count() {
        0 => "none is".to_owned(),
        some => format!("those of {some} are"),
    };
    let over = if measured.iter().all(|fleet| fleet.hosts_not_measured == 0) {
        "over the fleet"
    } else {
        "over the agents that measured them"
    };
    if measured.len() == 1 && !differ.is_empty() {
        return format!("{}{not}", described_with_groups(&measured[0]).1);
    }
    if differ.is_empty() && measured.len() == 1 {
        return format!(
            "The total of the only other metric, {}, is the same {}.{not}",
            measured[0].name,
            over.replace("them", "it")
        );
    }
    if differ.is_empty() {
        return format!("The totals of {metrics} are the same {over}.{not}");
    }
    let named: Vec<String> =
        differ.iter().take(MAX_NAMED).map(|fleet| described_with_groups(fleet).1).collect();
    let more = match differ.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        1 => " 1 more differs, by no larger share.".to_owned(),
        more => format!(" {more} more differ, none by a larger share."),
    };
    format!("Of the totals of {metrics}, {same} the same {over}. {}{more}{not}", named.join(" "))
}
