//! Observer of an experiment: it sees every batch, and what rules and destinations did until a window closes.

use std::sync::Arc;

use observe::{Observer, Settings, SliceName, Slicing, Summary, Variant};
use pipelines::Batch;

use super::observation::{FlushObservation, InputObservation};
use super::variant::VariantPipeline;
use crate::meter::Meter;

/// Summary of a window that closed, and the scrape interval observed by then, nanoseconds.
pub type ClosedWindow = (Summary, Option<u64>);

/// The pipelines of a generation, by variant; nothing for a candidate that was cut out.
pub type VariantPipelines<'a> = [Option<&'a mut VariantPipeline>; 2];

/// Observer of both variants, with the windows that it closed.
#[derive(Debug)]
pub struct ExperimentObserver {
    observer: Observer,
    settings: Arc<Settings>,
    slicing: Option<Slicing>,
    meter: Arc<Meter>,
    closed: Vec<ClosedWindow>,
}

impl ExperimentObserver {
    /// An observer that has seen no batch, from `now` on, Unix nanoseconds; with a rule for slices where other agents are
    /// compared with.
    pub fn new(settings: Arc<Settings>, slicing: Option<Slicing>, now: u64) -> Self {
        let observer = Observer::new(Arc::clone(&settings), now);
        Self {
            observer: match slicing {
                Some(slicing) => observer.slicing(slicing),
                None => observer,
            },
            settings,
            slicing,
            meter: Arc::default(),
            closed: Vec::new(),
        }
    }

    /// Closes the set of lenses of what arrives: units are moved from here on.
    pub fn settle_lenses(&mut self) {
        self.observer.settle_lenses();
    }

    /// Meter that destinations tell what becomes of the points.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Windows that closed since this was last asked.
    pub fn take_closed(&mut self) -> Vec<ClosedWindow> {
        std::mem::take(&mut self.closed)
    }

    /// Names of the series of the candidate's output with these keys, as far as they are known.
    pub fn names(&self, keys: &[u64]) -> Vec<SliceName> {
        self.observer.names(keys)
    }

    /// Tells whether the other measures the same, so that this one can go on in its place.
    pub fn measures_as(&self, other: &Self) -> bool {
        let (a, b) = (&self.settings, &other.settings);
        a.window_nanos == b.window_nanos
            && a.report_nanos == b.report_nanos
            && a.hold_nanos == b.hold_nanos
            && a.warm_up_scrapes == b.warm_up_scrapes
            && a.lenses == b.lenses
            && a.critical == b.critical
            && a.price == b.price
            && self.slicing == other.slicing
    }

    /// Begins to observe a batch that was admitted at `now`; its identities are computed.
    pub fn batch<'a>(
        &'a mut self,
        input: &'a Batch,
        pipelines: VariantPipelines<'_>,
        now: u64,
    ) -> InputObservation<'a> {
        self.roll(pipelines, now);
        InputObservation::new(&mut self.observer, input, now)
    }

    /// Begins to observe what a variant held back of `input` and sends now; identities of `output` are computed.
    pub fn flush(&mut self, variant: Variant, input: &Batch, output: &Batch) -> FlushObservation<'_> {
        FlushObservation::new(&mut self.observer, variant, input, output)
    }

    /// Counts a failure of the candidate between batches.
    pub fn candidate_failed(&mut self) {
        self.observer.failed(Variant::Candidate);
    }

    /// Closes the window that has ended by `now`.
    pub fn roll(&mut self, pipelines: VariantPipelines<'_>, now: u64) {
        if self.observer.is_over(now) {
            self.collect(pipelines);
        }
        if let Some(summary) = self.observer.roll(now) {
            self.closed.push((summary, self.observer.interval_nanos()));
        }
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, mut pipelines: VariantPipelines<'_>, now: u64) {
        self.roll(pipelines.each_mut().map(|pipeline| pipeline.as_deref_mut()), now);
        self.collect(pipelines);
        let summary = self.observer.cut(now);
        self.closed.push((summary, self.observer.interval_nanos()));
    }

    /// Takes what the rules of both pipelines and the destinations did into the open window.
    fn collect(&mut self, pipelines: VariantPipelines<'_>) {
        for (variant, pipeline) in Variant::BOTH.into_iter().zip(pipelines) {
            self.observer.settled(variant, &self.meter.take(variant));
            if let Some(pipeline) = pipeline {
                self.observer.account(variant, pipeline.take_rule_stats());
            }
        }
    }
}
