//! Windows of the generation in charge: closed by the clock or by the end of a generation, filed as evidence, and
//! reported through the outbox once a horizon is complete.

use std::sync::MutexGuard;

use observe::{Evidence, Horizon, Variant};
use proto::Findings;
use proto::v1::{ReportKey, ReportRequest};

use super::observer::ClosedWindow;
use super::variant::VariantPipeline;
use super::worker::Worker;
use super::{Engine, now};
use crate::generation::LOCAL;

impl Engine {
    /// Lets time pass in the pipelines, to be called now and then, off the data path's threads: sends what is due,
    /// closes windows that have ended, and files them.
    pub fn tick(&self, now: u64) {
        let current = self.current.load_full();
        let mut guard = current.generation.worker();
        let Some(worker) = guard.as_mut().and_then(|worker| worker.as_mut()) else { return };
        self.advance(&current, worker, now);
        self.count_rules(worker);
        let Worker { baseline, experiment: Some(experiment), .. } = worker else { return };
        experiment.roll(baseline, now);
        let closed = experiment.observer.take_closed();
        if let Some((id, keys)) = self.reporter.outbox.take_asked() {
            self.reporter.outbox.answer(id, experiment.observer.names(&keys));
        }
        // Taken while the worker is still held, so that no other generation comes in between; filing
        // takes a while, and batches need not wait for it.
        let evidence = self.evidence();
        drop(guard);
        self.file(evidence, closed);
    }

    /// Counts and files what is left in a worker whose generation ends at `now`.
    pub(super) fn close(&self, worker: &mut Worker, now: u64) {
        self.count_rules(worker);
        let Worker { baseline, experiment: Some(experiment), .. } = worker else { return };
        experiment.end(baseline, now);
        self.file(self.evidence(), experiment.observer.take_closed());
    }

    fn count_rules(&self, worker: &mut Worker) {
        self.metrics.rules(Variant::Baseline, worker.baseline.take_rule_counts());
        self.metrics.kept(Variant::Baseline, worker.baseline.kept());
        if let Some(pipeline) =
            worker.experiment.as_mut().and_then(|experiment| experiment.candidate.pipeline_mut())
        {
            self.metrics.rules(Variant::Candidate, pipeline.take_rule_counts());
            self.metrics.kept(Variant::Candidate, pipeline.kept());
        }
        self.show_levels(Some(worker));
    }

    pub(super) fn show_levels(&self, worker: Option<&Worker>) {
        let candidate = worker.and_then(|worker| worker.experiment.as_ref()?.candidate.pipeline());
        let pipelines =
            [(Variant::Baseline, worker.map(|worker| &worker.baseline)), (Variant::Candidate, candidate)];
        self.metrics.levels(pipelines.into_iter().flat_map(|(variant, pipeline)| {
            pipeline
                .into_iter()
                .flat_map(VariantPipeline::levels)
                .map(move |(stage, level)| (variant, stage, level))
        }));
    }

    fn file(&self, mut evidence: MutexGuard<'_, Option<Evidence>>, closed: Vec<ClosedWindow>) {
        let Some(evidence) = evidence.as_mut() else { return };
        for (summary, interval) in closed {
            if let Some(horizon) = evidence.add(summary, interval)
                && evidence.experiment().name != LOCAL
            {
                self.reporter.outbox.put(self.report_of(evidence, horizon));
            }
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
