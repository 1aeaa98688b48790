//! Fates of the baseline's series, one each, by what both variants made of the same input points.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, Made};
use super::series::Series;

/// One fate, in the order in which they count: the first that was ever seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Several other series, none of them the same.
    Split,
    /// Another series, with more than attributes gone.
    Renamed,
    /// A series of several of the baseline's.
    Merged,
    /// The same but for attributes that are gone.
    Fewer,
    /// The same.
    AsItIs,
    /// Nothing.
    Lost,
}

/// Part of a series that differs, by its key in a report.
pub type Part = &'static str;

/// One series of the baseline.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its fate.
    pub fate: Fate,
    /// Parts that differ.
    pub parts: BTreeSet<Part>,
    /// Attributes that are gone.
    pub gone: BTreeSet<String>,
    /// Attributes that have another value.
    pub rewritten: BTreeSet<String>,
    /// True if nothing else differs.
    pub only_fewer: bool,
}

impl Told {
    /// A fate in which no part differs.
    fn nothing(fate: Fate) -> Self {
        Self {
            fate,
            parts: BTreeSet::new(),
            gone: BTreeSet::new(),
            rewritten: BTreeSet::new(),
            only_fewer: true,
        }
    }
}

/// All fates.
#[derive(Clone, Debug, Default)]
pub struct Fates {
    /// By series of the baseline.
    pub of: BTreeMap<Series, Told>,
    /// Series that the merged ones become.
    pub merged_into: BTreeSet<Series>,
}

/// Descendants of one input point, by variant.
type Descendants<'a> = [Vec<&'a Made>; 2];

/// Difference of two series: its fate if there is no other, its parts, and attributes that are gone.
#[must_use]
pub fn difference(from: &Series, to: &Series) -> Told {
    if from == to {
        return Told::nothing(Fate::AsItIs);
    }
    let sets = [
        (&from.resource, &to.resource, "resource"),
        (&from.scope.attributes, &to.scope.attributes, "scope"),
        (&from.attributes, &to.attributes, "attributes"),
    ];
    let same_names = (&from.scope.name, &from.scope.version) == (&to.scope.name, &to.scope.version);
    let others = [
        (from.metric != to.metric, "name"),
        (from.unit != to.unit, "unit"),
        (from.kind != to.kind, "type"),
        (!same_names, "scope"),
    ];
    let mut parts: BTreeSet<Part> =
        others.iter().filter(|(differs, _)| *differs).map(|(_, part)| *part).collect();
    let only_fewer = parts.is_empty() && sets.iter().all(|(from, to, _)| to.is_part_of(from));
    parts.extend(sets.iter().filter(|(from, to, _)| from != to).map(|(.., part)| *part));
    let names = |beyond: fn([&super::attributes::Attributes; 2]) -> BTreeSet<String>| -> BTreeSet<String> {
        sets.iter().flat_map(|(from, to, _)| beyond([from, to])).collect()
    };
    let gone = names(|[from, to]| from.names_beyond(to).map(str::to_owned).collect());
    // What has moved from one place to another is still there.
    let new = names(|[from, to]| to.names_beyond(from).map(str::to_owned).collect());
    let gone = gone.difference(&new).cloned().collect();
    let mut rewritten = names(|[from, to]| from.names_of_others(to).map(str::to_owned).collect());
    // What moves to another place may get another value on the way.
    for (from, to, _) in &sets {
        for name in from.names_beyond(to) {
            let mut others = sets.iter().filter(|(from, _, _)| !from.0.contains_key(name));
            let mut arrives = others.by_ref().filter_map(|(_, to, _)| to.0.get(name)).peekable();
            let has_come = arrives.peek().is_some();
            if has_come && !arrives.any(|value| Some(value) == from.0.get(name)) {
                rewritten.insert(name.to_owned());
            }
        }
    }
    Told { fate: if only_fewer { Fate::Fewer } else { Fate::Renamed }, parts, gone, rewritten, only_fewer }
}

impl Fates {
    /// Fates in what a history holds.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut points: BTreeMap<&Series, Vec<(usize, usize)>> = BTreeMap::new();
        for of in history.made[0].iter().flat_map(|made| &made.of) {
            points.entry(&history.input(*of).series).or_default().push(*of);
        }
        let mut descendants: BTreeMap<(usize, usize), Descendants<'_>> = BTreeMap::new();
        for at in [0, 1] {
            for made in &history.made[at] {
                // A flush stands for all that came of its series, also where it was made of a point before the stretch.
                let held = made.batch.is_none();
                let series = made.of.iter().map(|of| &*history.input(*of).series);
                let all = series.filter_map(|series| points.get(series)).flatten().filter(|_| held);
                let of: BTreeSet<(usize, usize)> = made.of.iter().chain(all).copied().collect();
                for of in of {
                    descendants.entry(of).or_default()[at].push(made);
                }
            }
        }
        let mut all = Self::default();
        // Others that a series became, over the whole stretch.
        let mut others: BTreeMap<Series, BTreeSet<Series>> = BTreeMap::new();
        for baseline in &history.made[0] {
            let mine = &*baseline.point.series;
            all.note(mine, Told::nothing(Fate::Lost));
            let theirs = baseline.of.iter().filter_map(|of| descendants.get(of)).flat_map(|of| &of[1]);
            let (mut same, mut apart) = (false, BTreeSet::new());
            for candidate in theirs {
                let into = &*candidate.point.series;
                let ancestors = candidate.of.iter().filter_map(|of| descendants.get(of));
                let series: BTreeSet<&Series> =
                    ancestors.flat_map(|of| &of[0]).map(|made| &*made.point.series).collect();
                if series.len() > 1 && candidate.merged {
                    let told = difference(mine, into);
                    all.note(mine, Told { fate: Fate::Merged, ..told });
                    all.merged_into.insert(into.clone());
                } else if into == mine {
                    same = true;
                } else {
                    apart.insert(into.clone());
                }
            }
            if same {
                all.note(mine, difference(mine, mine));
            } else {
                apart.iter().for_each(|into| all.note(mine, difference(mine, into)));
                others.entry(mine.clone()).or_default().extend(apart);
            }
        }
        for (series, _) in others.into_iter().filter(|(_, others)| others.len() > 1) {
            all.of.entry(series).and_modify(|told| told.fate = Fate::Split);
        }
        all
    }

    fn note(&mut self, series: &Series, told: Told) {
        let known = self.of.entry(series.clone()).or_insert_with(|| told.clone());
        known.fate = known.fate.min(told.fate);
        known.parts.extend(told.parts);
        known.gone.extend(told.gone);
        known.rewritten.extend(told.rewritten);
        known.only_fewer &= told.only_fewer;
    }

    /// Number of series with a fate, of a metric or of all.
    #[must_use]
    pub fn count(&self, fate: Fate, metric: Option<&str>) -> u64 {
        let of = self.of.iter().filter(|(series, _)| metric.is_none_or(|metric| series.metric == metric));
        of.filter(|(_, told)| told.fate == fate).count() as u64
    }
}
