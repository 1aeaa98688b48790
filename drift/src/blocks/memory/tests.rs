use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::*;

fn series(phi: f64, n: usize, rng: &mut Pcg64Mcg) -> Vec<f64> {
    let mut x: f64 = StandardNormal.sample(rng);
    let mut next = || {
        let noise: f64 = StandardNormal.sample(rng);
        x = phi * x + (1.0 - phi * phi).sqrt() * noise;
        x
    };
    (0..n).map(|_| next()).collect()
}

fn memory(values: &[f64]) -> Memory {
    let mut memory = Memory::default();
    (0..).zip(values).for_each(|(index, value)| memory.push(index, *value).unwrap());
    memory
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} is not {expected} ± {within}");
}

#[test]
fn moments_are_those_of_the_definition_wherever_the_mean_lies() {
    let values = series(0.7, 200, &mut Pcg64Mcg::seed_from_u64(1));
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    for shift in [0.0, -3e6] {
        let shifted: Vec<f64> = values.iter().map(|x| x + shift).collect();
        let found = memory(&shifted).estimate().unwrap();
        close(found.variance, squares / n, 1e-6);
        close(found.phi, products / (n - 1.0) / (squares / n), 1e-6);
    }
}

#[test]
fn the_upper_ends_lie_above_the_truth_in_nine_of_ten_mirrors_and_not_far_above() {
    const RUNS: usize = 200;
    for (phi, n) in [(0.0, 240), (0.6, 240), (0.9, 480), (0.95, 900), (0.99, 60)] {
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        let found: Vec<Estimate> =
            (0..RUNS).map(|_| memory(&series(phi, n, &mut rng)).estimate().unwrap()).collect();
        let below = found.iter().filter(|one| one.upper_phi() < phi).count();
        assert!(below * 10 <= RUNS, "φ {phi}, {n} windows: {below} of {RUNS} upper ends lie below");
        if n < 100 {
            continue;
        }
        let narrow = found.iter().filter(|one| one.upper_deviation(one.upper_phi()).is_some_and(|d| d < 1.0));
        assert!(narrow.count() * 10 <= RUNS, "φ {phi}: the scatter");
        let mean = found.iter().map(|one| one.upper_phi()).sum::<f64>() / RUNS as f64;
        assert!(1.0 - mean > (1.0 - phi) / 1.8 && mean < 0.3 + 0.72 * phi, "φ {phi}, {n} windows: {mean}");
    }
}

#[test]
fn a_walk_is_never_excluded_by_a_short_mirror() {
    let walk: Vec<f64> = series(0.99, 30, &mut Pcg64Mcg::seed_from_u64(3));
    assert!(memory(&walk).estimate().unwrap().upper_phi() > 0.99);
}

#[test]
fn missing_windows_are_no_neighbors() {
    let whole = series(0.8, 4000, &mut Pcg64Mcg::seed_from_u64(1));
    let mut gaps = Memory::default();
    for (index, value) in (0..).zip(&whole).filter(|(index, _)| index % 5 != 0) {
        gaps.push(index, *value).unwrap();
    }
    close(gaps.estimate().unwrap().likely_phi(), 0.8, 0.05);
    let mut lonely = Memory::default();
    (0..500).for_each(|index| lonely.push(2 * index, index as f64).unwrap());
    assert_eq!(lonely.estimate(), None);
}

#[test]
fn what_never_varies_has_neither_memory_nor_scatter() {
    let still = memory(&[0.3; 60]).estimate().unwrap();
    assert_eq!((still.phi, still.variance, still.upper_deviation(still.upper_phi())), (0.0, 0.0, Some(0.0)));
    assert_eq!(memory(&[0.3; 29]).estimate(), None, "too little");
}

#[test]
fn a_pool_is_the_mean_of_its_sequences_and_no_surer_than_one() {
    let of = |windows, phi| Estimate { windows, phi, variance: 1.0 };
    let pool = Estimate::pooled([of(100.0, 0.2), of(300.0, 0.6)].into_iter()).unwrap();
    close(pool.phi, 0.5, 1e-12);
    close(pool.windows, 250.0, 1e-9);
    assert_eq!(Estimate::pooled(std::iter::empty()), None);
    assert!(of(240.0, 0.95).exceeds(0.6) && !of(240.0, 0.7).exceeds(0.6));
}

#[test]
fn a_window_out_of_order_or_without_a_number_changes_nothing() {
    let mut memory = memory(&[1.0, 2.0]);
    assert!(matches!(memory.push(1, 1.0), Err(BlockError::NotLater { .. })));
    assert!(matches!(memory.push(2, f64::NAN), Err(BlockError::NotFinite { .. })));
    assert_eq!(memory.windows(), 2);
}

proptest! {
    #[test]
    fn any_numbers_are_an_estimate_or_none(values in proptest::collection::vec(any::<f64>(), 30..60)) {
        let mut memory = Memory::default();
        for (index, value) in (0..).zip(&values) {
            let _ = memory.push(index, *value);
        }
        if let Some(estimate) = memory.estimate() {
            let upper = estimate.upper_phi();
            prop_assert!((0.0..=1.0).contains(&upper));
            prop_assert!(estimate.upper_deviation(upper).is_none_or(|d| d.is_finite() && d >= 0.0));
        }
    }
}
