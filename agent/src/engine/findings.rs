//! Closed windows into evidence, and what was found in a whole horizon into the outbox.

use std::sync::MutexGuard;

use observe::{Evidence, Horizon};
use proto::Findings;
use proto::v1::{ReportKey, ReportRequest};

use super::trial::Closed;
use super::{Engine, now};
use crate::config::LOCAL;

impl Engine {
    pub(super) fn file(&self, mut evidence: MutexGuard<'_, Option<Evidence>>, closed: Vec<Closed>) {
        let Some(evidence) = evidence.as_mut() else { return };
        for (summary, interval) in closed {
            if let Some(horizon) = evidence.add(summary, interval)
                && evidence.experiment().name != LOCAL
            {
                self.telling.outbox.put(self.report_of(evidence, horizon));
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
        };
        let (body, digest) = findings.encode();
        let key = ReportKey {
            boot_id: self.telling.boot_id.clone(),
            experiment: experiment.name.clone(),
            generation: experiment.generation,
            window_start: horizon.start,
        };
        ReportRequest { key: Some(key), digest: digest.to_vec(), body }
    }
}
