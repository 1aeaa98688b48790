//! Numbers that describe the metrics under panels: of each series and window its value or its increase, if a point came.
//!
//! A report tells quantiles and distances of bins that are 4 % wide, each of which stands for what is in it. Here the bins
//! are filled anew from the numbers, and beside them the numbers themselves tell how far a report may be off.

use std::collections::BTreeMap;

use super::history::{History, Made, Window};
use super::panel::fits;
use super::plan::{Figure, Lens};
use super::series::Series;
use super::track::Track;

/// Ratio of the ends of a bin.
const GAMMA: f64 = 1.02 / 0.98;
/// Magnitudes up to this count as 0.
const SMALLEST: f64 = 1e-9;
/// Quantiles of χ² at 95 %, by degrees of freedom from 1 on (Abramowitz & Stegun, table 26.8).
const CHI_SQUARED: [f64; 9] = [
    3.841_458_820_694,
    5.991_464_547_108,
    7.814_727_903_251,
    9.487_729_036_781,
    11.070_497_693_516,
    12.591_587_243_744,
    14.067_140_449_340,
    15.507_313_055_865,
    16.918_977_604_620,
];

/// Numbers of a metric, baseline and candidate.
pub type Numbers = [Vec<f64>; 2];

/// Numbers in these windows, by the place of the first panel that the series of a metric enter.
#[must_use]
pub fn described(history: &History, lenses: &[Lens<'_>], judged: &[Window]) -> BTreeMap<usize, Numbers> {
    let mut all: BTreeMap<usize, Numbers> = BTreeMap::new();
    for (at, made) in history.made.iter().enumerate() {
        let mut tracks: BTreeMap<&Series, Vec<&Made>> = BTreeMap::new();
        made.iter().for_each(|made| tracks.entry(&made.point.series).or_default().push(made));
        for (series, points) in tracks {
            let enters = |lens: &Lens<'_>| lens.metric == series.metric && fits(lens.function, series.kind);
            let Some(first) = lenses.iter().position(enters) else { continue };
            let track = Track { points, figure: Figure::Count, before: false };
            let of = |window: &Window| track.described([window.start, window.end], history.since);
            all.entry(first).or_default()[at].extend(judged.iter().filter_map(of));
        }
    }
    all.retain(|_, numbers| numbers.iter().any(|of| !of.is_empty()));
    all
}

/// Bins of numbers, ascending: what each stands for, and how many are in it.
#[derive(Clone, Debug)]
pub struct Bins(Vec<(f64, u64)>);

impl Bins {
    /// Of numbers; nothing of none.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let least = numbers.iter().copied().reduce(f64::min)?;
        let most = numbers.iter().copied().reduce(f64::max)?;
        let mut bins: BTreeMap<(i8, i64), u64> = BTreeMap::new();
        for number in numbers {
            let sign = if number.abs() <= SMALLEST { 0 } else { number.signum() as i8 };
            let key = if sign == 0 { 0 } else { (number.abs().ln() / GAMMA.ln()).floor() as i64 };
            *bins.entry((sign, i64::from(sign) * key)).or_default() += 1;
        }
        let stands_for = |(sign, key): (i8, i64)| {
            let size = ((i64::from(sign) * key) as f64 * GAMMA.ln()).exp() * (2.0 * GAMMA / (1.0 + GAMMA));
            (f64::from(sign) * size).clamp(least, most)
        };
        Some(Self(bins.into_iter().map(|(bin, count)| (stands_for(bin), count)).collect()))
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Number of those below a value, or up to it.
    fn below(&self, value: f64, up_to: bool) -> u64 {
        self.0.iter().filter(|(at, _)| *at < value || (up_to && *at == value)).map(|(_, count)| count).sum()
    }

    /// Share of those up to a value.
    fn share(&self, value: f64) -> f64 {
        self.below(value, true) as f64 / self.count() as f64
    }

    /// Value below which a share of them lies.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * (self.count() - 1) as f64) as u64;
        let over = |(at, _): &&(f64, u64)| self.below(*at, true) > rank;
        self.0.iter().find(over).map_or(f64::NAN, |(at, _)| *at)
    }

    /// Counts in ten parts that have as many of the baseline's: a value that ends several of them is a part alone.
    fn tenths(&self, other: &Self) -> Vec<[u64; 2]> {
        let mut edges: Vec<(f64, bool)> = Vec::new();
        for (at, _) in &self.0 {
            let tenths = |below: u64| (10 * below / self.count()).min(9);
            match tenths(self.below(*at, true)) - tenths(self.below(*at, false)) {
                0 => {}
                1 => edges.push((*at, true)),
                _ => edges.extend([(*at, false), (*at, true)]),
            }
        }
        let mut parts = Vec::new();
        let mut before = [0; 2];
        let ends = edges.into_iter().map(|(at, up_to)| [self, other].map(|of| of.below(at, up_to)));
        for below in ends.chain([[self.count(), other.count()]]) {
            parts.push([0, 1].map(|at| below[at] - before[at]));
            before = below;
        }
        parts
    }
}

/// Distances of a candidate's bins from a baseline's, by their keys in a report.
#[must_use]
pub fn distances(baseline: &Bins, candidate: &Bins) -> [(&'static str, f64); 5] {
    let mut values: Vec<f64> = baseline.0.iter().chain(&candidate.0).map(|(at, _)| *at).collect();
    values.sort_by(f64::total_cmp);
    let apart = |at: f64| (baseline.share(at) - candidate.share(at)).abs();
    let moved: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]) * apart(pair[0])).sum();
    let furthest = values.iter().map(|at| apart(*at)).fold(0.0, f64::max);
    let parts = baseline.tenths(candidate);
    let sizes = [baseline.count() as f64, candidate.count() as f64];
    let shares = |least: f64| {
        parts.iter().map(move |part| [0, 1].map(|at: usize| (part[at] as f64).max(least) / sizes[at]))
    };
    let index: f64 = shares(0.5).map(|[p, q]| (q - p) * (q / p).ln()).sum();
    let toward = |p: f64, q: f64| if p > 0.0 { p * (2.0 * p / (p + q)).ln() } else { 0.0 };
    let divergence: f64 = shares(0.0).map(|[p, q]| toward(p, q) + toward(q, p)).sum::<f64>() / 2.0;
    let freedom = parts.iter().filter(|part| part[0] > 0).count();
    let null = if freedom > 1 { CHI_SQUARED[freedom - 2] * (1.0 / sizes[0] + 1.0 / sizes[1]) } else { 0.0 };
    [
        ("wasserstein", moved),
        ("kolmogorov_smirnov", furthest),
        ("jensen_shannon", divergence.max(0.0).sqrt()),
        ("psi", index),
        ("psi_of_equals", null),
    ]
}

/// Number below which a share of these lies, and distance by which all have to be moved on average: of the numbers
/// themselves.
#[must_use]
pub fn quantile(numbers: &[f64], share: f64) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((share * sorted.len().saturating_sub(1) as f64) as usize).copied()
}
