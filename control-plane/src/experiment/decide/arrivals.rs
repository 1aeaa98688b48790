//! Lenses of what arrives: totals, by owner, of metrics that no lens was asked for. They describe, in one sentence.

use std::collections::BTreeMap;

use observe::{FleetGroup, FleetLens, Lens, LensReport};

use super::Subject;
use super::shown::described_with_groups;
use crate::experiment::words::counted;
use crate::experiment::{Answer, Criterion, Effect, Reason};

/// The most of them that a sentence names.
const MAX_NAMED: usize = 8;

/// Reports of each by host, by name: those of the horizons of the step.
pub(super) type Reports<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a LensReport)>>;

/// Reports of the lenses that are none of these.
pub(super) fn reports<'a>(looked: &'a Subject<'_>, asked: &[Lens]) -> Reports<'a> {
    let mut reports = Reports::new();
    for agent in &looked.evidence.agents {
        for lens in agent.horizons.iter().flat_map(|found| &found.horizon.lenses) {
            if asked.iter().all(|one| one.name != lens.name) {
                reports.entry(&lens.name).or_default().push((&agent.host, lens));
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
pub(super) fn criterion(name: &str, reports: &Reports<'_>) -> Criterion {
    let fleets = reports.values().map(|found| FleetLens::of(found.iter().copied()));
    let (measured, others): (Vec<FleetLens>, Vec<FleetLens>) = fleets.partition(|fleet| fleet.hosts > 0);
    let mut differ: Vec<&FleetLens> = measured.iter().filter(|fleet| differs(fleet)).collect();
    let size = |fleet: &FleetLens| fleet.total.relative_error.map_or(f64::INFINITY, f64::abs);
    differ.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    let sentence = sentence(&measured, &differ, others.len());
    let answer = if measured.is_empty() { Answer::NotApplicable } else { Answer::Met };
    let finding = Reason::new("L0", "other_metrics", sentence).about(Vec::new(), vec![name.to_owned()]);
    Criterion::of(false, answer, Effect::Tell, finding)
}

fn differs(fleet: &FleetLens) -> bool {
    let of_some_variant = |group: &FleetGroup| group.figures.is_lost() || group.figures.is_new();
    total_differs(fleet) || fleet.groups.iter().any(of_some_variant)
}

fn total_differs(fleet: &FleetLens) -> bool {
    fleet.total.baseline != fleet.total.candidate
}

fn sentence(measured: &[FleetLens], differ: &[&FleetLens], others: usize) -> String {
    let not = match others {
        0 => String::new(),
        some => format!(" {some} more came in and cannot be measured so."),
    };
    if measured.is_empty() {
        return format!(
            "No metric came in, besides those of processes and of lenses, that has a total.{not}"
        );
    }
    let metrics = counted(measured.len() as u64, "other metric");
    let same = measured.iter().filter(|fleet| !total_differs(fleet)).count();
    if differ.is_empty() && measured.len() == 1 {
        return format!(
            "The total of the only other metric, {}, is the same over the fleet.{not}",
            measured[0].name
        );
    }
    if differ.is_empty() {
        return format!("The totals of {metrics} are the same over the fleet.{not}");
    }
    let named: Vec<String> =
        differ.iter().take(MAX_NAMED).map(|fleet| described_with_groups(fleet).1).collect();
    let more = match differ.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" {more} more differ less."),
    };
    format!(
        "Of the totals of {metrics}, those of {same} are the same over the fleet. {}{more}{not}",
        named.join(" ")
    )
}
