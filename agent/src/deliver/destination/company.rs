//! Small payloads that wait for their turn behind each other leave as one request.
//!
//! So many small requests are taken at the rate at which they come in, however long a destination takes for one. What always
//! holds: nothing waits for company, a request is of one signal, pipeline, variant and generation, payloads leave in order, and
//! those of which a sender waits for the outcome leave alone, so that each hears of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Destination;
use crate::deliver::batcher::{GroupKey, Parcel};
use crate::deliver::exporter::{Client, Exporter};
use crate::deliver::queued::Part;

/// Bytes of a request that is put together.
const MOST_BYTES: usize = 64 << 10;

/// Parcel that waits for its turn, with the bytes of its requests; nothing once it has it.
pub type WaitingParcel = Arc<Mutex<Option<(Parcel, usize)>>>;

impl Destination {
    /// Has a payload sent once it is its turn, with the one before it if that waits still and both are small.
    pub(super) fn dispatch_in_company(self: &Arc<Self>, part: Part) {
        if !self.goes_in_company(&part) {
            *self.last_waiting() = None;
            return self.dispatch(vec![part]);
        }
        let length = part.payload.message.len();
        let mut last = self.last_waiting();
        if let Some(waiting) = &*last
            && let Some((parcel, bytes)) = &mut *lock(waiting)
            && *bytes + length <= MOST_BYTES
            && has_key_of(parcel, &part)
        {
            *bytes += length;
            return parcel.push(part);
        }
        let waiting = Arc::new(Mutex::new(Some((vec![part], length))));
        *last = Some(Arc::clone(&waiting));
        let turn = self.turn();
        let destination = Arc::clone(self);
        tokio::spawn(async move {
            let turn = turn.await;
            let (parcel, _) = lock(&waiting).take().unwrap_or_default();
            destination.deliver(parcel, turn).await;
        });
    }

    fn goes_in_company(&self, part: &Part) -> bool {
        let leaves_as_it_is = matches!(self.exporter, Exporter::Client(Client::Grpc(_) | Client::Http(_)));
        // Where a turn is free it is sent at once.
        let waits = self.consumers.available_permits() == 0;
        leaves_as_it_is && waits && part.payload.message.len() <= MOST_BYTES / 4 && !part.owed.is_awaited()
    }

    fn last_waiting(&self) -> MutexGuard<'_, Option<WaitingParcel>> {
        self.last_waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(waiting: &WaitingParcel) -> MutexGuard<'_, Option<(Parcel, usize)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether a payload is of the signal, pipeline, variant and generation of a parcel.
fn has_key_of(parcel: &Parcel, part: &Part) -> bool {
    parcel.first().is_some_and(|first| GroupKey::of(&first.payload) == GroupKey::of(&part.payload))
}
