//! One run: a mirror step that goes on until it is long enough, then a step that is looked at after every block until
//! the answer comes that the scenario is about, or until it ends.

use drift::{Guard, HarmDirection, Judgement, Mirror, Question, Reach, look};

use crate::scenario::Path;
use crate::world::{Presence, World};
use crate::{Error, Kind, Scenario};

/// Windows after which a mirror step that is still too short is given up.
const LONGEST_MIRROR: u64 = 100_000;

/// Outcome of a run, in windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Length of the mirror step; none if it never was long enough.
    pub mirror: Option<u64>,
    /// Windows since the step's start, or since the harm's, at which the answer came that the scenario is about.
    pub time: Option<u64>,
}

/// Runs a scenario for the `number`-th time. The same arguments give the same outcome, anywhere and in any order.
pub fn run(scenario: &Scenario, seed: u64, number: u64) -> Result<Outcome, Error> {
    scenario.check()?;
    let mut seeds = Seeds::new(scenario, seed, number);
    let mut fleet = Quantities::new(scenario, &mut seeds);
    let presence = Presence::new(scenario, seeds.next());
    let Some((mut guards, start)) = mirrored(scenario, &mut fleet)? else { return Ok(Outcome::default()) };
    let mut there = Vec::with_capacity(scenario.hosts);
    for at in 0..scenario.horizon {
        fleet.next(Some(at));
        let mut ended = false;
        for (guard, window) in guards.iter_mut().flatten().zip(&fleet.windows) {
            there.clear();
            there.extend((0..).zip(window.iter().copied()).filter(|(host, _)| presence.is_there(*host, at)));
            ended |= guard.observe(start + at, &there)?;
        }
        if ended {
            look(&mut guards, scenario.alpha);
            let since = scenario.shift.map_or(0, |shift| shift.from);
            if answered(&guards, scenario) {
                return Ok(Outcome { mirror: Some(start), time: Some((at + 1).saturating_sub(since)) });
            }
        }
    }
    Ok(Outcome { mirror: Some(start), time: None })
}

/// Guards of all quantities, after the shortest mirror step that is enough for each of them.
type Started = (Vec<Option<Guard<usize>>>, u64);

fn mirrored(scenario: &Scenario, fleet: &mut Quantities) -> Result<Option<Started>, Error> {
    let mut mirrors = vec![Mirror::new(scenario.window); scenario.quantities];
    let known = scenario.hosts - scenario.late - scenario.unmirrored;
    let mut windows = Vec::with_capacity(known);
    for at in 0..LONGEST_MIRROR {
        fleet.next(None);
        for (mirror, window) in mirrors.iter_mut().zip(&fleet.windows) {
            windows.clear();
            windows.extend((0..known).zip(window.iter().copied()));
            mirror.observe(at, &windows)?;
        }
        if at + 1 >= scenario.least_mirror && mirrors.iter().all(Mirror::is_enough) {
            let guards = mirrors.iter().map(|mirror| started(scenario, mirror, at + 1)).collect();
            return Ok(Some((guards, at + 1)));
        }
    }
    Ok(None)
}

/// Windows are given as distances from the margin.
fn started(scenario: &Scenario, mirror: &Mirror<usize>, start: u64) -> Option<Guard<usize>> {
    let question = Question { side: HarmDirection::Higher, margin: 0.0, reach: Reach::Fleet };
    Guard::start(mirror, question, 0..scenario.hosts - scenario.late, start).ok()
}

fn answered(guards: &[Option<Guard<usize>>], scenario: &Scenario) -> bool {
    let mut judgements = guards.iter().flatten().map(|guard| guard.judgement(scenario.alpha));
    match scenario.kind {
        Kind::AA | Kind::Harm => judgements.any(|one| matches!(one, Judgement::Violated { .. })),
        Kind::AtMargin | Kind::Harmless => judgements.next() == Some(Judgement::Met),
    }
}

/// All quantities of a fleet, a window at a time.
struct Quantities<'a> {
    scenario: &'a Scenario,
    worlds: Vec<World>,
    /// Settings that several quantities have in common.
    common: Option<World>,
    /// The time of day at which the mirror step begins, as a share, and the windows since.
    phase: f64,
    now: f64,
    windows: Vec<Vec<f64>>,
    both: Vec<f64>,
}

impl<'a> Quantities<'a> {
    fn new(scenario: &'a Scenario, seeds: &mut Seeds) -> Self {
        let common = (scenario.quantities > 1).then(|| World::new(scenario, seeds.next()));
        let worlds: Vec<World> =
            (0..scenario.quantities).map(|_| World::new(scenario, seeds.next())).collect();
        let phase = seeds.next() as f64 / u64::MAX as f64;
        let windows = vec![Vec::new(); worlds.len()];
        Self { scenario, common, windows, worlds, phase, now: 0.0, both: Vec::new() }
    }

    /// The next window; `at` counts from the end of mirror.
    fn next(&mut self, at: Option<u64>) {
        let Self { scenario, .. } = *self;
        self.now += 1.0;
        let days = self.phase + self.now * scenario.window.as_secs_f64() / 86_400.0;
        let mean = mean(scenario, days, at.unwrap_or(0));
        let scatter = if at.is_some() { scenario.scatter } else { 1.0 };
        for (world, window) in self.worlds.iter_mut().zip(&mut self.windows) {
            world.next(window);
        }
        if let Some(common) = &mut self.common {
            common.next(&mut self.both);
            for (value, both) in self.windows.iter_mut().flat_map(|window| window.iter_mut().zip(&self.both))
            {
                *value = (*value + both) * std::f64::consts::FRAC_1_SQRT_2;
            }
        }
        self.windows.iter_mut().flatten().for_each(|value| *value = *value * scatter + mean);
        if let Some(shift) = scenario.shift.filter(|shift| at.is_some_and(|at| at >= shift.from)) {
            self.windows[0].iter_mut().take(shift.hosts).for_each(|value| *value += shift.by);
        }
    }
}

/// The mean's distance from the margin.
fn mean(scenario: &Scenario, days: f64, at: u64) -> f64 {
    match scenario.path {
        Path::Constant(by) => by,
        Path::Cycle { peak, depth } => peak + depth * ((std::f64::consts::TAU * days).sin() - 1.0) / 2.0,
        Path::Drift { from } => from * (1.0 - at as f64 / scenario.horizon as f64),
    }
}

/// Seeds that have nothing to do with each other, of (seed, scenario, number).
struct Seeds(u64);

impl Seeds {
    fn new(scenario: &Scenario, seed: u64, number: u64) -> Self {
        // FNV-1a of the name: a scenario keeps its numbers whatever stands beside it in the table.
        let name = scenario.name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        let mut seeds = Self(name ^ seed.wrapping_mul(0xD129_0DDB_53C4_3E49));
        seeds.0 = seeds.next() ^ number.wrapping_mul(0xA24B_AED4_963E_E407);
        seeds
    }

    /// SplitMix64 (Steele, Lea & Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}
