//! Every destination there is, over changes of the config.
//!
//! An exporter whose settings did not change keeps its destination, queue and connection. One that is
//! gone or changed delivers what it has queued and is forgotten then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    Destination, DiskQueue, ExporterSettings, HeldDamage, HeldLog, SavedStages, StorageSettings,
    StorageStatus,
};
use crate::admission::Budget;
use crate::delivery_ledger::DeliveryLedger;

/// The destinations in force, and those that only finish what they have.
#[derive(Debug, Default)]
pub struct Destinations {
    lists: Mutex<DestinationLists>,
    /// Queues on disk by directory, each open until the process ends: a destination may go on with that of another.
    queues: Mutex<BTreeMap<PathBuf, DiskQueue>>,
    /// States of stages that were found in them and that nobody has asked for.
    saved: Mutex<Vec<SavedStages>>,
    /// Logs of what stages hold by directory, each open until the process ends.
    held: Mutex<BTreeMap<PathBuf, Arc<HeldLog>>>,
}

#[derive(Debug, Default)]
struct DestinationLists {
    live: Vec<(ExporterSettings, Arc<Destination>)>,
    leaving: Vec<Arc<Destination>>,
}

impl Destinations {
    /// A destination for each exporter, in order; `build` makes those that are new. Nothing changes
    /// before [`Self::adopt`].
    ///
    /// # Errors
    /// What `build` says.
    pub fn prepare<E>(
        &self,
        exporters: &[ExporterSettings],
        build: impl Fn(&ExporterSettings) -> Result<Destination, E>,
    ) -> Result<Vec<(ExporterSettings, Arc<Destination>)>, E> {
        let lists = self.lists();
        let keep = |exporter: &ExporterSettings| {
            let found = lists.live.iter().find(|(settings, _)| settings == exporter);
            found.map(|(_, destination)| Arc::clone(destination))
        };
        let prepare = |exporter: &ExporterSettings| {
            let destination = keep(exporter).map_or_else(|| build(exporter).map(Arc::new), Ok)?;
            Ok((exporter.clone(), destination))
        };
        exporters.iter().map(prepare).collect()
    }

    /// The queue on disk of an exporter, opened if it is not. What it has is told to the ledger then.
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn queue(
        &self,
        exporter: &str,
        settings: &StorageSettings,
        budget: &Budget,
        ledger: &DeliveryLedger,
    ) -> Result<DiskQueue, String> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = settings.queue_of(exporter);
        if let Some(open) = queues.get(&directory) {
            return Ok(open.clone());
        }
        let (queue, items, saved) = DiskQueue::open(exporter, settings, budget)?;
        ledger.recovered(items);
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).extend(saved);
        queues.insert(directory, queue.clone());
        Ok(queue)
    }

    /// The log of what a stage of a pipeline holds, opened if it is not.
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn held_log(
        &self,
        pipeline: &str,
        settings: &StorageSettings,
        budget: &Budget,
    ) -> Result<Arc<HeldLog>, String> {
        let mut logs = self.held_logs();
        let directory = settings.held_of(pipeline);
        if let Some(open) = logs.get(&directory) {
            return Ok(Arc::clone(open));
        }
        let log = Arc::new(HeldLog::open(pipeline, directory.clone(), settings, budget)?);
        logs.insert(directory, Arc::clone(&log));
        Ok(log)
    }

    fn held_logs(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<HeldLog>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// States of stages that queues on disk had when they were opened, since this was last asked.
    pub fn take_saved(&self) -> Vec<SavedStages> {
        std::mem::take(&mut *self.saved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Directories of queues whose exporters there are no more: what they have is not delivered.
    pub fn abandoned(&self, storages: &[StorageSettings]) -> BTreeSet<PathBuf> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let abandoned = |storage: &StorageSettings| storage.abandoned(|path| queues.contains_key(path));
        storages.iter().flat_map(abandoned).collect()
    }

    /// Logs of what stages held that are not open, by directory: the pipeline of each and the storage that it is in.
    pub fn left_held<'a>(
        &self,
        storages: &'a [StorageSettings],
    ) -> BTreeMap<PathBuf, (String, &'a StorageSettings)> {
        let logs = self.held_logs();
        let left = |storage: &'a StorageSettings| {
            let found = storage.left_held(|path| logs.contains_key(path));
            found.into_iter().map(move |(path, pipeline)| (path, (pipeline, storage)))
        };
        storages.iter().flat_map(left).collect()
    }

    /// What could not be read of logs of what stages held, since this was last asked, by pipeline.
    pub fn take_held_damage(&self) -> BTreeMap<String, HeldDamage> {
        let damage = |log: &Arc<HeldLog>| (log.pipeline().to_owned(), log.take_damage());
        let damage = self.held_logs().values().map(damage).collect::<Vec<_>>();
        damage.into_iter().filter(|(_, damage)| *damage != HeldDamage::default()).collect()
    }

    /// State of the queues on disk that are in force, by exporter.
    pub fn storage(&self) -> BTreeMap<String, StorageStatus> {
        let lists = self.lists();
        let live = lists.live.iter().map(|(_, live)| live);
        live.filter_map(|live| Some((live.name().to_owned(), live.storage()?))).collect()
    }

    /// Puts prepared destinations in the place of those there were.
    pub fn adopt(&self, prepared: Vec<(ExporterSettings, Arc<Destination>)>) {
        let mut lists = self.lists();
        let old = std::mem::replace(&mut lists.live, prepared);
        let stays = |gone: &Arc<Destination>| lists.live.iter().any(|(_, live)| Arc::ptr_eq(live, gone));
        let gone: Vec<_> = old.into_iter().map(|(_, gone)| gone).filter(|gone| !stays(gone)).collect();
        for (settings, live) in &lists.live {
            gone.iter().for_each(|gone| gone.followed_by(live));
            live.lead(settings.storage.as_ref().is_some_and(|storage| storage.fsync));
        }
        lists.leaving.extend(gone);
    }

    /// All of them, those that only finish included.
    pub fn all(&self) -> Vec<Arc<Destination>> {
        let mut lists = self.lists();
        // A request still on its way in holds a reference as well as a place.
        lists.leaving.retain(|leaving| !leaving.is_empty() || Arc::strong_count(leaving) > 1);
        let live = lists.live.iter().map(|(_, live)| live);
        live.chain(&lists.leaving).cloned().collect()
    }

    /// Those in force whose last attempt failed, each with the reason.
    pub fn failing(&self) -> BTreeMap<String, String> {
        let lists = self.lists();
        let live = lists.live.iter().map(|(_, live)| live);
        live.filter_map(|live| Some((live.name().to_owned(), live.failing()?))).collect()
    }

    /// Sends what waits for company in any of them. Nothing waits for it afterward.
    pub fn hurry(&self) {
        self.all().iter().for_each(Destination::hurry);
    }

    /// Waits until every queue is empty, or `deadline`: none of them for another.
    pub async fn drain(&self, deadline: Instant) {
        let all = self.all();
        join_all(all.iter().map(|destination| destination.drain(deadline))).await;
        let held: Vec<_> = self.held_logs().values().cloned().collect();
        let caught_up = join_all(held.iter().map(|log| log.caught_up()));
        // What is not settled is played by the next start, and counted as doubtful.
        let _counted_then = tokio::time::timeout_at(deadline, caught_up).await;
    }

    fn lists(&self) -> MutexGuard<'_, DestinationLists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
