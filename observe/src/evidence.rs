//! Evidence: closed windows put together, into horizons and into the whole of a generation.
//!
//! A horizon is the shortest stretch over which absence means something: whole windows of at least twice the
//! observed scrape interval and twice what a stage may hold a point back. Windows in which stages still gather
//! state (warm-up) are shown and never judged.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::compare::{Coverage, saved};
use crate::{Comparison, Settings, Slices, Summary, Variant};

/// Plans that are compared, and their experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Experiment {
    /// Name of the experiment; `local` for one that a file defines.
    pub name: String,
    /// Number of the generation.
    pub generation: u64,
    /// Weight of the split in basis points: 2,500 is 25 %.
    pub weight_bp: u16,
    /// The unit of the split.
    pub unit: String,
    /// Digests of both plans.
    pub baseline: String,
    /// See `baseline`.
    pub candidate: String,
}

impl Experiment {
    /// Tells whether both variants run the same plans as in `other`.
    #[must_use]
    pub fn runs_the_plans_of(&self, other: &Self) -> bool {
        self.baseline == other.baseline && self.candidate == other.candidate
    }
}

/// One window in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowRow {
    /// Generation it belongs to.
    pub generation: u64,
    /// Weight of the split in basis points.
    pub weight_bp: u16,
    /// Start, Unix nanoseconds.
    pub start: u64,
    /// Length in seconds; shorter than a window where a generation began or ended.
    pub seconds: f64,
    /// True if it lies in the warm-up.
    pub warming_up: bool,
    /// Input points a second.
    pub points_per_second: f64,
    /// Input bytes a second.
    pub bytes_per_second: f64,
    /// Distinct input series.
    pub series_in: u64,
    /// Distinct output series, baseline and candidate.
    pub series_out: [u64; 2],
    /// One of so many entities was followed: all of them, if 1.
    pub followed_one_in: u64,
    /// Points that left by each variant.
    pub delivered: [u64; 2],
    /// Share of the baseline's series that the candidate saves.
    pub saving: Option<f64>,
    /// Series that the candidate loses.
    pub lost: u64,
    /// Identities of the candidate that collide.
    pub collisions: u64,
    /// Critical processes in the input, shown by the baseline, shown by the candidate.
    pub critical: [u64; 3],
}

/// Number of windows that are kept for showing.
const RECENT: usize = 60;

/// View of an [`Evidence`] at any time: the body of the agent's `GET /experiment`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Plans that are compared.
    pub experiment: Experiment,
    /// True if it has ended: nothing is added any more.
    pub ended: bool,
    /// The last windows, oldest first; they may reach back into earlier generations.
    pub windows: Vec<WindowRow>,
    /// The last full horizon of this generation, once there is one.
    pub last_horizon: Option<Comparison>,
    /// This generation, but for its warm-up; of that, only what left by the variants where units leave by the candidate.
    pub generation: Comparison,
    /// All generations in a row that ran these two plans, whatever their weights: both process every point at
    /// every weight, so their windows are of one kind.
    pub experiment_total: Comparison,
}

/// A horizon that is complete.
#[derive(Clone, Debug)]
pub struct Horizon {
    /// Start of its first window, Unix nanoseconds.
    pub start: u64,
    /// End of its last window.
    pub end: u64,
    /// Windows of this generation that lay in the warm-up.
    pub warm_up_windows: u32,
    /// Measurements in it.
    pub comparison: Comparison,
    /// What other agents are to be compared with.
    pub slices: Slices,
    /// True if it is what was left of the last one when its generation ended, and shorter than one.
    pub ended: bool,
}

/// Everything measured in one generation. See the module.
#[derive(Clone, Debug)]
pub struct Evidence {
    settings: Arc<Settings>,
    experiment: Experiment,
    ended: bool,
    recent: VecDeque<WindowRow>,
    warm_up: u64,
    warm_up_windows: u32,
    /// The horizon under way.
    horizon: Summary,
    last_horizon: Option<Comparison>,
    /// The generation's horizons before it.
    generation: Summary,
    /// The generations before with the same plans.
    before: Summary,
}

