//! Simulated case: a fleet, what it is looked at for and how long.

use std::time::Duration;

use drift::{Alpha, block_windows};

use crate::{Error, Kind, Noise};

pub(crate) const HOSTS: usize = 20;
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Windows of a minute.
pub(crate) const DAY: u64 = 24 * 60;
/// Blocks that a sequence is looked at for, if that is longer than what is asked for: a day has too few of the longest ones.
const LEAST_BLOCKS: f64 = 60.0;

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

/// The mean's way, as a distance from the margin in standard deviations of a window on one host; above 0 is past it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Path {
    /// Always the same; 0 is at the margin.
    Constant(f64),
    /// Up and down in a day, by `depth` in all.
    Cycle {
        /// Distance of the peak.
        peak: f64,
        /// From the trough to the peak.
        depth: f64,
    },
    /// From there in mirror to the margin at the end.
    Drift {
        /// Distance in mirror.
        from: f64,
    },
}

/// Harm that the candidate does after mirror.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// By how much a window's difference is raised, in standard deviations of a window on one host.
    pub by: f64,
    /// On so many hosts, the first ones.
    pub hosts: usize,
    /// From this window of the step on.
    pub from: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name in rows; besides the seed its random numbers depend on it.
    pub name: String,
    /// Kind of proof that its rows give, and the answer that is waited for.
    pub kind: Kind,
    /// Process by which windows come about.
    pub laws: Laws,
    /// The mean's way.
    pub path: Path,
    /// Hosts, those that join late included.
    pub hosts: usize,
    /// So many of them join after the step's start.
    pub late: usize,
    /// So many are there from its start and had no mirror.
    pub unmirrored: usize,
    /// Share of a host's variance that all hosts have in common, in [0, 1].
    pub shared: f64,
    /// By which share a difference's scatter rises by day and falls by night, in [0, 1). The load's own cycle is in
    /// both variants alike and cancels in their difference.
    pub cycle: f64,
    /// Scatter since mirror, as a multiple of that in mirror.
    pub scatter: f64,
    /// True if hosts leave, and some of them return.
    pub come_and_go: bool,
    /// Looked at together; half of each one's variance is common to all if there are several.
    pub quantities: usize,
    /// Effect of the candidate on the first quantity.
    pub shift: Option<Shift>,
    /// Length of a window.
    pub window: Duration,
    /// Windows before which nobody asks if the mirror step is long enough.
    pub least_mirror: u64,
    /// Windows of the step that is looked at.
    pub horizon: u64,
    /// Probability of a false alarm that is accepted over all looks.
    pub alpha: Alpha,
}

impl Scenario {
    /// Twenty hosts at the margin with windows of a minute, after the shortest mirror that is enough, looked at for a day
    /// and for 60 blocks at least.
    pub(crate) fn new(name: impl Into<String>, kind: Kind, laws: Laws, alpha: Alpha) -> Self {
        let phi = laws.longest_phi();
        // The upper end of φ makes longer blocks than φ.
        let block = block_windows(phi, MINUTE).map_or(1.0, |windows| windows.get() as f64);
        let blocks = if phi > 0.9 { 1.4 * LEAST_BLOCKS * block } else { 0.0 };
        Self {
            name: name.into(),
            kind,
            laws,
            path: Path::Constant(0.0),
            hosts: HOSTS,
            late: 0,
            unmirrored: 0,
            shared: 0.0,
            cycle: 0.0,
            scatter: 1.0,
            come_and_go: false,
            quantities: 1,
            shift: None,
            window: MINUTE,
            least_mirror: 1,
            horizon: DAY.max(blocks as u64),
            alpha,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |name, expected, found| Err(Error::Parameter { name, expected, found });
        if self.hosts <= self.late + self.unmirrored || self.hosts > 10_000 {
            return refuse("hosts", "1 to 10,000, and one of them in the mirror step", self.hosts as f64);
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

impl Laws {
    fn longest_phi(self) -> f64 {
        match self {
            Self::Same { phi, .. } => phi,
            Self::Differ => 0.9,
        }
    }
}
