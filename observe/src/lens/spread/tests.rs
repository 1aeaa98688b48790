//! Coverage of the intervals over many samples of populations of which everything is known.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_distr::{Distribution as _, LogNormal};
use rand_pcg::Pcg64Mcg;

use super::*;

/// Samples of each population.
const SAMPLES: u64 = 300;
/// Entities of a population.
const ENTITIES: usize = 2_000;

/// A population: what each entity has in both variants.
type Entities = Vec<[f64; 2]>;

/// Entities with weights of this scatter (of their logarithm); `change` makes the candidate's figure of a baseline's.
fn population(scatter: f64, change: impl Fn(f64, &mut Pcg64Mcg) -> f64) -> Entities {
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let weights = LogNormal::new(0.0, scatter).expect("a scatter");
    let entity = |_| {
        let baseline = weights.sample(&mut random);
        [baseline, change(baseline, &mut random)]
    };
    (0..ENTITIES).map(entity).collect()
}

/// Populations by name: light and heavy tails, and changes of all, of some and of the large.
fn populations() -> Vec<(&'static str, Entities)> {
    vec![
        ("all by a hundredth", population(1.0, |b, _| 1.01 * b)),
        ("each by another share", population(1.0, |b, random| b * random.random_range(0.9..1.2))),
        ("half are lost", population(1.0, |b, random| if random.random_bool(0.5) { 0.0 } else { b })),
        ("one in fifty is lost", population(1.5, |b, random| if random.random_bool(0.02) { 0.0 } else { b })),
        ("the large are lost", population(1.5, |b, _| if b > 6.0 { 0.0 } else { b })),
        ("the large are doubled", population(2.0, |b, _| if b > 10.0 { 2.0 * b } else { b })),
        ("heavy, each by another share", population(2.5, |b, random| b * random.random_range(0.5..1.4))),
        (
            "one in a hundred is tenfold",
            population(0.5, |b, random| if random.random_bool(0.01) { 10.0 * b } else { b }),
        ),
        (
            "heavy, half are halved",
            population(2.5, |b, random| if random.random_bool(0.5) { 0.5 * b } else { b }),
        ),
    ]
}

fn truth(entities: &Entities) -> f64 {
    let [baseline, candidate] = [0, 1].map(|at| entities.iter().map(|of| of[at]).sum::<f64>());
    (candidate - baseline) / baseline
}

/// Sample of one entity in so many, over so many stretches in each of which an entity has a part of its figures.
fn sample(entities: &Entities, one_in: u32, stretches: u32, seed: u64) -> Option<Sampled> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let followed: Entities = entities.iter().filter(|_| random.random_ratio(1, one_in)).copied().collect();
    let mut all = Spread::default();
    for _ in 0..stretches {
        let part = followed.iter().map(|of| of.map(|figure| figure / f64::from(stretches)));
        all.merge(&Spread::of(part, f64::from(one_in)));
    }
    all.read()
}

/// Tells whether a sample of one in so many need not have any of the entities that change, at 95 %: it tells of their share that
/// it may be unseen, and not how far off they are.
fn may_be_unseen(entities: &Entities, one_in: u32) -> bool {
    let changed = entities.iter().filter(|[b, c]| b != c).count() as f64 / entities.len() as f64;
    let followed = entities.len() as f64 / f64::from(one_in);
    let sample = crate::Sample { one_in, entities: followed, ..crate::Sample::default() };
    changed <= sample.most_beside()
}

#[test]
fn intervals_cover_the_figure_of_all_in_95_of_100_samples() {
    for (name, entities) in populations() {
        let truth = truth(&entities);
        let shares = [(2, 1), (8, 1), (8, 6), (32, 1)].into_iter();
        for (one_in, stretches) in shares.filter(|(one_in, _)| !may_be_unseen(&entities, *one_in)) {
            let covers = |seed: &u64| {
                let interval = sample(&entities, one_in, stretches, *seed).map(|of| of.interval(1));
                interval.is_some_and(|[least, most]| (least - 1e-9..=most + 1e-9).contains(&truth))
            };
            let covered = (0..SAMPLES).filter(covers).count() as f64 / SAMPLES as f64;
            assert!(covered >= 0.95, "{name}, 1 in {one_in}, {stretches} stretches: {covered}");
        }
    }
}

#[test]
fn of_a_thousand_entities_intervals_are_narrow_enough_to_decide() {
    let width = |name: &str| {
        let populations = populations();
        let (_, entities) = populations.iter().find(|(of, _)| *of == name).expect("a population");
        let [least, most] = sample(entities, 2, 1, 3).expect("a sample").interval(1);
        most - least
    };
    assert!(width("all by a hundredth") < 0.008, "{}", width("all by a hundredth"));
    assert!(width("each by another share") < 0.06, "{}", width("each by another share"));
    assert!(width("half are lost") < 0.4, "{}", width("half are lost"));
}

#[test]
fn what_is_past_a_limit_is_within_it_in_no_more_than_5_of_100_samples_unless_few_have_it() {
    for (name, entities) in populations() {
        let truth = truth(&entities).abs();
        let limits = [(0.5, 4), (0.9, 4), (0.99, 16)].into_iter();
        for (share, one_in) in limits.filter(|(_, one_in)| !may_be_unseen(&entities, *one_in)) {
            let limit = share * truth;
            let is_met = |seed: &u64| {
                let of = sample(&entities, one_in, 1, *seed).expect("a sample");
                of.interval(1).iter().all(|end| end.abs() <= limit)
            };
            let met = (0..SAMPLES).filter(is_met).count() as f64 / SAMPLES as f64;
            assert!(met <= 0.05, "{name}, a limit of {share} of what is so: {met} are met");
            let is_past = |seed: &u64| {
                let of = sample(&entities, one_in, 1, *seed).expect("a sample");
                let [least, most] = of.surely(1);
                least > 1.1 * truth || most < -1.1 * truth
            };
            let past = (0..SAMPLES).filter(is_past).count() as f64 / SAMPLES as f64;
            assert!(past <= 0.05, "{name}: {past} are past a limit that is kept");
        }
    }
}

