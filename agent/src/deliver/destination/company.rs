//! Small payloads that wait for their turn behind each other leave as one request.
//!
//! So many small requests are taken at the rate at which they come in, however long a destination takes for one. What always
//! holds: nothing waits for company, a request is of one signal, pipeline, variant and generation, payloads leave in order, and
//! those of which a sender waits for the outcome leave alone, so that each hears of its own.

use std::sync::{Arc, Mutex, PoisonError};

use super::Destination;
use crate::deliver::batcher::{GroupKey, Parcel};
use crate::deliver::exporter::{Client, Exporter};
use crate::deliver::queued::Part;

/// Bytes of a request that is put together.
const MOST_BYTES: usize = 64 << 10;

/// Parcel that waits for its turn; nothing once it has it.
pub type WaitingParcel = Arc<Mutex<Option<Parcel>>>;

impl Destination {
    /// Has a payload sent once it is its turn, with the one before it if that waits still and both are small.
    pub(super) fn dispatch_in_company(self: &Arc<Self>, part: Part) {
        if !self.goes_in_company(&part) {
            *self.last_waiting() = None;
            return self.dispatch(vec![part]);
        }
        let mut last = self.last_waiting();
        if let Some(waiting) = &*last
            && let Some(parcel) = &mut *lock(waiting)
            && has_room(parcel, &part)
        {
            return parcel.push(part);
        }
        let waiting = Arc::new(Mutex::new(Some(vec![part])));
        *last = Some(Arc::clone(&waiting));
        let turn = self.turn();
        let destination = Arc::clone(self);
        tokio::spawn(async move {
            let turn = turn.await;
            let parcel = lock(&waiting).take();
            destination.deliver(parcel.unwrap_or_default(), turn).await;
        });
    }

    fn goes_in_company(&self, part: &Part) -> bool {
        let leaves_as_it_is = matches!(self.exporter, Exporter::Client(Client::Grpc(_) | Client::Http(_)));
        // Where a turn is free it is sent at once.
        let waits = self.consumers.available_permits() == 0;
        leaves_as_it_is && waits && part.payload.message.len() <= MOST_BYTES / 4 && !part.owed.is_awaited()
    }

    fn last_waiting(&self) -> std::sync::MutexGuard<'_, Option<WaitingParcel>> {
        self.last_waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(waiting: &WaitingParcel) -> std::sync::MutexGuard<'_, Option<Parcel>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn has_room(parcel: &Parcel, part: &Part) -> bool {
    let bytes: usize = parcel.iter().map(|part| part.payload.message.len()).sum();
    let same_key =
        parcel.first().is_some_and(|first| GroupKey::of(&first.payload) == GroupKey::of(&part.payload));
    same_key && bytes + part.payload.message.len() <= MOST_BYTES
}
