//! Observer of an experiment: it sees every batch, and what rules and destinations did until a window closes.

use std::sync::Arc;

use observe::{Delivery, Observer, Settings, SliceName, Slicing, Summary, Variant};
use pipelines::Batch;
use pipelines::batch::Encoded;
use pipelines::processors::{Flush, RuleStats};

use super::experiment::LostHeld;
use super::observation::{self, FlushObservation, InputObservation};
use super::split::AssignedBatch;
use super::variant::VariantPipeline;
use super::worker::Gaps;
use crate::meter::Meter;

/// Summary of a window that closed, and the scrape interval observed by then, nanoseconds.
pub type ClosedWindow = (Summary, Option<u64>);

/// Observer of both variants, with the windows that it closed.
#[derive(Debug)]
pub struct ExperimentObserver {
    observer: Observer,
    settings: Arc<Settings>,
    slicing: Option<Slicing>,
    meter: Arc<Meter>,
    closed: Vec<ClosedWindow>,
    /// True if batches of the open window were left out.
    lacks: bool,
    /// The candidate gets one in so many entities, because it does not keep up: all of them, if 1.
    one_in: u32,
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
            lacks: false,
            one_in: 1,
        }
    }

    /// Closes the set of lenses of what arrives: units are moved from here on.
    pub fn settle_lenses(&mut self) {
        self.observer.settle_lenses();
    }

    /// Length of a window, nanoseconds.
    pub fn window_nanos(&self) -> u64 {
        self.settings.window_nanos
    }

    /// Bytes of memory that what is kept of series is counted with.
    pub fn kept_bytes(&self) -> usize {
        self.observer.kept_bytes()
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

    /// Tells whether the other measures the same, so that this one can go on in its place. A share of the entities never rises
    /// again in an observer, and the next generation's candidate gets all of them.
    pub fn measures_as(&self, other: &Self) -> bool {
        let (a, b) = (&self.settings, &other.settings);
        self.one_in == other.one_in
            && a.window_nanos == b.window_nanos
            && a.report_nanos == b.report_nanos
            && a.hold_nanos == b.hold_nanos
            && a.warm_up_scrapes == b.warm_up_scrapes
            && a.lenses == b.lenses
            && a.critical == b.critical
            && a.price == b.price
            && a.bound == b.bound
            && self.slicing == other.slicing
    }

    /// Begins to observe a batch that was admitted at `now`; its identities are computed, and the window that had ended by
    /// then is closed. So many points came in, of which the candidate gets those of `input`.
    pub fn batch<'a>(&'a mut self, input: &'a Batch, now: u64, came: u64) -> InputObservation<'a> {
        InputObservation::new(&mut self.observer, input, now, came)
    }

    /// Follows one in so many entities from here on, because the candidate gets no more. The open window counts for nothing.
    pub fn sample(&mut self, one_in: u32) {
        self.one_in = one_in;
        self.observer.follow_one_in(one_in);
        let name = format!("(entities that are compared no more: the candidate keeps up with 1 in {one_in})");
        self.observer.lost_unit(name);
    }

    /// Resources of a batch, or of what was held back of it, that the candidate gets, by index; nothing where it gets all.
    pub fn part(&mut self, input: &Batch) -> Option<Vec<bool>> {
        if self.one_in == 1 {
            self.observer.takes_all();
            return None;
        }
        Some(self.observer.takes_part_of(input))
    }

    /// Leaves out of a flush what the candidate does not get, or would not get any more.
    pub fn narrow(&mut self, flush: &mut Flush) {
        if let Some(followed) = self.part(&flush.input) {
            flush.input.narrow(&followed);
            flush.output.narrow(&followed);
        }
    }

    /// Accounts for what leaves of a whole batch of which the candidate gets a part. Returns the number of points without a unit.
    pub fn audit(&mut self, assigned: AssignedBatch<'_>, leaving: &[Vec<Encoded>; 2]) -> u64 {
        observation::audit(&mut self.observer, assigned, leaving)
    }

    /// Begins to observe what a variant held back of `input` and sends now; identities of `output` are computed.
    pub fn flush(&mut self, variant: Variant, input: &Batch, output: &Batch) -> FlushObservation<'_> {
        FlushObservation::new(&mut self.observer, variant, input, output)
    }

    /// Takes what the baseline's rules did into the open window.
    pub fn account(&mut self, rules: Vec<RuleStats>) {
        if !rules.is_empty() {
            self.observer.account(Variant::Baseline, rules);
        }
    }

    /// Counts a failure of the baseline.
    pub fn baseline_failed(&mut self) {
        self.observer.failed(Variant::Baseline);
    }

    /// Counts a failure of the candidate between batches.
    pub fn candidate_failed(&mut self) {
        self.observer.failed(Variant::Candidate);
    }

    /// Takes what happened on the data path into the open window.
    pub fn take_gaps(&mut self, gaps: Gaps) {
        let Gaps { left_out, failures, lost, late } = gaps;
        self.left_out(left_out);
        (0..failures).for_each(|_| self.baseline_failed());
        for LostHeld { variant, stage, points } in lost {
            self.lost_held(variant, &stage, points);
        }
        for (points, bytes) in late {
            self.observer.delivered(Variant::Baseline, points, bytes);
        }
    }

    /// Makes the open window and the next one count for nothing, because batches were left out of both variants: of what
    /// stages remember, the candidate's lack them.
    fn left_out(&mut self, batches: u64) {
        if batches > 0 {
            self.observer.lost_unit(format!("({batches} batches that found no room beside the candidate)"));
            self.lacks = true;
        }
    }

    /// Counts points that a stage of a variant held for its units and that nothing sends any more: they are undelivered, and
    /// the open window counts for nothing.
    pub fn lost_held(&mut self, variant: Variant, stage: &str, points: u64) {
        self.observer.settled(variant, &Delivery { failed: points, ..Delivery::default() });
        self.observer.lost_unit(format!("({points} points that {stage} of the {} held)", variant.name()));
    }

    /// Closes the window that has ended by `now`.
    pub fn roll(&mut self, candidate: Option<&mut VariantPipeline>, now: u64) {
        if self.observer.is_over(now) {
            self.collect(candidate);
        }
        if let Some(summary) = self.observer.roll(now) {
            self.closed.push((summary, self.observer.interval_nanos()));
            if std::mem::take(&mut self.lacks) {
                self.observer.lost_unit("(batches that were left out just before)".to_owned());
            }
        }
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, mut candidate: Option<&mut VariantPipeline>, now: u64) {
        self.roll(candidate.as_deref_mut(), now);
        self.collect(candidate);
        let summary = self.observer.cut(now);
        self.closed.push((summary, self.observer.interval_nanos()));
    }

    /// Takes what the candidate's rules and the destinations did into the open window.
    fn collect(&mut self, candidate: Option<&mut VariantPipeline>) {
        for variant in Variant::BOTH {
            self.observer.settled(variant, &self.meter.take(variant));
        }
        if let Some(pipeline) = candidate {
            self.observer.account(Variant::Candidate, pipeline.take_rule_stats());
        }
    }
}
