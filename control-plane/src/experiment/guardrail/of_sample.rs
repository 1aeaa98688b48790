//! Lenses of a sample: between which figures those of all entities lie, and what follows for a limit.
//!
//! Within the limit is what is so with its whole interval, past it what is past it with its whole interval and whatever those are
//! that none of the sample is like. Intervals hold for all figures that are looked at together, so that one of many is not past
//! the limit by chance.

use observe::{Comparison, LensError, LensReport};

use super::{Guardrail, OfHost, Quantity, Scope};
use crate::experiment::words::unique;

/// What a sample of the entities tells of a lens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfSample {
    /// Error that the sample shows; the worst, where several are looked at.
    pub error: f64,
    /// Interval in which all errors that are past the margin lie, at 95 %; if none is, those that are looked at, of entities like
    /// those followed.
    pub interval: [f64; 2],
    /// True if all of it is within the margin; false where of something no interval is known.
    pub within: bool,
    /// True if the whole interval of something is past it.
    pub past: bool,
    /// Hosts of which something is.
    pub hosts: Vec<String>,
    /// Groups of which it is.
    pub groups: Vec<String>,
    /// Number of hosts that follow a sample.
    pub samples: usize,
    /// True of a maximum or a minimum, which one entity decides.
    pub is_of_one: bool,
}

/// One error: its host, its group, its estimate, and its intervals if they are known: of entities like those followed, and of all.
struct Found<'a> {
    host: &'a str,
    group: &'a str,
    error: f64,
    interval: Option<[f64; 2]>,
    surely: Option<[f64; 2]>,
}

impl<'a> Found<'a> {
    /// One of which all is known.
    fn exact(host: &'a str, error: f64) -> Self {
        Self { host, group: "", error, interval: Some([error; 2]), surely: Some([error; 2]) }
    }

    fn of_sample(host: &'a str, of: &'a LensError, figures: u64) -> Self {
        let error = of.estimate();
        Self { host, group: &of.group, error, interval: of.interval(figures), surely: of.surely(figures) }
    }
}

impl Guardrail {
    /// Finding where some host follows a sample; nothing where none does, and of quantities that are no lens's. It is looked at
    /// so often that one of the looks may be off by chance.
    pub(super) fn of_sample(&self, hosts: &[OfHost<'_>], looks: u64) -> Option<OfSample> {
        let reports: Vec<(&str, &Comparison, &LensReport)> = hosts
            .iter()
            .filter_map(|(host, found)| Some((*host, *found, self.lens_of(found)?)))
            .filter(|_| self.quantity.is_of_a_lens())
            .collect();
        let samples = reports.iter().filter(|(_, found, _)| found.sample.is_some()).count();
        if samples == 0 {
            return None;
        }
        let adds_up = reports.iter().all(|(.., lens)| lens.function.adds_up());
        let found = match (self.quantity, self.scope) {
            (Quantity::LensTotal, Scope::Fleet) if adds_up => vec![self.of_fleet(&reports, looks)],
            (Quantity::LensTotal, _) => {
                let figures = looks.saturating_mul(reports.len() as u64);
                reports.iter().map(|(host, found, lens)| of_total(host, found, lens, figures)).collect()
            }
            _ => {
                let groups = reports.iter().map(|(.., lens)| lens.groups.max(lens.named().count() as u64));
                let figures = looks.saturating_mul(groups.sum());
                reports
                    .iter()
                    .flat_map(|(host, found, lens)| self.of_groups(host, found, lens, figures))
                    .collect()
            }
        };
        let is_of_one = reports.iter().any(|(.., lens)| lens.function.is_of_one());
        (!found.is_empty()).then(|| OfSample { samples, is_of_one, ..self.held_against(&found) })
    }

    fn held_against(&self, found: &[Found<'_>]) -> OfSample {
        let past =
            |one: &&Found<'_>| one.surely.is_some_and(|interval| self.least_harm(interval) > self.margin);
        let within =
            |one: &Found<'_>| one.interval.is_some_and(|interval| self.most_harm(interval) <= self.margin);
        let all_past: Vec<&Found<'_>> = found.iter().filter(past).collect();
        let worst = found.iter().map(|one| one.error).max_by(|a, b| self.harm(*a).total_cmp(&self.harm(*b)));
        let known: Vec<[f64; 2]> = match all_past.as_slice() {
            [] => found.iter().filter_map(|one| one.interval).collect(),
            some => some.iter().filter_map(|one| one.surely).collect(),
        };
        let outer = known.into_iter().reduce(|all, one| [all[0].min(one[0]), all[1].max(one[1])]);
        OfSample {
            error: worst.unwrap_or_default(),
            interval: outer.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]),
            within: found.iter().all(within),
            past: !all_past.is_empty(),
            hosts: unique(all_past.iter().map(|one| one.host.to_owned()).filter(|host| !host.is_empty())),
            groups: unique(all_past.iter().map(|one| one.group.to_owned()).filter(|group| !group.is_empty())),
            ..OfSample::default()
        }
    }

