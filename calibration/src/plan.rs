//! Planning: what can be said of a guardrail on what varies before anyone starts the experiment.

use std::time::Duration;

use drift::{Alpha, block_windows, minimum_blocks, minimum_blocks_to_meet, mirror_windows};
use serde::Serialize;

use crate::row::quantile;
use crate::scenario::Path;
use crate::{Error, Kind, Laws, Noise, Outcome, Row, Scenario, Shift};

/// For how long alarms are counted where nothing is wrong.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The power that is planned for.
const POWER: f64 = 0.95;

/// Question that a plan answers. Shares are of the quantity's mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Hosts of the fleet.
    pub hosts: usize,
    /// Length of a window: a horizon, in an experiment.
    pub window: Duration,
    /// Autocorrelation of one window's difference with the next, in [0, 0.999].
    pub phi: f64,
    /// The increase that is allowed.
    pub margin: f64,
    /// The increase that must be found, on every host: more than the margin.
    pub effect: f64,
    /// Standard deviation of one window's difference on one host.
    pub variability: f64,
    /// The least length of the mirror step; it goes on if that is too short for the memory that is found in it.
    pub mirror: Duration,
    /// Probability of a wrong answer that is accepted over all looks.
    pub alpha: Alpha,
}

/// Answer of the runs of a [`Question`]. Times are minutes, from the step's start where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The shortest mirror step that any guardrail can do with.
    pub least_mirror_minutes: Option<f64>,
    /// The length within which 95 % of the runs had mirrored enough; none if fewer ever did.
    pub mirror_minutes_in_95_percent: Option<f64>,
    /// Length of a block were φ known: what is looked at is a mean over it, or over more.
    pub block_minutes: f64,
    /// The soonest that it can be said to be met.
    pub least_minutes_to_meet: f64,
    /// The soonest that harm can be found, were every host at its bound; none where it never can.
    pub least_minutes_to_find: Option<f64>,
    /// The soonest that harm can be found on one host, were the others no evidence.
    pub least_minutes_to_find_on_one_host: Option<f64>,
    /// The time by which 95 % of the runs were met though nothing changes; none if fewer ever were.
    pub minutes_to_meet_with_95_percent_power: Option<f64>,
    /// The time by which 95 % of the runs had found the effect; none if fewer ever did.
    pub minutes_to_find_with_95_percent_power: Option<f64>,
    /// A day at the margin: alarms are false.
    pub at_the_margin: Row,
    /// Nothing changes: it is met.
    pub no_change: Row,
    /// The effect, from the step's start on.
    pub effect: Row,
}

impl Question {
    /// The scenarios to be run: at the margin for a day; no change, and the effect, for up to seven days each.
    pub fn scenarios(&self) -> Result<[Scenario; 3], Error> {
        let Self { hosts, window, phi, margin, effect, variability, mirror, alpha } = *self;
        let refuse = |name, expected, found| Err(Error::Parameter { name, expected, found });
        if !(variability > 0.0 && variability.is_finite()) {
            return refuse("variability", "a share above 0", variability);
        }
        if !(margin >= 0.0 && margin.is_finite()) {
            return refuse("margin", "a share of 0 or more", margin);
        }
        if !(effect > margin && effect.is_finite()) {
            return refuse("effect", "a share above the margin", effect);
        }
        let windows = |time: Duration| u64::try_from(time.as_nanos() / window.as_nanos().max(1)).unwrap_or(1);
        let laws = Laws::Same { noise: Noise::Gaussian, phi };
        let at_the_margin = Scenario {
            hosts,
            window,
            least_mirror: windows(mirror),
            horizon: windows(DAY).max(1),
            ..Scenario::new("at the margin", Kind::AA, laws, alpha)
        };
        at_the_margin.check()?;
        let horizon = windows(PATIENCE).max(1);
        let no_change = Scenario {
            name: "no change".to_owned(),
            kind: Kind::Harmless,
            path: Path::Constant(-margin / variability),
            horizon,
            ..at_the_margin.clone()
        };
        let found = Scenario {
            name: "the effect, everywhere".to_owned(),
            kind: Kind::Harm,
            shift: Some(Shift { by: (effect - margin) / variability, hosts, from: 0 }),
            horizon,
            ..at_the_margin.clone()
        };
        Ok([at_the_margin, no_change, found])
    }

    /// Answer from their outcomes, in the order of [`Self::scenarios`].
    pub fn answer(&self, outcomes: [&[Outcome]; 3]) -> Result<Answer, Error> {
        let scenarios = self.scenarios()?;
        let minutes = |windows: u64| windows as f64 * self.window.as_secs_f64() / 60.0;
        let block = block_windows(self.phi, self.window)?.get();
        let blocks = |number: u64| minutes(number.saturating_mul(block));
        let soonest = |share: f64| minimum_blocks(self.alpha, share).map(blocks);
        let within = |times: &[Outcome]| quantile(times.iter().map(|one| one.time), POWER).map(minutes);
        let mirrors = outcomes[0].iter().map(|outcome| outcome.mirror);
        let [at_the_margin, no_change, effect] =
            [0, 1, 2].map(|at: usize| Row::of(&scenarios[at], outcomes[at]));
        Ok(Answer {
            least_mirror_minutes: mirror_windows(0.0, self.window).map(minutes),
            mirror_minutes_in_95_percent: quantile(mirrors, POWER).map(minutes),
            block_minutes: minutes(block),
            least_minutes_to_meet: blocks(minimum_blocks_to_meet(self.alpha)),
            least_minutes_to_find: soonest(1.0),
            least_minutes_to_find_on_one_host: soonest(0.5 / self.hosts as f64),
            minutes_to_meet_with_95_percent_power: within(outcomes[1]),
            minutes_to_find_with_95_percent_power: within(outcomes[2]),
            at_the_margin,
            no_change,
            effect,
        })
    }
}
