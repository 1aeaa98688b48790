//! Evidence: closed windows put together, into horizons and into the whole of a generation.
//!
//! A horizon is the shortest stretch over which absence means something: whole windows of at least twice the
//! observed scrape interval and twice what a stage may hold a point back. Windows in which stages still gather
//! state (warm-up) are shown and never judged.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Comparison, Settings, Summary, Variant};

/// What is being compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// One window in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Generation it belongs to.
    pub generation: u64,
    /// Weight of the split in basis points.
    pub weight_bp: u16,
    /// Start, Unix nanoseconds.
    pub start: u64,
    /// Length in seconds; shorter than a window where a generation began or ended.
    pub seconds: f64,
    /// Whether it lies in the warm-up.
    pub warming_up: bool,
    /// Input points a second.
    pub points_per_second: f64,
    /// Input bytes a second.
    pub bytes_per_second: f64,
    /// Distinct input series.
    pub series_in: u64,
    /// Distinct output series, baseline and candidate.
    pub series_out: [u64; 2],
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

/// How many windows are kept for showing.
const RECENT: usize = 60;

/// Everything measured in one generation. See the module.
#[derive(Clone, Debug)]
pub struct Evidence {
    settings: Arc<Settings>,
    experiment: Experiment,
    recent: VecDeque<WindowRow>,
    warm_up: u64,
    horizon: Summary,
    last_horizon: Option<Comparison>,
    total: Summary,
}

impl Evidence {
    /// Nothing yet; `recent` windows of the generation before stay visible.
    #[must_use]
    pub fn new(settings: Arc<Settings>, experiment: Experiment, recent: VecDeque<WindowRow>) -> Self {
        let (horizon, total) = (Summary::default(), Summary::default());
        Self { settings, experiment, recent, warm_up: 0, horizon, last_horizon: None, total }
    }

    /// Adds a closed window. `interval_nanos` is the scrape interval observed so far.
    pub fn add(&mut self, window: &Summary, interval_nanos: Option<u64>) {
        let interval = interval_nanos.unwrap_or(self.settings.window_nanos);
        let warm_up = interval.saturating_mul(u64::from(self.settings.warm_up_scrapes));
        let warming_up = self.warm_up < warm_up;
        self.warm_up = self.warm_up.saturating_add(window.nanos);
        self.show(window, warming_up);
        if warming_up {
            return;
        }
        self.total.merge(window);
        self.horizon.merge(window);
        if self.horizon.nanos >= self.horizon_nanos(interval) {
            let horizon = std::mem::take(&mut self.horizon);
            self.last_horizon = Some(Comparison::of(&horizon, &self.settings));
        }
    }

    /// How long a horizon is at this scrape interval, nanoseconds; whole windows make it up.
    #[must_use]
    pub fn horizon_nanos(&self, interval_nanos: u64) -> u64 {
        let window = self.settings.window_nanos;
        window.max(interval_nanos.saturating_mul(2)).max(self.settings.hold_nanos.saturating_mul(2))
    }

    fn show(&mut self, window: &Summary, warming_up: bool) {
        let seconds = window.nanos as f64 / 1e9;
        let rate = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
        let comparison = Comparison::of(window, &self.settings);
        let coverage = &comparison.coverage;
        self.recent.push_back(WindowRow {
            generation: self.experiment.generation,
            weight_bp: self.experiment.weight_bp,
            start: window.start,
            seconds,
            warming_up,
            points_per_second: rate(window.input.points),
            bytes_per_second: rate(window.input.bytes),
            series_in: comparison.input_series.value,
            series_out: [comparison.baseline.series.value, comparison.candidate.series.value],
            delivered: Variant::BOTH.map(|variant| window.delivered[variant.index()].points),
            saving: comparison.saving.series,
            lost: comparison.lost_by_candidate.value,
            collisions: comparison.candidate.collisions.value,
            critical: [coverage.critical, coverage.baseline, coverage.candidate],
        });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// What is being compared.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The last windows, oldest first.
    #[must_use]
    pub fn recent(&self) -> &VecDeque<WindowRow> {
        &self.recent
    }

    /// The last full horizon, once there is one.
    #[must_use]
    pub fn last_horizon(&self) -> Option<&Comparison> {
        self.last_horizon.as_ref()
    }

    /// Everything since the generation began, but for the warm-up.
    #[must_use]
    pub fn total(&self) -> Comparison {
        Comparison::of(&self.total, &self.settings)
    }

    /// The summary behind [`Evidence::total`].
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.total
    }
}
