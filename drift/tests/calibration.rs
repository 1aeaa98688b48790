//! A day looked at after every block, through the whole chain: windows → blocks → betting → fleet.
//!
//! One-minute windows of 20 hosts, AR(1) of deviation 1 each, lengths and clips estimated from a mirror step of
//! four hours before, φ pooled over the hosts. Seeded; small enough for every run of the tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::time::Duration;

use drift::{Alpha, Blocking, Blocks, Fleet, Side};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal, StudentT};
use rand_pcg::Pcg64Mcg;

const HOSTS: usize = 20;
const MIRROR: u64 = 240;
const DAY: u64 = 1440;
const MINUTE: Duration = Duration::from_secs(60);

/// What is new in every window, mean 0 and deviation 1.
#[derive(Clone, Copy, Debug)]
enum Noise {
    Gaussian,
    /// Student's t with 3 degrees of freedom, whose deviation is √3.
    HeavyTails,
    /// +0.1 at 95 %, −1.9 at 5 %: deviation √0.19.
    Skewed,
}

impl Noise {
    fn draw(self, rng: &mut Pcg64Mcg) -> f64 {
        match self {
            Self::Gaussian => StandardNormal.sample(rng),
            Self::HeavyTails => StudentT::new(3.0).unwrap().sample(rng) / 3.0_f64.sqrt(),
            Self::Skewed => {
                let rare = rng.random::<f64>() < 0.05;
                (if rare { -1.9 } else { 0.1 }) / 0.19_f64.sqrt()
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Scenario {
    noise: Noise,
    phi: f64,
    /// Added to the first so many hosts once the step has started.
    shift: f64,
    shifted: usize,
}

/// One window of every host after the other.
struct Hosts {
    scenario: Scenario,
    state: [f64; HOSTS],
    rng: Pcg64Mcg,
}

impl Hosts {
    fn new(scenario: Scenario, seed: u64) -> Self {
        let mut hosts = Self { scenario, state: [0.0; HOSTS], rng: Pcg64Mcg::seed_from_u64(seed) };
        for _ in 0..200 {
            hosts.next(false);
        }
        hosts
    }

    fn next(&mut self, shifted: bool) -> [f64; HOSTS] {
        let Scenario { noise, phi, shift, shifted: first } = self.scenario;
        for state in &mut self.state {
            *state = phi * *state + (1.0 - phi * phi).sqrt() * noise.draw(&mut self.rng);
        }
        let mut window = self.state;
        if shifted {
            window[..first].iter_mut().for_each(|value| *value += shift);
        }
        window
    }
}

fn mean(window: &[f64; HOSTS]) -> f64 {
    window.iter().sum::<f64>() / HOSTS as f64
}

/// The minute of the alarm, if there is one within a day.
fn run(scenario: Scenario, seed: u64) -> Option<u64> {
    let alpha = Alpha::new(0.05).unwrap();
    let mut hosts = Hosts::new(scenario, seed);
    let mirror: Vec<[f64; HOSTS]> = (0..MIRROR).map(|_| hosts.next(false)).collect();
    let estimate = |of: &dyn Fn(&[f64; HOSTS]) -> f64| {
        let windows: Vec<(u64, f64)> = (0..).zip(mirror.iter().map(of)).collect();
        Blocking::estimate(&windows, MINUTE).unwrap()
    };
    let alone: Vec<Blocking> = (0..HOSTS).map(|host| estimate(&|window| window[host])).collect();
    let phi = alone.iter().map(|blocking| blocking.phi).sum::<f64>() / HOSTS as f64;
    let pooled = |alone: &Blocking| Blocking::of(phi, alone.deviation, MINUTE).unwrap();
    let of_mean = pooled(&estimate(&mean));
    let of_hosts: Vec<Blocking> = alone.iter().map(pooled).collect();
    let weights = of_hosts.iter().enumerate().map(|(host, blocking)| (host, 1.0, blocking.clip));
    let mut fleet = Fleet::start(Side::Higher, of_mean.clip, weights).unwrap();
    let mut mean_blocks = Blocks::new(of_mean.windows, MIRROR);
    let mut host_blocks: Vec<Blocks> =
        of_hosts.iter().map(|blocking| Blocks::new(blocking.windows, MIRROR)).collect();
    for minute in MIRROR..MIRROR + DAY {
        let window = hosts.next(true);
        let mut looked = false;
        for (host, blocks) in host_blocks.iter_mut().enumerate() {
            if let Some(block) = blocks.push(minute, window[host]).unwrap() {
                fleet.observe_host(&host, block.mean).unwrap();
                looked = true;
            }
        }
        if let Some(block) = mean_blocks.push(minute, mean(&window)).unwrap() {
            fleet.observe_mean(block.mean).unwrap();
            looked = true;
        }
        if looked && fleet.rejects(alpha) {
            return Some(minute + 1 - MIRROR);
        }
    }
    None
}

#[test]
fn a_day_without_drift_hardly_ever_alarms_whatever_the_noise_and_its_memory() {
    const RUNS: u64 = 100;
    for noise in [Noise::Gaussian, Noise::HeavyTails, Noise::Skewed] {
        for phi in [0.0, 0.6, 0.9] {
            let scenario = Scenario { noise, phi, shift: 0.0, shifted: 0 };
            let alarms = (0..RUNS).filter(|seed| run(scenario, *seed).is_some()).count();
            assert!(
                alarms as f64 <= 0.05 * RUNS as f64,
                "{noise:?}, φ {phi}: {alarms} alarms in {RUNS} days"
            );
        }
    }
}

#[test]
fn a_small_shift_everywhere_and_one_broken_host_are_found_within_the_day() {
    const RUNS: u64 = 100;
    for (phi, shift, shifted, median) in
        [(0.6, 0.2, HOSTS, 390), (0.9, 0.2, HOSTS, 858), (0.6, 2.0, 1, 420), (0.9, 2.0, 1, 702)]
    {
        let scenario = Scenario { noise: Noise::Gaussian, phi, shift, shifted };
        let mut minutes: Vec<u64> = (0..RUNS).filter_map(|seed| run(scenario, seed)).collect();
        minutes.sort_unstable();
        let (runs, found) = (RUNS as usize, minutes.len());
        assert!(100 * found >= 99 * runs, "φ {phi}, {shift}σ on {shifted} hosts: {found} of {runs} found");
        let found = minutes[found / 2];
        assert!(
            5 * found <= 6 * median,
            "φ {phi}, {shift}σ on {shifted} hosts: {found} for {median} minutes"
        );
    }
}