impl Evidence {
    /// Nothing yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>, experiment: Experiment) -> Self {
        Self {
            settings,
            experiment,
            ended: false,
            recent: VecDeque::new(),
            warm_up: 0,
            warm_up_windows: 0,
            horizon: Summary::default(),
            last_horizon: None,
            generation: Summary::default(),
            before: Summary::default(),
        }
    }

    /// Begins the next generation. The last windows stay visible. Where both plans are the same as before, what
    /// was measured stays part of the experiment and no stage has to warm up again; a horizon starts anew
    /// in any case.
    #[must_use]
    pub fn succeeded_by(mut self, settings: Arc<Settings>, experiment: Experiment) -> Self {
        let mut next = Self::new(settings, experiment);
        if next.experiment.runs_the_plans_of(&self.experiment) {
            self.horizon.slices = Slices::default();
            self.before.merge(&self.generation);
            self.before.merge(&self.horizon);
            (next.before, next.warm_up) = (self.before, self.warm_up);
        }
        next.recent = self.recent;
        next
    }

    /// Nothing more will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Adds a closed window, and returns the horizon that it completes. `interval_nanos` is the scrape interval
    /// observed so far.
    pub fn add(&mut self, window: Summary, interval_nanos: Option<u64>) -> Option<Horizon> {
        let interval = interval_nanos.unwrap_or(self.settings.window_nanos);
        let warm_up = interval.saturating_mul(u64::from(self.settings.warm_up_scrapes));
        let warming_up = self.warm_up < warm_up;
        self.warm_up = self.warm_up.saturating_add(window.nanos);
        self.show(&window, warming_up);
        if warming_up {
            self.warm_up_windows += 1;
            self.generation.merge(&self.left_in(window));
            return None;
        }
        if self.horizon.windows == 0 {
            self.horizon = window;
        } else {
            self.horizon.merge(&window);
        }
        if self.horizon.nanos < self.horizon_nanos(interval) {
            return None;
        }
        let horizon = self.take_horizon();
        self.last_horizon = Some(horizon.comparison.clone());
        Some(horizon)
    }

    /// Takes what is left of the last horizon of a generation that ends, by whose candidate units leave: what was delivered by
    /// it is told although the horizon is not whole. Nothing if no window came since the last one.
    pub fn take_rest(&mut self) -> Option<Horizon> {
        let delivers = !self.ended && self.experiment.weight_bp > 0;
        (delivers && self.horizon.windows > 0).then(|| Horizon { ended: true, ..self.take_horizon() })
    }

    fn take_horizon(&mut self) -> Horizon {
        let mut horizon = std::mem::take(&mut self.horizon);
        // They are told once, and add up where all agents' come together.
        let slices = std::mem::take(&mut horizon.slices);
        self.generation.merge(&horizon);
        let comparison = Comparison::of(&horizon, &self.settings);
        let (start, end, warm_up_windows) = (horizon.start, horizon.end, self.warm_up_windows);
        Horizon { start, end, warm_up_windows, comparison, slices, ended: false }
    }

    /// What left in a window of the warm-up, and what became of it: stages that still gather state deliver, too. Nothing else
    /// of it counts, and nothing where all leaves by the baseline.
    fn left_in(&self, window: Summary) -> Summary {
        if self.experiment.weight_bp == 0 {
            return Summary::default();
        }
        Summary { delivered: window.delivered, delivery: window.delivery, ..Summary::default() }
    }

    /// All generations in a row that ran these two plans.
    #[must_use]
    pub fn total(&self) -> Comparison {
        Comparison::of(&merged([&self.before, &self.generation, &self.horizon]), &self.settings)
    }

    /// Length of a horizon at this scrape interval, nanoseconds; whole windows make it up.
    #[must_use]
    pub fn horizon_nanos(&self, interval_nanos: u64) -> u64 {
        let window = self.settings.window_nanos;
        let held = self.settings.hold_nanos.saturating_mul(2);
        window.max(interval_nanos.saturating_mul(2)).max(held).max(self.settings.report_nanos)
    }

    fn show(&mut self, window: &Summary, warming_up: bool) {
        let seconds = window.nanos as f64 / 1e9;
        let rate = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
        // A window's row needs a few counts; a whole comparison of each would cost more than watching.
        let coverage = Coverage::of(window);
        let series_out = Variant::BOTH.map(|variant| window.output_series(variant).value);
        self.recent.push_back(WindowRow {
            generation: self.experiment.generation,
            weight_bp: self.experiment.weight_bp,
            start: window.start,
            seconds,
            warming_up,
            points_per_second: rate(window.input.points),
            bytes_per_second: rate(window.input.bytes),
            series_in: window.input_series().value,
            series_out,
            followed_one_in: window.sampling.one_in(),
            delivered: Variant::BOTH.map(|variant| window.delivered[variant.index()].points),
            saving: saved(series_out[0], series_out[1]),
            lost: window.lost_by_candidate().value,
            collisions: window.colliding(Variant::Candidate).value,
            critical: [coverage.critical, coverage.baseline, coverage.candidate],
        });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// Plans that are compared.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// Everything that can be read of it now.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            experiment: self.experiment.clone(),
            ended: self.ended,
            windows: self.recent.iter().cloned().collect(),
            last_horizon: self.last_horizon.clone(),
            generation: Comparison::of(&merged([&self.generation, &self.horizon]), &self.settings),
            experiment_total: self.total(),
        }
    }
}

/// All parts together; no copy where one of them is all that there is.
fn merged<const N: usize>(parts: [&Summary; N]) -> Cow<'_, Summary> {
    let left = |part: &Summary| part.delivered.iter().any(|left| left.points > 0);
    let mut filled = parts.into_iter().filter(|part| part.windows > 0 || left(part));
    let mut all = filled.next().map_or_else(Cow::default, Cow::Borrowed);
    filled.for_each(|part| all.to_mut().merge(part));
    all
}
