//! Coverage of means, counts and extremes over many samples of populations of which everything is known.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, LogNormal};
use rand_pcg::Pcg64Mcg;

use super::super::spread::Spread;
use super::super::spreads::{Ratios, Spreads};
use super::super::sum::Sum;
use crate::lens::{LensError, LensFunction};

/// Samples of each population.
const SAMPLES: u64 = 200;
/// Entities of a population.
const ENTITIES: usize = 1_000;

/// An entity: its values and its series, baseline and candidate.
type Entity = ([f64; 2], [f64; 2]);

/// Entities with values of this scatter (of their logarithm), of one to three series; `change` makes the candidate's value of a
/// baseline's, or none.
fn population(scatter: f64, change: impl Fn(f64, &mut Pcg64Mcg) -> Option<f64>) -> Vec<Entity> {
    let mut random = Pcg64Mcg::seed_from_u64(11);
    let weights = LogNormal::new(0.0, scatter).expect("a scatter");
    let entity = |_| {
        let baseline = weights.sample(&mut random);
        let series = f64::from(random.random_range(1..=3_u8));
        let candidate = change(baseline, &mut random);
        ([baseline, candidate.unwrap_or(0.0)], [series, if candidate.is_some() { series } else { 0.0 }])
    };
    (0..ENTITIES).map(entity).collect()
}

fn populations() -> Vec<(&'static str, Vec<Entity>)> {
    vec![
        ("all by a hundredth", population(1.0, |b, _| Some(1.01 * b))),
        ("each by another share", population(1.0, |b, random| Some(b * random.random_range(0.9..1.2)))),
        ("half are lost", population(1.0, |b, random| random.random_bool(0.5).then_some(b))),
        ("the large are lost", population(1.5, |b, _| (b <= 6.0).then_some(b))),
        ("the small are lost", population(1.0, |b, _| (b > 0.7).then_some(b))),
        ("the large are doubled", population(2.0, |b, _| Some(if b > 10.0 { 2.0 * b } else { b }))),
        (
            "heavy, each by another share",
            population(2.5, |b, random| Some(b * random.random_range(0.5..1.4))),
        ),
    ]
}

/// Relative error of a function over all entities.
fn truth(of: &[Entity], function: LensFunction) -> f64 {
    let sum = |at: usize| of.iter().map(|(values, _)| values[at]).sum::<f64>();
    let series = |at: usize| of.iter().map(|(_, series)| series[at]).sum::<f64>();
    let there = |at: usize| of.iter().filter(move |(_, series)| series[at] > 0.0);
    let [baseline, candidate] = [0, 1].map(|at| match function {
        LensFunction::Avg => sum(at) / series(at),
        LensFunction::Count => there(at).count() as f64,
        LensFunction::Min => there(at).map(|(values, _)| values[at]).fold(f64::INFINITY, f64::min),
        _ => there(at).map(|(values, _)| values[at]).fold(0.0, f64::max),
    });
    (candidate - baseline) / baseline
}

/// What a sample of one entity in so many tells, over stretches in each of which an entity shows the same.
fn sample(of: &[Entity], function: LensFunction, one_in: u32, stretches: u32, seed: u64) -> LensError {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let followed: Vec<Entity> = of.iter().filter(|_| random.random_ratio(1, one_in)).copied().collect();
    let mut all = Spreads::default();
    for _ in 0..stretches {
        let spread = |of: fn(&Entity) -> [f64; 2]| Spread::of(followed.iter().map(of), f64::from(one_in));
        let mut one = Spreads { members: spread(|(_, series)| *series), ..Spreads::default() };
        one.values = match function {
            LensFunction::Count => {
                spread(|(_, series)| series.map(|number| f64::from(u8::from(number > 0.0))))
            }
            _ => spread(|(values, _)| *values),
        };
        for (values, series) in &followed {
            let shown = [0, 1].map(|at| (series[at] > 0.0).then_some(values[at]));
            one.ratios.merge(Ratios::of(function, shown));
        }
        all.merge(&one);
    }
    let told = all.read(function, false);
    LensError {
        sampled: told.map(|of| of.0),
        divisor: told.and_then(|of| of.1),
        ratios: all.read_ratios().filter(|_| function.is_of_one()),
        shown: [1; 2],
        instants: 1,
        ..LensError::default()
    }
}

/// Tells whether a sample of one in so many need not have any of these entities, at 95 %.
fn may_be_unseen(of: &[Entity], one_in: u32, which: impl Fn(&Entity) -> bool) -> bool {
    let share = of.iter().filter(|one| which(one)).count() as f64 / of.len() as f64;
    let followed = of.len() as f64 / f64::from(one_in);
    let sample = crate::Sample { one_in, entities: followed, ..crate::Sample::default() };
    share <= sample.most_beside()
}

fn changes(([b, c], [n, m]): &Entity) -> bool {
    b != c || n != m
}

#[test]
fn of_means_and_counts_intervals_cover_the_figure_of_all_in_95_of_100_samples() {
    for (name, entities) in populations() {
        for function in [LensFunction::Avg, LensFunction::Count] {
            let truth = truth(&entities, function);
            let shares = [(2, 1), (8, 6), (16, 1)].into_iter();
            for (one_in, stretches) in
                shares.filter(|(one_in, _)| !may_be_unseen(&entities, *one_in, changes))
            {
                let covers = |seed: &u64| {
                    let of = sample(&entities, function, one_in, stretches, *seed).interval(1);
                    of.is_some_and(|[least, most]| (least - 1e-9..=most + 1e-9).contains(&truth))
                };
                let covered = (0..SAMPLES).filter(covers).count() as f64 / SAMPLES as f64;
                assert!(covered >= 0.95, "{name}, {function:?}, 1 in {one_in}, {stretches}: {covered}");
            }
        }
    }
}