#[test]
fn of_a_hundred_groups_that_keep_a_limit_one_is_past_it_in_no_more_than_5_of_100_samples() {
    let entities = population(1.0, |b, random| b * random.random_range(0.8..1.2));
    let groups: Vec<Entities> = entities.chunks(30).map(<[_]>::to_vec).collect();
    let limit = groups.iter().map(|of| truth(of).abs()).fold(0.0, f64::max);
    let is_past = |seed: &u64| {
        let of = |(at, group)| sample(group, 4, 1, 1_000 * seed + at);
        let all = (0..).zip(&groups).filter_map(of).map(|of| of.surely(groups.len() as u64));
        all.into_iter().any(|[least, most]| least > limit || most < -limit)
    };
    let past = (0..SAMPLES / 4).filter(is_past).count() as f64 / (SAMPLES / 4) as f64;
    assert!(past <= 0.05, "{past}");
}

#[test]
fn a_small_group_that_is_lost_in_part_is_not_past_a_limit_by_the_few_that_are_followed() {
    let limit = 0.5;
    for size in [2, 5, 10, 30, 100] {
        let group: Entities = (0..size).map(|at| [1.0, if 10 * at < 4 * size { 0.0 } else { 1.0 }]).collect();
        assert!(truth(&group) >= -limit);
        let is_past = |seed: &u64| sample(&group, 4, 1, *seed).is_some_and(|of| of.surely(1)[1] < -limit);
        let past = (0..SAMPLES).filter(is_past).count() as f64 / SAMPLES as f64;
        assert!(past <= 0.05, "{size}: {past}");
    }
    let lost: Entities = (0..200).map(|at| [1.0 + f64::from(at % 7), 0.0]).collect();
    let of = sample(&lost, 4, 1, 1).expect("a sample");
    assert_eq!(of.interval(1), [-1.0; 2], "what all of them do is what all like them do");
    assert!(of.surely(100)[1] < -limit, "and of fifty all is enough: {:?}", of.surely(100));
}

#[test]
fn of_nobody_nothing_is_known_and_of_what_has_nothing_all() {
    assert_eq!(Spread::of([], 8.0).read(), None);
    let alone = |entity: [f64; 2]| Spread::of([entity], 8.0).read().expect("a figure").interval(1);
    assert_eq!(alone([5.0, 5.0]), [0.0; 2], "what none of them has is another matter");
    assert_eq!(alone([0.0, 0.0]), [0.0; 2]);
    assert_eq!(alone([5.0, 4.0]), [f64::NEG_INFINITY, f64::INFINITY], "one tells nothing of the others");
    assert_eq!(alone([0.0, 4.0]), [f64::NEG_INFINITY, f64::INFINITY]);
    let rounded = 0.1 + 0.2;
    assert_eq!(alone([rounded, 0.3]), [0.0; 2], "rounding is no difference");
}

#[test]
fn what_was_followed_whole_is_exact_and_hosts_add_up() {
    let [mut baseline, mut candidate] = [Sum::default(); 2];
    baseline.add(100.0);
    candidate.add(98.0);
    let whole = Spread::of_all([baseline, candidate]).read().expect("figures");
    assert_eq!(whole, Sampled::exact(100.0, 98.0));
    let [least, most] = whole.interval(1);
    assert!((least + 0.02).abs() < 1e-12 && least == most);
    let both = whole.beside(&Sampled::exact(100.0, 100.0));
    assert!((both.error() + 0.01).abs() < 1e-12);
    assert_eq!(whole.per(4.0).sums, [25.0, 24.5]);
    assert_eq!(whole.per(0.0), whole);
}

proptest! {
    #[test]
    fn stretches_add_up_in_any_order_and_never_to_less_than_is_so(
        parts in proptest::collection::vec(proptest::collection::vec((0.0..9.0_f64, 0.0..9.0_f64), 5), 1..6),
    ) {
        let of = |stretch: &Vec<(f64, f64)>| Spread::of(stretch.iter().map(|(b, c)| [*b, *c]), 4.0);
        let (mut straight, mut backward) = (Spread::default(), Spread::default());
        parts.iter().for_each(|part| straight.merge(&of(part)));
        parts.iter().rev().for_each(|part| backward.merge(&of(part)));
        let (one, other) = (straight.read().expect("figures"), backward.read().expect("figures"));
        prop_assert!((one.difference.norm - other.difference.norm).abs() < 1e-9);
        prop_assert_eq!(one.sums, other.sums);
        // The same entities over the whole stretch at once.
        let at = |entity: usize| {
            let both = parts.iter().map(|part| part[entity]);
            both.fold([0.0; 2], |[b, c], (more, other)| [b + more, c + other])
        };
        let whole = Spread::of((0..5).map(at), 4.0).read().expect("figures");
        prop_assert!(whole.difference.norm <= one.difference.norm + 1e-9);
        prop_assert!(whole.difference.most <= one.difference.most + 1e-9);
        prop_assert!(whole.baseline.norm <= one.baseline.norm + 1e-9);
    }
}
