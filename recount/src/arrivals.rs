//! Metrics that nobody asked a panel for: the fifty with most series get a total by owner, once all has come twice.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::life::interval;
use super::plan::Lens;
use super::series::Series;

/// The most of them.
const MOST: usize = 50;

/// Metrics that have such a panel, each with the time from which on.
pub type Chosen = BTreeMap<String, u64>;

/// Choice at the end of each window.
#[must_use]
pub fn chosen(history: &History, asked: &[Lens<'_>]) -> Chosen {
    let mut chosen = Chosen::new();
    let mut met: BTreeSet<&Series> = BTreeSet::new();
    let mut waiting: BTreeMap<&str, u64> = BTreeMap::new();
    for window in &history.windows {
        let inside = |time: u64| window.start <= time && time < window.end;
        let came = history.batches.iter().filter(|batch| inside(batch.between[0]));
        for series in came.flat_map(|batch| &batch.points).map(|point| &*point.series) {
            let is_asked = asked.iter().any(|lens| lens.metric == series.metric);
            if met.insert(series) && !is_asked && !chosen.contains_key(&series.metric) {
                *waiting.entry(&series.metric).or_default() += 1;
            }
        }
        let twice = interval(history, window.end).is_some_and(|one| window.end >= history.since + 2 * one);
        if twice && chosen.len() < MOST {
            let mut all: Vec<(&str, u64)> = std::mem::take(&mut waiting).into_iter().collect();
            all.sort_by_key(|(metric, series)| (std::cmp::Reverse(*series), *metric));
            all.truncate(MOST - chosen.len());
            chosen.extend(all.into_iter().map(|(metric, _)| (metric.to_owned(), window.end)));
        }
    }
    chosen
}

/// Metrics that came in before a time and are in no panel.
#[must_use]
pub fn unwatched<'a>(
    history: &'a History,
    (asked, chosen): (&[Lens<'_>], &Chosen),
    until: u64,
) -> BTreeSet<&'a str> {
    let came = history.batches.iter().filter(|batch| batch.between[0] < until);
    let metrics = came.flat_map(|batch| &batch.points).map(|point| point.series.metric.as_str());
    let is_watched =
        |metric: &str| chosen.contains_key(metric) || asked.iter().any(|lens| lens.metric == metric);
    metrics.filter(|metric| !is_watched(metric)).collect()
}