#[test]
fn a_limit_on_a_mean_or_a_count_is_falsely_met_or_violated_in_no_more_than_5_of_100_samples() {
    for (name, entities) in populations() {
        for function in [LensFunction::Avg, LensFunction::Count] {
            let truth = truth(&entities, function).abs();
            let shares = [0.5, 0.9, 0.99].into_iter();
            for share in shares.filter(|_| truth > 0.0 && !may_be_unseen(&entities, 4, changes)) {
                let all: Vec<LensError> =
                    (0..SAMPLES).map(|seed| sample(&entities, function, 4, 1, seed)).collect();
                let within = |of: &&LensError| {
                    of.interval(1).is_some_and(|ends| ends.iter().all(|end| end.abs() <= share * truth))
                };
                let met = all.iter().filter(within).count() as f64 / SAMPLES as f64;
                assert!(met <= 0.05, "{name}, {function:?}, a limit of {share} of what is so: {met} are met");
                let past = |of: &&LensError| {
                    let [least, most] = of.surely(1).expect("an interval");
                    least > 1.1 * truth || most < -1.1 * truth
                };
                let violated = all.iter().filter(past).count() as f64 / SAMPLES as f64;
                assert!(violated <= 0.05, "{name}, {function:?}: {violated} are past a limit that is kept");
            }
        }
    }
}

#[test]
fn a_mean_that_moves_by_much_is_told_by_five_hundred_entities() {
    let entities = population(1.0, |b, _| Some(1.5 * b));
    let of = sample(&entities, LensFunction::Avg, 2, 1, 5);
    let [least, most] = of.surely(1).expect("an interval");
    assert!(least > 0.2 && most < 0.8, "{least} to {most}");
    assert!((of.estimate() - 0.5).abs() < 1e-9);
    let same = population(1.0, |b, _| Some(b));
    assert_eq!(sample(&same, LensFunction::Avg, 8, 3, 5).interval(1), Some([0.0; 2]));
    let below = LensError {
        sampled: Some(crate::Sampled::exact(-10.0, -5.0)),
        divisor: Some(crate::Sampled::exact(5.0, 5.0)),
        ..of
    };
    assert_eq!(below.interval(1), Some([0.5; 2]), "a mean of -2 that becomes -1 rises by half");
}

/// A limit on an extreme is met in a sample only where few entities are past it, and never violated.
#[test]
fn a_limit_on_an_extreme_is_falsely_met_in_no_more_than_5_of_100_samples_and_never_past_for_sure() {
    for (name, entities) in populations() {
        for function in [LensFunction::Max, LensFunction::Min] {
            let truth = truth(&entities, function).abs();
            for (share, one_in) in [(0.5, 4), (0.9, 4), (0.99, 16)] {
                let limit = share * truth;
                let off = |([b, c], [_, m]): &Entity| *m == 0.0 || (c / b - 1.0).abs() > limit;
                if truth == 0.0 || may_be_unseen(&entities, one_in, off) {
                    continue;
                }
                let is_met = |seed: &u64| {
                    let of = sample(&entities, function, one_in, 1, *seed);
                    assert_eq!(of.surely(1), None);
                    of.interval(1).is_some_and(|ends| ends.iter().all(|end| end.abs() <= limit))
                };
                let met = (0..SAMPLES).filter(is_met).count() as f64 / SAMPLES as f64;
                assert!(met <= 0.05, "{name}, {function:?}, a limit of {share} of what is so: {met} are met");
            }
        }
    }
}

#[test]
fn of_an_extreme_the_error_lies_between_those_of_the_entities_whichever_has_it() {
    let mut told = 0;
    for (name, entities) in populations() {
        for function in [LensFunction::Max, LensFunction::Min] {
            let truth = truth(&entities, function);
            // Of all of them nothing is left out.
            if let Some([least, most]) = sample(&entities, function, 1, 2, 1).interval(1) {
                assert!((least - 1e-9..=most + 1e-9).contains(&truth), "{name}, {function:?}: {truth}");
                told += 1;
            }
        }
    }
    assert!(told > 8, "{told}");
    let of = |function, figures| Ratios::of(function, figures).read();
    assert_eq!(of(LensFunction::Max, [Some(-3.0), Some(-3.0)]), Some([1.0; 2]));
    assert_eq!(of(LensFunction::Max, [Some(-3.0), Some(-2.0)]), None, "below zero ratios turn around");
    assert_eq!(of(LensFunction::Max, [None, Some(2.0)]), None);
    assert_eq!(of(LensFunction::Max, [Some(2.0), None]), Some([0.0, 1.0]));
    assert_eq!(
        of(LensFunction::Min, [Some(2.0), None]),
        None,
        "the least of the others is anything above it"
    );
    assert_eq!(of(LensFunction::Max, [Some(0.0), Some(2.0)]), None);
}

#[test]
fn what_was_followed_whole_is_exact_and_what_is_of_several_entities_is_not_told() {
    let spread = |sums: [f64; 2]| Spread::of_all(sums.map(Sum::from));
    let mut all = Spreads { values: spread([10.0, 8.0]), members: spread([5.0, 5.0]), ..Spreads::default() };
    let (sum, number) = all.read(LensFunction::Avg, false).expect("a mean");
    assert_eq!((sum.sums, number.map(|of| of.sums)), ([10.0, 8.0], Some([5.0, 5.0])));
    assert_eq!(all.read(LensFunction::Max, false), None);
    all.merge(&Spreads { mixed: true, ..Spreads::default() });
    assert_eq!((all.read(LensFunction::Avg, false), all.read_ratios()), (None, None));
}
