//! Where what stages hold is kept: on the disk of the pipeline's first exporter that has one, else nowhere, and told so; and what
//! becomes of what a process before has left there. Nothing of that is dropped unless somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipelines::split::Weight;
use segments::Log;

use super::apply::Controller;
use crate::config::Settings;
use crate::deliver::{HeldContent, HeldDamage, HeldLog, StorageSettings, ids_before};
use crate::engine::{AcknowledgeMode, HeldInputs, Routes};
use crate::generation::{Intent, held};
use crate::ledger::file;
use crate::telemetry::HeldLeft;

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
            let before = ids_before(plan, &stage);
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
            Some(HeldInputs { stage, before, log: log.ok()? })
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

/// Name of the file in a log's directory by which somebody has asked to drop what it has.
const DROP: &str = "drop";
/// Name of the file in the data directory that has the directories in which queues are, or were and have something still.
const STORAGES: &str = "storages.json";

/// Logs that a process before has left and that no pipeline writes any more.
#[derive(Debug, Default)]
pub(super) struct LeftLogs {
    /// Those that leave, by the pipeline that takes what they have.
    pub taken: BTreeMap<String, Vec<Arc<HeldLog>>>,
    /// Those that stay.
    pub stay: Vec<HeldLeft>,
}

impl Controller {
    /// Storages of the exporters, and those that exporters had before and in which something still lies.
    pub(super) fn storages(&self, settings: &Settings) -> Vec<StorageSettings> {
        let path = settings.data_dir.as_ref().map(|data_dir| data_dir.join(STORAGES));
        let known = path.as_deref().and_then(|path| {
            let unread = |why: &String| tracing::error!(path = %path.display(), why, "earlier directories of queues are not known");
            file::read::<BTreeSet<PathBuf>>(path).inspect_err(unread).ok()?
        });
        let known = known.unwrap_or_default();
        let mut storages: Vec<_> =
            settings.exporters.iter().filter_map(|exporter| exporter.storage.clone()).collect();
        let earlier =
            known.iter().filter(|known| storages.iter().all(|storage| storage.directory != **known));
        let earlier = earlier.map(|directory| StorageSettings::of_directory(directory.clone()));
        let earlier: Vec<_> = earlier.filter(StorageSettings::has_records).collect();
        storages.extend(earlier);
        let now: BTreeSet<PathBuf> = storages.iter().map(|storage| storage.directory.clone()).collect();
        if let Some(path) = path.filter(|_| now != known)
            && let Err(error) = file::write(&path, &now)
        {
            tracing::error!(path = %path.display(), %error, "the directories of queues are not written down");
        }
        storages
    }

    /// Drops the logs that nobody has opened and that somebody has asked to drop, and counts what they had.
    pub(super) fn drop_asked(&self, storages: &[StorageSettings]) {
        for (directory, (pipeline, _)) in self.shared.destinations.left_held(storages) {
            if !directory.join(DROP).exists() {
                continue;
            }
            let content = HeldContent::read(&directory);
            let removed = content.and_then(|content| {
                Log::remove(&directory).map_err(|error| error.to_string()).map(|()| content)
            });
            let directory = directory.display();
            match removed {
                Ok(HeldContent { inputs, points, .. }) => {
                    self.shared.delivery_ledger.held_dropped(points);
                    tracing::warn!(%directory, pipeline, inputs, points, "what stages held is dropped, because somebody asked for it");
                }
                Err(why) => {
                    tracing::error!(%directory, pipeline, why, "what stages held cannot be dropped");
                }
            }
        }
    }

    /// Logs that no pipeline writes: those of a pipeline that is there are taken by it, and others by the one pipeline of
    /// metrics, if there is one alone.
    pub(super) fn left_logs(&self, storages: &[StorageSettings], pipelines: &BTreeSet<&str>) -> LeftLogs {
        let mut left = LeftLogs::default();
        for (directory, (pipeline, storage)) in self.shared.destinations.left_held(storages) {
            let only = pipelines.first().filter(|_| pipelines.len() == 1);
            let opened = match pipelines.get(pipeline.as_str()).or(only) {
                Some(taker) => {
                    let log = self.shared.destinations.held_log(&pipeline, storage, &self.shared.budget);
                    log.map(|log| left.taken.entry((*taker).to_owned()).or_default().push(log))
                }
                None if pipelines.is_empty() => Err("there is no pipeline of metrics".to_owned()),
                None => Err(format!(
                    "no pipeline is called {pipeline}, and of several pipelines of metrics none is meant"
                )),
            };
            if let Err(why) = opened {
                left.stay.push(stays(&directory, pipeline, why));
            }
        }
        left
    }

    /// Tells what of the logs could not be read, and what stays on disk.
    pub(super) fn tell_left(&self, stay: Vec<HeldLeft>) {
        for HeldLeft { directory, pipeline, inputs, points, why, what_to_do, .. } in &stay {
            tracing::error!(
                directory,
                pipeline,
                inputs,
                points,
                why,
                what_to_do,
                "what stages held when an agent died stays on disk"
            );
        }
        let damaged = self.shared.destinations.take_held_damage();
        self.shared.health.update(|condition| condition.held_left = stay);
        for (pipeline, HeldDamage { points, bytes }) in damaged {
            self.shared.delivery_ledger.held_damaged(points);
            let text = format!(
                "{bytes} bytes of what its stages held when an agent died cannot be read; {points} points that came with them are \
                 counted as lost, and those of inputs whose head cannot be read either are not known"
            );
            tracing::error!(pipeline, "{text}");
            self.shared.health.update(|condition| drop(condition.held_damaged.insert(pipeline, text)));
        }
    }
}

/// What is known of a log that stays as it is.
fn stays(directory: &Path, pipeline: String, why: String) -> HeldLeft {
    let (content, why) = match HeldContent::read(directory) {
        Ok(content) => (content, why),
        Err(unread) => (HeldContent::default(), format!("{why}; and it cannot be read: {unread}")),
    };
    let directory = directory.display();
    let what_to_do = format!(
        "name a pipeline of metrics {pipeline}, or leave one pipeline of metrics alone, and they leave by it; to give them up, \
         make the file {directory}/{DROP}; then send SIGHUP"
    );
    HeldLeft {
        pipeline,
        stages: content.stages.into_iter().collect(),
        inputs: content.inputs,
        points: content.points,
        since: content.since.map(|since| humantime::format_rfc3339_seconds(since).to_string()),
        why,
        directory: directory.to_string(),
        what_to_do,
    }
}

/// Tells whether units leave by the candidate.
fn splits(intent: &Intent) -> bool {
    intent.experiment.as_ref().is_some_and(|experiment| experiment.split.weight > Weight::NONE)
}
