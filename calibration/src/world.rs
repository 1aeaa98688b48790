//! A simulated fleet: one difference, candidate − baseline, a window and host.
//!
//! Each host's windows are AR(1): φ times the one before plus something new, with deviation 1 before it is scaled. Hosts
//! may have a part in common, may differ in scale, memory and law, may scatter with the time of day, and may be away.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

use crate::scenario::{Laws, Scenario};
use crate::{Kind, Noise};

/// One quantity on all hosts.
pub(crate) struct World {
    hosts: Vec<Host>,
    /// Noise that all hosts share, and its share of their variance.
    common: Host,
    shared: f64,
    /// By which share a host's scatter rises and falls over a day.
    cycle: f64,
    /// 1 where the clipped mean may be at most at the margin, 0 where it may be at least there.
    inside: f64,
    a_day: f64,
    now: f64,
    rng: Pcg64Mcg,
}

struct Host {
    noise: Noise,
    phi: f64,
    fresh: f64,
    scale: f64,
    state: f64,
}

impl Host {
    fn new(noise: Noise, phi: f64, scale: f64) -> Self {
        Self { noise, phi, fresh: (1.0 - phi * phi).sqrt(), scale, state: 0.0 }
    }

    fn next(&mut self, rng: &mut Pcg64Mcg) -> f64 {
        self.state = self.phi * self.state + self.fresh * self.noise.draw(rng);
        self.state
    }
}

impl World {
    /// As stationary as makes no difference: a start is forgotten to e⁻¹⁰.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let hosts: Vec<Host> = (0..scenario.hosts).map(|host| scenario.laws.host(host, &mut rng)).collect();
        let longest = hosts.iter().map(|host| host.phi).fold(0.0, f64::max);
        let common = Host::new(Noise::Gaussian, longest, 1.0);
        let a_day = 86_400.0 / scenario.window.as_secs_f64();
        // A day's phase at which the mirror step falls is anybody's guess.
        let now = rng.random::<f64>() * a_day;
        let (shared, cycle) = (scenario.shared, scenario.cycle);
        let inside = if scenario.kind == Kind::AA { 1.0 } else { 0.0 };
        let mut world = Self { hosts, common, shared, cycle, inside, a_day, now, rng };
        let forget = (10.0 / (1.0 - longest)).ceil() as usize;
        (0..forget).for_each(|_| world.next(&mut Vec::new()));
        world
    }

    /// The next window, every host after the other.
    pub fn next(&mut self, window: &mut Vec<f64>) {
        self.now += 1.0;
        let day = 1.0 + self.cycle * (std::f64::consts::TAU * self.now / self.a_day).sin();
        let (own, both) = ((1.0 - self.shared).sqrt(), self.shared.sqrt());
        let common = if self.shared > 0.0 { self.common.next(&mut self.rng) } else { 0.0 };
        let inside = self.inside;
        window.clear();
        let rng = &mut self.rng;
        window.extend(self.hosts.iter_mut().map(|host| {
            let alone = host.next(rng);
            host.scale * day * (own * alone + both * common + inside * host.noise.mean_inside())
        }));
    }
}

impl Laws {
    fn host(&self, host: usize, rng: &mut Pcg64Mcg) -> Host {
        match *self {
            Self::Same { noise, phi } => Host::new(noise, phi, 1.0),
            Self::Differ => {
                let noise = Noise::MIXED[host % Noise::MIXED.len()];
                let phi = [0.0, 0.3, 0.6, 0.9][rng.random_range(0..4)];
                let scale: f64 = StandardNormal.sample(rng);
                Host::new(noise, phi, scale.exp())
            }
        }
    }
}

/// Presence of each host: numbers of windows of the step.
pub(crate) struct Presence(Vec<Stay>);

struct Stay {
    joins: u64,
    /// From here to there it is away.
    away: Option<(u64, u64)>,
}

impl Presence {
    /// Everybody, always; but the late ones, who join one after another. Where hosts come and go, half of them are
    /// away for some part of the step, many of them to its end.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let (steps, late) = (scenario.horizon.max(2), scenario.late);
        let members = scenario.hosts - late;
        let stays = (0..scenario.hosts).map(|host| {
            let leaves = rng.random_range(0..steps);
            let returns = leaves + rng.random_range(1..steps);
            let turn = (host + 1).saturating_sub(members) as u64;
            Stay {
                joins: steps * turn / (late as u64 + 1),
                away: (scenario.come_and_go && rng.random::<bool>()).then_some((leaves, returns)),
            }
        });
        Self(stays.collect())
    }

    pub fn is_there(&self, host: usize, at: u64) -> bool {
        let Stay { joins, away } = &self.0[host];
        at >= *joins && away.is_none_or(|(leaves, returns)| at < leaves || at >= returns)
    }
}
