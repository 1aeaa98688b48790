//! Every destination there is, over changes of the config.
//!
//! An exporter whose settings did not change keeps its destination, queue and connection. One that is
//! gone or changed delivers what it has queued and is forgotten then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Destination;
use crate::config::Exporter;

/// See the module.
#[derive(Debug, Default)]
pub struct Destinations(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    live: Vec<(Exporter, Arc<Destination>)>,
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
        exporters: &[Exporter],
        build: impl Fn(&Exporter) -> Result<Destination, E>,
    ) -> Result<Vec<(Exporter, Arc<Destination>)>, E> {
        let known = self.known();
        let keep = |exporter: &Exporter| {
            let found = known.live.iter().find(|(settings, _)| settings == exporter);
            found.map(|(_, destination)| Arc::clone(destination))
        };
        let prepare = |exporter: &Exporter| {
            let destination = keep(exporter).map_or_else(|| build(exporter).map(Arc::new), Ok)?;
            Ok((exporter.clone(), destination))
        };
        exporters.iter().map(prepare).collect()
    }

    /// Puts prepared destinations in the place of those there were.
    pub fn adopt(&self, prepared: Vec<(Exporter, Arc<Destination>)>) {
        let mut known = self.known();
        let old = std::mem::replace(&mut known.live, prepared);
        let stays = |gone: &Arc<Destination>| known.live.iter().any(|(_, live)| Arc::ptr_eq(live, gone));
        let gone: Vec<_> = old.into_iter().map(|(_, gone)| gone).filter(|gone| !stays(gone)).collect();
        known.leaving.extend(gone);
    }

    /// All of them, those that only finish included.
    pub fn all(&self) -> Vec<Arc<Destination>> {
        let mut known = self.known();
        // A request still on its way in holds a reference as well as a place.
        known.leaving.retain(|leaving| leaving.load().0 > 0 || Arc::strong_count(leaving) > 1);
        let live = known.live.iter().map(|(_, live)| live);
        live.chain(&known.leaving).cloned().collect()
    }

    /// Waits until every queue is empty, or `deadline`.
    pub async fn drain(&self, deadline: Instant) {
        for destination in self.all() {
            destination.drain(deadline).await;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
