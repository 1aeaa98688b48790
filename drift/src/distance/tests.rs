use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;
use statrs::distribution::{ContinuousCDF, Normal};

use super::deciles::stability;
use super::*;
use crate::Values;

fn of(samples: &[f64]) -> Distribution {
    Distribution::of_samples(samples).unwrap()
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} is not {expected} ± {within}");
}

/// Quantiles of N(shift, 1) at (i + ½)/n: what a sample of it would be without chance.
fn normal(shift: f64, n: usize) -> Vec<f64> {
    let normal = Normal::new(shift, 1.0).unwrap();
    (0..n).map(|i| normal.inverse_cdf((i as f64 + 0.5) / n as f64)).collect()
}

/// The mass of N(shift, 1) between cuts.
fn masses(shift: f64, cuts: &[f64]) -> Vec<f64> {
    let below = |x: f64| Normal::new(shift, 1.0).unwrap().cdf(x);
    let ends: Vec<f64> =
        [&[f64::NEG_INFINITY], cuts, &[f64::INFINITY]].concat().into_iter().map(below).collect();
    ends.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

struct Expected {
    shift: f64,
    ks: f64,
    w1: f64,
    js: f64,
    psi: f64,
}

const EXPECTED: [Expected; 2] = [
    Expected { shift: 0.1, ks: 0.03988, w1: 0.10, js: 0.03533, psi: 0.009_587 },
    Expected { shift: 0.5, ks: 0.19741, w1: 0.50, js: 0.17410, psi: 0.237_749 },
];

#[test]
fn shifted_normals_lie_as_far_apart_as_integration_says() {
    let tenths: Vec<f64> = (1..10).map(|i| Normal::standard().inverse_cdf(f64::from(i) / 10.0)).collect();
    let fine: Vec<f64> = (-8000..=8500).map(|i| f64::from(i) / 1000.0).collect();
    for Expected { shift, ks, w1, js, psi } in EXPECTED {
        close(jensen_shannon(&masses(0.0, &fine), &masses(shift, &fine)).unwrap(), js, 5e-6);
        close(stability(&masses(0.0, &tenths), &masses(shift, &tenths)), psi, 5e-7);
        let (baseline, candidate) = (of(&normal(0.0, 50_000)), of(&normal(shift, 50_000)));
        close(kolmogorov_smirnov(&baseline, &candidate), ks, 2.5e-5);
        close(wasserstein(&baseline, &candidate), w1, 1e-9);
        close(Deciles::new(&baseline, &candidate).psi(), psi, 2e-4);
    }
}

#[test]
fn a_sketch_is_as_far_away_as_its_values_within_its_accuracy() {
    let sketch = |shift: f64| {
        let mut values = Values::default();
        normal(shift, 20_000).iter().for_each(|value| values.add(value + 10.0).unwrap());
        Distribution::try_from(&values).unwrap()
    };
    for Expected { shift, ks, w1, psi, .. } in EXPECTED {
        let (baseline, candidate) = (sketch(0.0), sketch(shift));
        // Bins of 4 % of 10 are 0.4 standard deviations wide, with a tenth and a half of them moved on.
        close(wasserstein(&baseline, &candidate), w1, 0.03);
        close(kolmogorov_smirnov(&baseline, &candidate), ks, 0.02);
        close(Deciles::new(&baseline, &candidate).psi() / psi, 1.0, 0.35);
    }
    assert_eq!(Distribution::try_from(&Values::default()), Err(DistanceError::Empty));
}

#[test]
fn the_stability_of_equals_is_below_its_null_quantile_19_times_in_20() {
    for (n, expected, within) in [
        (100, 0.338, 5e-4),
        (200, 0.169, 5e-4),
        (500, 0.0677, 5e-5),
        (1000, 0.0338, 5e-5),
        (10_000, 0.0034, 5e-5),
    ] {
        let some = of(&(0..n).map(f64::from).collect::<Vec<_>>());
        close(Deciles::new(&some, &some).psi_null_95(), expected, within);
    }
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    let mut shares_above = |n: usize, runs: usize, cut: f64| {
        let mut draw = || {
            let samples: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(n).collect();
            of(&samples)
        };
        let all: Vec<Deciles> = (0..runs).map(|_| Deciles::new(&draw(), &draw())).collect();
        let above = |cut: &dyn Fn(&Deciles) -> f64| all.iter().filter(|d| d.psi() > cut(d)).count();
        [above(&Deciles::psi_null_95), above(&|_| cut)].map(|count| count as f64 / runs as f64)
    };
    let [_, customary] = shares_above(100, 6000, 0.1);
    close(customary, 0.85, 0.015);
    let [null, _] = shares_above(1000, 2000, 0.1);
    close(null, 0.05, 0.015);
}

#[test]
fn small_distributions_lie_apart_as_counted_on_paper() {
    let (a, b) = (of(&[1.0, 2.0, 3.0]), of(&[3.0, 2.0, 2.0, 5.0]));
    // F: 1/3 2/3 1 1, G: 0 1/2 3/4 1 at 1 2 3 5.
    close(kolmogorov_smirnov(&a, &b), 1.0 / 3.0, 1e-15);
    close(wasserstein(&a, &b), 1.0 / 3.0 + 1.0 / 6.0 + 2.0 * 0.25, 1e-15);
    // Halves of ½ ln 2 twice over the middle bin shared: p = (½ ½ 0), q = (0 ½ ½).
    let js = jensen_shannon(&[1.0, 1.0, 0.0], &[0.0, 2.0, 2.0]).unwrap();
    close(js, (0.5 * 2.0_f64.ln()).sqrt(), 1e-15);
    close(jensen_shannon(&[1.0, 0.0], &[0.0, 1.0]).unwrap(), 2.0_f64.ln().sqrt(), 1e-15);
}

#[test]
fn a_baseline_of_one_value_tells_what_came_below_from_what_came_above() {
    let still = of(&[5.0; 40]);
    let psi = |candidate: &[f64]| Deciles::new(&still, &of(candidate)).psi();
    assert_eq!(psi(&[5.0; 40]), 0.0);
    assert!(psi(&[4.0; 40]) > 5.0);
    close(psi(&[4.0; 40]), psi(&[6.0; 40]), 1e-12);
    assert_eq!(Deciles::new(&still, &still).psi_null_95(), 0.0, "it cannot differ by chance");
}

#[test]
fn what_is_no_distribution_is_an_error() {
    assert_eq!(Distribution::of_samples(&[]), Err(DistanceError::Empty));
    assert_eq!(Distribution::of_counts([(1.0, 0)]), Err(DistanceError::Empty));
    assert_eq!(Distribution::of_counts([(1.0, u64::MAX), (2.0, 9)]), Err(DistanceError::TooMany));
    let nan = Distribution::of_samples(&[1.0, f64::NAN]);
    assert!(matches!(nan, Err(DistanceError::NotANumber { index: 1, .. })));
    let bins = jensen_shannon(&[1.0], &[1.0, 2.0]);
    assert_eq!(bins, Err(DistanceError::Bins { baseline: 1, candidate: 2 }));
    assert!(matches!(jensen_shannon(&[-1.0], &[1.0]), Err(DistanceError::NotANumber { index: 0, .. })));
    assert_eq!(jensen_shannon(&[0.0], &[1.0]), Err(DistanceError::Empty));
}

proptest! {
    #[test]
    fn distances_are_symmetric_and_zero_only_between_equals(a in proptest::collection::vec(-9_i32..9, 1..30),
                                                            b in proptest::collection::vec(-9_i32..9, 1..30)) {
        let [a, b] = [a, b].map(|values| of(&values.into_iter().map(f64::from).collect::<Vec<_>>()));
        for distance in [kolmogorov_smirnov, wasserstein] {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &a), 0.0);
        }
        let shares = |d: &Distribution| d.points().iter().map(|p| (p.0, p.1 * 1_000_000 / d.count())).collect::<Vec<_>>();
        prop_assert_eq!(kolmogorov_smirnov(&a, &b) == 0.0, shares(&a) == shares(&b));
    }

    #[test]
    fn moving_everything_costs_exactly_that_far(a in proptest::collection::vec(-1e6_f64..1e6, 1..50), by in -1e6_f64..1e6) {
        let moved: Vec<f64> = a.iter().map(|value| value + by).collect();
        prop_assert!((wasserstein(&of(&a), &of(&moved)) - by.abs()).abs() < 1e-6);
    }

    #[test]
    fn no_values_give_a_distance_that_is_no_number(a in proptest::collection::vec(any::<f64>(), 1..20),
                                                   b in proptest::collection::vec(any::<f64>(), 1..20)) {
        let _ = jensen_shannon(&a, &b).map(|js| assert!((0.0..=0.8326).contains(&js)));
        let (a, b) = (Distribution::of_samples(&a), Distribution::of_samples(&b));
        if let (Ok(a), Ok(b)) = (a, b) {
            prop_assert!((0.0..=1.0).contains(&kolmogorov_smirnov(&a, &b)));
            prop_assert!(wasserstein(&a, &b) >= 0.0);
            let deciles = Deciles::new(&a, &b);
            prop_assert!(deciles.psi() >= -1e-12 && deciles.psi().is_finite());
            prop_assert!(deciles.psi_null_95().is_finite());
            prop_assert!((0.0..=0.8326).contains(&deciles.jensen_shannon()));
        }
    }
}