    /// The most harm in an interval of errors.
    fn most_harm(&self, interval: [f64; 2]) -> f64 {
        interval.map(|end| self.harm(end)).into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The least.
    fn least_harm(&self, interval: [f64; 2]) -> f64 {
        let ends = interval.map(|end| self.harm(end));
        let around = interval[0] <= 0.0 && interval[1] >= 0.0;
        let least = ends[0].min(ends[1]);
        if around { least.min(0.0) } else { least }
    }

    /// Totals of all hosts, added up.
    fn of_fleet(&self, reports: &[(&str, &Comparison, &LensReport)], looks: u64) -> Found<'static> {
        let totals = reports.iter().map(|(_, found, lens)| lens.total_of_all(found.sample.is_some()));
        let added = totals.reduce(|all, one| {
            let (all, one) = (all?, one?);
            let sampled = all.sampled?.beside(&one.sampled?);
            Some(LensError {
                baseline: all.baseline + one.baseline,
                candidate: all.candidate + one.candidate,
                tolerance: all.tolerance + one.tolerance,
                sampled: Some(sampled),
                ..all
            })
        });
        let Some(added) = added.flatten() else {
            return Found { host: "", group: "", error: 0.0, interval: None, surely: None };
        };
        let of = Found::of_sample("", &added, looks);
        Found { host: "", group: "", error: of.error, interval: of.interval, surely: of.surely }
    }

    fn of_groups<'a>(
        &self,
        host: &'a str,
        found: &Comparison,
        lens: &'a LensReport,
        figures: u64,
    ) -> Vec<Found<'a>> {
        if found.sample.is_none() {
            return self.worst_group(lens).map(|error| Found::exact(host, error)).into_iter().collect();
        }
        let named = lens.named().map(|group| Found::of_sample(host, group, figures));
        let rest = (lens.unnamed.groups > 0).then(|| {
            let errors = lens.unnamed.errors.map_or([0.0; 2], endless);
            let worst = if self.harm(errors[0]) > self.harm(errors[1]) { errors[0] } else { errors[1] };
            // Whose the ends are is not known, so that none of them is past the limit for sure.
            Found { host, group: "", error: worst, interval: lens.unnamed.within.map(endless), surely: None }
        });
        named.chain(rest).collect()
    }
}

/// Ends of an interval, of which the largest number there is stands for an endless one.
fn endless(ends: [f64; 2]) -> [f64; 2] {
    ends.map(|end| if end.abs() == f64::MAX { f64::INFINITY.copysign(end) } else { end })
}

fn of_total<'a>(host: &'a str, found: &Comparison, lens: &'a LensReport, figures: u64) -> Found<'a> {
    match found.sample {
        Some(_) => Found::of_sample(host, &lens.total, figures),
        None => Found::exact(host, lens.total.error()),
    }
}
