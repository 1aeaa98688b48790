//! Simulated case: a fleet, what it is looked at for and how long.

use std::time::Duration;

use drift::Alpha;

use crate::{Error, Kind, Noise};

const HOSTS: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Windows of a minute.
const MIRROR: u64 = 4 * 60;
const DAY: u64 = 24 * 60;
/// Looked at together under e-BH.
const QUANTITIES: usize = 40;

/// Process by which a fleet's windows come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Laws {
    /// The same law on every host.
    Same {
        /// Noise that is new in every window.
        noise: Noise,
        /// Autocorrelation of one window with the next, in [0, 1).
        phi: f64,
    },
    /// Every law by turns; φ of 0, .3, .6 or .9; scales that are lognormal with σ = 1.
    Differ,
}

/// Harm that the candidate does from the step's start on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// By how much a window's difference is raised, in standard deviations of a window on one host.
    pub by: f64,
    /// On so many hosts, the first ones.
    pub hosts: usize,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name in rows; besides the seed its random numbers depend on it.
    pub name: String,
    /// Process by which windows come about.
    pub laws: Laws,
    /// Hosts, those that join late included.
    pub hosts: usize,
    /// So many of them join after the step's start.
    pub late: usize,
    /// Share of a host's variance that all hosts have in common, in [0, 1].
    pub shared: f64,
    /// By which share a difference's scatter rises by day and falls by night, in [0, 1). The load's own cycle is in
    /// both variants alike and cancels in their difference.
    pub cycle: f64,
    /// True if hosts leave, and some of them return.
    pub come_and_go: bool,
    /// Looked at together; half of each one's variance is common to all if there are several.
    pub quantities: usize,
    /// Effect of the candidate on the first quantity.
    pub shift: Option<Shift>,
    /// Length of a window.
    pub window: Duration,
    /// Windows of the mirror step, at least 30.
    pub mirror: u64,
    /// Windows of the step that is looked at.
    pub horizon: u64,
    /// Probability of a false alarm that is accepted over all looks.
    pub alpha: Alpha,
}

impl Scenario {
    /// Twenty hosts with windows of a minute, looked at for a day at α = 0.05, after four hours of mirror.
    fn new(name: impl Into<String>, laws: Laws, alpha: Alpha) -> Self {
        Self {
            name: name.into(),
            laws,
            hosts: HOSTS,
            late: 0,
            shared: 0.0,
            cycle: 0.0,
            come_and_go: false,
            quantities: 1,
            shift: None,
            window: MINUTE,
            mirror: MIRROR,
            horizon: DAY,
            alpha,
        }
    }

    /// Kind of proof that its rows give.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.shift.is_some() { Kind::Shift } else { Kind::AA }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |name, expected, found| Err(Error::Parameter { name, expected, found });
        if self.hosts <= self.late || self.hosts > 10_000 {
            return refuse("hosts", "1 to 10,000, and one of them from the start", self.hosts as f64);
        }
        if let Laws::Same { phi, .. } = self.laws
            && !(0.0..=0.999).contains(&phi)
        {
            return refuse("autocorrelation", "0 to 0.999", phi);
        }
        if self.quantities == 0 {
            return refuse("quantities", "1 or more", 0.0);
        }
        if self.window.is_zero() {
            return refuse("window", "more than 0 s", 0.0);
        }
        if self.shift.is_some_and(|shift| !shift.by.is_finite()) {
            return refuse("effect", "a finite number", f64::NAN);
        }
        Ok(())
    }
}

/// The scenarios of the calibration table, in its order.
#[must_use]
pub fn table(alpha: Alpha) -> Vec<Scenario> {
    let same = |noise, phi| Laws::Same { noise, phi };
    let new = |name: String, laws| Scenario::new(name, laws, alpha);
    let mut rows = Vec::new();
    for (noise, called) in [
        (Noise::Gaussian, "Gaussian"),
        (Noise::HeavyTails, "Student t, 3 degrees"),
        (Noise::Skewed, "skewed"),
        (Noise::SkewedBack, "skewed the other way"),
    ] {
        for phi in [0.0, 0.6, 0.9] {
            rows.push(new(format!("AR(1) φ = {phi}, {called}"), same(noise, phi)));
        }
    }
    let usual = same(Noise::Gaussian, 0.6);
    for phi in [0.6, 0.9] {
        let name = format!("diurnal cycle, φ = {phi}");
        rows.push(Scenario { cycle: 0.5, ..new(name, same(Noise::Gaussian, phi)) });
    }
    rows.push(Scenario { shared: 0.5, ..new("hosts that share half their noise, φ = 0.6".into(), usual) });
    rows.push(new("hosts that differ".into(), Laws::Differ));
    let (hosts, late) = (HOSTS + 5, 5);
    let name = "hosts that come and go, φ = 0.6".to_owned();
    rows.push(Scenario { hosts, late, come_and_go: true, ..new(name, usual) });
    let name = "hosts that differ, share, come and go, diurnal cycle".to_owned();
    let all = Scenario { hosts, late, come_and_go: true, shared: 0.5, cycle: 0.5, ..new(name, Laws::Differ) };
    rows.push(all.clone());
    let quantities = QUANTITIES;
    let name = format!("e-BH over {QUANTITIES} quantities, φ = 0.6");
    rows.push(Scenario { quantities, ..new(name, usual) });
    let name =
        format!("e-BH over {QUANTITIES} quantities, hosts that differ, share, come and go, diurnal cycle");
    rows.push(Scenario { name, quantities, ..all });
    for (by, hosts, called) in [(0.2, HOSTS, "0.2σ everywhere"), (2.0, 1, "one host of 20 by 2σ")] {
        for phi in [0.0, 0.6, 0.9] {
            let name = format!("{called}, φ = {phi}");
            rows.push(Scenario { shift: Some(Shift { by, hosts }), ..new(name, same(Noise::Gaussian, phi)) });
        }
    }
    let shift = Some(Shift { by: 0.2, hosts: HOSTS });
    let name = format!("e-BH, 0.2σ everywhere in one of {QUANTITIES} quantities, φ = 0.6");
    rows.push(Scenario { shift, quantities, ..new(name, usual) });
    rows
}
