//! Where what stages hold is kept: on the disk of the pipeline's first exporter that has one, else nowhere, and told so.

use pipelines::split::Weight;

use super::apply::Controller;
use crate::config::Settings;
use crate::engine::{AcknowledgeMode, HeldInputs, Routes};
use crate::generation::{Intent, held};

impl Controller {
    /// Log of what the baseline's stage of a pipeline holds, where senders are told more than that their data was accepted. What
    /// is on no disk then is added to `not_persisted`.
    pub(super) fn held_inputs(
        &self,
        pipeline: &str,
        intent: &Intent,
        (leads, routes): (bool, &Routes),
        settings: &Settings,
        not_persisted: &mut Vec<String>,
    ) -> Option<HeldInputs> {
        let baseline = intent.baseline.as_ref().filter(|plan| !plan.hold().is_zero());
        let is_told_more = settings.acknowledge.0 != AcknowledgeMode::OnAccept;
        let found = baseline.filter(|_| is_told_more).and_then(|plan| {
            let stage = plan.only_holding().filter(|_| !splits(intent))?.clone();
            let mut destinations = routes.metrics.iter().flatten();
            let storage = destinations.find_map(|destination| {
                let exporter =
                    settings.exporters.iter().find(|exporter| exporter.id == destination.name())?;
                exporter.storage.as_ref()
            })?;
            let log = self.shared.destinations.held_log(pipeline, storage, &self.shared.budget);
            let log = log.inspect_err(|why| {
                tracing::error!(pipeline, why, "what its stages hold cannot be kept on disk");
            });
            Some(HeldInputs { stage, log: log.ok()? })
        });
        match (&found, leads) {
            _ if !is_told_more => {}
            (Some(HeldInputs { stage, .. }), _) => {
                tracing::info!(pipeline, stage = %stage.id, "what it holds is on disk until it leaves");
            }
            (None, true) => not_persisted.extend(intent.held()),
            (None, false) => not_persisted.extend(baseline.and_then(|plan| held(plan, pipeline))),
        }
        found
    }
}

/// Tells whether units leave by the candidate.
fn splits(intent: &Intent) -> bool {
    intent.experiment.as_ref().is_some_and(|experiment| experiment.split.weight > Weight::NONE)
}
