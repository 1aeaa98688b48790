//! Groups that are gone from lenses without a limit. Nothing is decided by them, so they are the first that a verdict says which
//! goes forward.

use observe::{FleetGroup, FleetLens, Lens};

use super::{Subject, arrivals, shown};
use crate::experiment::Reason;
use crate::experiment::words::{counted, listed};

/// A lens without a limit that has lost groups.
struct Lossy {
    fleet: FleetLens,
    /// Those that are lost on all agents that have them.
    names: Vec<String>,
}

impl Lossy {
    fn of(fleet: FleetLens) -> Option<Self> {
        let is_lost = |one: &&FleetGroup| one.figures.is_lost() && !one.incomplete;
        let names: Vec<String> =
            fleet.groups.iter().filter(is_lost).map(|one| one.figures.group.clone()).collect();
        let lossy = Self { fleet, names };
        (lossy.count() > 0).then_some(lossy)
    }

    /// Number of lost groups; the least, where reports have no room to name all.
    fn count(&self) -> u64 {
        let unnamed = if self.fleet.unnamed.lost > 0 { self.fleet.most_lost } else { 0 };
        unnamed.max(self.names.len() as u64)
    }

    fn words(&self) -> String {
        let (lost, named) = (self.count(), self.names.len() as u64);
        let all = self.fleet.groups.iter().filter(|one| !one.figures.is_new()).count() as u64;
        let groups = match self.fleet.unnamed.groups {
            0 => format!("{lost} of {}", counted(all, "group")),
            _ if self.fleet.unnamed.lost > 0 => format!("at least {}", counted(lost, "group")),
            _ => counted(lost, "group"),
        };
        let which = match named {
            0 => String::new(),
            _ if named < lost => format!(" (among them {})", listed(&self.names)),
            _ => format!(" ({})", listed(&self.names)),
        };
        let followed = if self.fleet.truncated { ", of the series that are followed" } else { "" };
        format!("{groups} of {}{which}{followed}", self.fleet.name)
    }
}

/// A reason that names them; nothing where there are none.
pub(super) fn reason(looked: &Subject<'_>) -> Option<Reason> {
    let (every, lenses): (Vec<Lens>, Vec<Lens>) =
        looked.spec.limited_lenses().into_iter().partition(Lens::is_every);
    let without_limit = lenses.iter().filter(|lens| lens.limit().is_none());
    let mut fleets: Vec<FleetLens> =
        without_limit.map(|lens| FleetLens::of(shown::reports(looked, &lens.name))).collect();
    if !every.is_empty() {
        let of_arrivals = arrivals::reports(looked, &lenses);
        fleets.extend(of_arrivals.values().map(|found| FleetLens::of(found.iter().copied())));
    }
    let mut lossy: Vec<Lossy> = fleets.into_iter().filter_map(Lossy::of).collect();
    lossy.sort_by(|a, b| b.count().cmp(&a.count()).then_with(|| a.fleet.name.cmp(&b.fleet.name)));
    let (worst, others) = lossy.split_first()?;
    let others: Vec<String> = others.iter().map(|one| one.fleet.name.clone()).collect();
    let (worst_words, nothing) = (worst.words(), "so that nothing follows from it");
    let sentence = match others.as_slice() {
        [] => format!("The candidate loses {worst_words}; no limit is on this lens, {nothing}."),
        some => {
            let others = listed(some);
            format!(
                "The candidate loses {worst_words}, and groups of {others}; no limit is on these lenses, {nothing}."
            )
        }
    };
    let lenses = lossy.iter().map(|one| one.fleet.name.clone()).collect();
    let reason = Reason::new("L0", "lost_groups", sentence).about(Vec::new(), lenses);
    Some(reason.of_groups(worst.names.clone()))
}
