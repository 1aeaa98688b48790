//! Windows of the generation in charge: closed by the clock or by the end of a generation, filed as evidence, and
//! reported through the outbox once a horizon is complete.

use std::sync::MutexGuard;

use observe::{Evidence, Horizon, Variant};
use pipelines::config::ComponentId;
use proto::Findings;
use proto::v1::{ReportKey, ReportRequest};

use super::observer::ClosedWindow;
use super::variant::VariantPipeline;
use super::worker::{GenerationState, Worker};
use super::{Engine, now};
use crate::generation::LOCAL;

impl Engine {
    /// Lets time pass in the pipelines, to be called now and then, off the data path's threads: sends what is due, and has
    /// the candidate's worker close the windows that have ended.
    pub fn tick(&self, now: u64) {
        self.ring.relieve();
        let current = self.current.load_full();
        let mut guard = current.generation.worker();
        let Some(worker) = guard.as_mut().and_then(|worker| worker.as_mut()) else {
            // What a log had may wait for room where nothing else does.
            self.send_pending();
            return;
        };
        let flushes = self.advance(&current, worker, now);
        self.count_rules(Variant::Baseline, &mut worker.baseline);
        self.show_levels(Some(worker));
        let Worker { baseline, feed: Some(feed), .. } = worker else { return };
        feed.tick(baseline, now, flushes);
    }

    /// Counts and files what is left in a generation that ends at `now`.
    pub(super) fn close(&self, state: &mut GenerationState, now: u64) {
        self.count_rules(Variant::Baseline, &mut state.baseline);
        let GenerationState { baseline, experiment: Some(experiment), .. } = state else { return };
        if let Some(candidate) = experiment.candidate.pipeline_mut() {
            self.count_rules(Variant::Candidate, candidate);
        }
        experiment.observer.account(baseline.take_rule_stats());
        experiment.end(now);
        self.file(self.evidence(), experiment.observer.take_closed());
    }

    /// Counts what a pipeline's rules dropped, and shows what its stages keep.
    pub(super) fn count_rules(&self, variant: Variant, pipeline: &mut VariantPipeline) {
        self.metrics.rules(variant, pipeline.take_rule_counts());
        self.metrics.stages(variant, pipeline.take_stage_counts());
        self.metrics.kept(variant, pipeline.kept());
        for (stage, series) in pipeline.newly_evicted() {
            let variant = variant.name();
            tracing::warn!(
                variant,
                stage,
                series,
                "a stage has no room for more series, by its bound or by memory_limit: it forgot, or did not take, so many"
            );
        }
    }

    pub(super) fn show_levels(&self, worker: Option<&Worker>) {
        let text = |(stage, level): (&ComponentId, &str)| (stage.to_string(), level.to_owned());
        let of_baseline = worker.into_iter().flat_map(|worker| worker.baseline.levels().map(text));
        let of_candidate = worker.and_then(|worker| worker.feed.as_ref()).into_iter();
        let of_candidate = of_candidate.flat_map(|feed| feed.worker().levels());
        let all = of_baseline.map(|level| (Variant::Baseline, level));
        self.metrics.levels(all.chain(of_candidate.map(|level| (Variant::Candidate, level))));
    }

    /// Takes windows that closed into the evidence, and reports the horizons that are complete.
    pub(super) fn file(&self, mut evidence: MutexGuard<'_, Option<Evidence>>, closed: Vec<ClosedWindow>) {
        let Some(evidence) = evidence.as_mut() else { return };
        for (summary, interval) in closed {
            if let Some(horizon) = evidence.add(summary, interval)
                && evidence.experiment().name != LOCAL
            {
                self.reporter.outbox.put(self.report_of(evidence, horizon));
            }
        }
    }

    /// Reports what is left of the last horizon of a generation that ends and with which nothing goes on. Where the next one goes
    /// on with it, its reports have it.
    pub(super) fn file_rest(&self, evidence: &mut Evidence) {
        if evidence.experiment().name == LOCAL {
            return;
        }
        if let Some(rest) = evidence.take_rest() {
            self.reporter.outbox.put(self.report_of(evidence, rest));
        }
    }

    fn report_of(&self, evidence: &Evidence, horizon: Horizon) -> ReportRequest {
        let experiment = evidence.experiment();
        let findings = Findings {
            window_end: horizon.end,
            made_at: now(),
            weight_bp: experiment.weight_bp,
            warm_up_windows: horizon.warm_up_windows,
            horizon: horizon.comparison,
            total: evidence.total(),
            candidate_cut: self.health.condition().candidate_cut,
            baseline_digest: experiment.baseline.clone(),
            candidate_digest: experiment.candidate.clone(),
            slices: horizon.slices,
            ended: horizon.ended,
        };
        let (body, digest) = findings.encode();
        let key = ReportKey {
            boot_id: self.reporter.boot_id.clone(),
            experiment: experiment.name.clone(),
            generation: experiment.generation,
            window_start: horizon.start,
        };
        ReportRequest { key: Some(key), digest: digest.to_vec(), body, ..ReportRequest::default() }
    }
}
