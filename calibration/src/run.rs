//! One run: a mirror step, then a step that is looked at after every block until it alarms or ends.

use drift::e_bh;

use crate::guard::Guard;
use crate::world::{Presence, World};
use crate::{Error, Scenario};

/// Time of a run's alarm: the number of windows of the step that were in, if it did.
pub type Outcome = Option<u64>;

/// Runs a scenario for the `number`-th time. The same arguments give the same outcome, anywhere and in any order.
pub fn run(scenario: &Scenario, seed: u64, number: u64) -> Result<Outcome, Error> {
    scenario.check()?;
    let mut seeds = Seeds::new(scenario, seed, number);
    let mut fleet = Quantities::new(scenario, &mut seeds);
    let presence = Presence::new(scenario, seeds.next());
    let mut mirrors = vec![Vec::new(); scenario.quantities];
    for _ in 0..scenario.mirror {
        fleet.next();
        mirrors.iter_mut().zip(&fleet.windows).for_each(|(mirror, window)| mirror.push(window.clone()));
    }
    let guards: Result<Vec<Guard>, Error> =
        mirrors.iter().map(|mirror| Guard::new(mirror, scenario.late, scenario.window)).collect();
    let mut guards = guards?;
    drop(mirrors);
    for at in 0..scenario.horizon {
        fleet.next();
        if let Some(shift) = scenario.shift {
            fleet.windows[0].iter_mut().take(shift.hosts).for_each(|value| *value += shift.by);
        }
        let mut ended = false;
        for (guard, window) in guards.iter_mut().zip(&fleet.windows) {
            ended |= guard.see(scenario.mirror + at, window, |host| presence.is_there(host, at))?;
        }
        if ended && alarms(&guards, scenario)? {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

fn alarms(guards: &[Guard], scenario: &Scenario) -> Result<bool, Error> {
    let log_e: Vec<f64> = guards.iter().map(Guard::log_e).collect();
    Ok(e_bh(&log_e, scenario.alpha)?.contains(&true))
}

/// All quantities of a fleet, a window at a time.
struct Quantities {
    worlds: Vec<World>,
    /// Settings that several quantities have in common.
    common: Option<World>,
    windows: Vec<Vec<f64>>,
    both: Vec<f64>,
}

impl Quantities {
    fn new(scenario: &Scenario, seeds: &mut Seeds) -> Self {
        let common = (scenario.quantities > 1).then(|| World::new(scenario, seeds.next()));
        let worlds: Vec<World> =
            (0..scenario.quantities).map(|_| World::new(scenario, seeds.next())).collect();
        Self { common, windows: vec![Vec::new(); worlds.len()], worlds, both: Vec::new() }
    }

    fn next(&mut self) {
        for (world, window) in self.worlds.iter_mut().zip(&mut self.windows) {
            world.next(window);
        }
        let Some(common) = &mut self.common else { return };
        common.next(&mut self.both);
        for window in &mut self.windows {
            for (value, both) in window.iter_mut().zip(&self.both) {
                *value = (*value + both) * std::f64::consts::FRAC_1_SQRT_2;
            }
        }
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
