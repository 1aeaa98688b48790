//! Planning: what can be said of an experiment before anyone starts it.

use std::time::Duration;

use drift::{Alpha, Blocking, minimum_blocks};
use serde::Serialize;

use crate::row::quantile;
use crate::{Error, Laws, Noise, Outcome, Row, Scenario, Shift};

/// The mirror step that scales are estimated in.
const MIRROR: Duration = Duration::from_secs(4 * 3600);
/// Of it there are at least so many windows.
const LEAST_MIRROR: u64 = 60;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// For how long a shift is looked for.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The power that is planned for.
const POWER: f64 = 0.95;

/// Question that a plan answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Hosts of the fleet.
    pub hosts: usize,
    /// Length of a window.
    pub window: Duration,
    /// Autocorrelation of one window's difference with the next, in [0, 0.999].
    pub phi: f64,
    /// The effect that must be found, on every host: a share of the quantity's mean.
    pub effect: f64,
    /// Standard deviation of one window's difference on one host, as a share of the quantity's mean.
    pub variability: f64,
    /// Probability of a false alarm that is accepted over all looks.
    pub alpha: Alpha,
}

/// Answer of the runs of a [`Question`]. Times are minutes from the step's start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Length of the mirror step, in which scatter and memory are estimated.
    pub mirror_minutes: f64,
    /// Length of a block: what is looked at is a mean over it.
    pub block_minutes: f64,
    /// The soonest that the rule can fire at all, whatever happens.
    pub minimum: MinimumTimes,
    /// The time by which 95 % of the runs had found the effect; none if fewer ever did within `shift`'s horizon.
    pub minutes_to_find_with_95_percent_power: Option<f64>,
    /// A day on which nothing is wrong.
    pub nothing_wrong: Row,
    /// The effect, from the step's start on.
    pub effect: Row,
}

/// The soonest that the evidence can reach its threshold, minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MinimumTimes {
    /// Were every host at its bound.
    pub everywhere_minutes: Option<f64>,
    /// Were one host at its bound and the others no evidence.
    pub one_host_minutes: Option<f64>,
}

impl Question {
    /// The scenarios to be run: a day on which nothing is wrong, and up to seven days with the effect.
    pub fn scenarios(&self) -> Result<[Scenario; 2], Error> {
        let Self { hosts, window, phi, effect, variability, alpha } = *self;
        for (name, share) in [("variability", variability), ("effect", effect)] {
            if !(share > 0.0 && share.is_finite()) {
                return Err(Error::Parameter { name, expected: "a share above 0", found: share });
            }
        }
        let windows = |time: Duration| u64::try_from(time.as_nanos() / window.as_nanos().max(1)).unwrap_or(1);
        let nothing = Scenario {
            name: "nothing is wrong".to_owned(),
            laws: Laws::Same { noise: Noise::Gaussian, phi },
            hosts,
            late: 0,
            shared: 0.0,
            cycle: 0.0,
            come_and_go: false,
            quantities: 1,
            shift: None,
            window,
            mirror: windows(MIRROR).max(LEAST_MIRROR),
            horizon: windows(DAY).max(1),
            alpha,
        };
        nothing.check()?;
        let found = Scenario {
            name: "the effect, everywhere".to_owned(),
            shift: Some(Shift { by: effect / variability, hosts }),
            horizon: windows(PATIENCE).max(1),
            ..nothing.clone()
        };
        Ok([nothing, found])
    }

    /// Answer from their outcomes, in the order of [`Self::scenarios`].
    pub fn answer(&self, outcomes: [&[Outcome]; 2]) -> Result<Answer, Error> {
        let [nothing, effect] = self.scenarios()?;
        let minutes = |windows: u64| windows as f64 * self.window.as_secs_f64() / 60.0;
        let block = Blocking::of(self.phi, 1.0, self.window)?.windows.get();
        let soonest = |share: f64| {
            minimum_blocks(self.alpha, share).map(|blocks| minutes(blocks.saturating_mul(block)))
        };
        Ok(Answer {
            mirror_minutes: minutes(nothing.mirror),
            block_minutes: minutes(block),
            minimum: MinimumTimes {
                everywhere_minutes: soonest(1.0),
                one_host_minutes: soonest(0.5 / self.hosts as f64),
            },
            minutes_to_find_with_95_percent_power: quantile(outcomes[1], POWER).map(minutes),
            nothing_wrong: Row::of(&nothing, outcomes[0]),
            effect: Row::of(&effect, outcomes[1]),
        })
    }
}
