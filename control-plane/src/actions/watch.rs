//! Streams to people who watch: at most so many at once, each with a bounded queue, each ended with the process and with
//! the session that opened it.
//!
//! What ends a stream before its time is told as its last item, for which a place in the queue is kept free.

use std::time::Duration;

use gate::{Crowd, Place};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::auth::{self, Actor};
use crate::id::UserId;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Items that wait to be read.
const QUEUE: usize = 16;
/// Without a signal, a watcher looks this often.
const PERIOD: Duration = Duration::from_secs(5);

/// Stream that somebody watches. A problem is the last item.
pub type Stream<T> = ReceiverStream<Result<T, Refusal>>;

/// The other end of it.
pub(super) struct Watcher<T> {
    state: AppState,
    sender: mpsc::Sender<Result<T, Refusal>>,
    last: mpsc::OwnedPermit<Result<T, Refusal>>,
    signal: watch::Receiver<u64>,
    departures: watch::Receiver<u64>,
    actor: Actor,
    _one_of_many: Place<UserId>,
}

impl<T: Send + 'static> Watcher<T> {
    /// Both ends of a stream to `actor`.
    ///
    /// # Errors
    /// 503 past the bound, and 429 past their share of it.
    pub(super) fn open(state: &AppState, actor: &Actor) -> Result<(Self, Stream<T>), Refusal> {
        let too_many = || Refusal::unavailable("too many streams are open");
        let place = state.hub.watchers.enter(actor.user_id).map_err(|crowd| match crowd {
            Crowd::Full => too_many(),
            Crowd::Peer => Refusal::too_many("too many streams are open, and you have your share of them", 1),
        })?;
        let (sender, receiver) = mpsc::channel(QUEUE + 1);
        let last = sender.clone().try_reserve_owned().map_err(|_| too_many())?;
        let (signal, departures) = (state.hub.events.subscribe(), state.hub.departures.subscribe());
        let (state, actor) = (state.clone(), actor.clone());
        let watcher = Self { state, sender, last, signal, departures, actor, _one_of_many: place };
        Ok((watcher, ReceiverStream::new(receiver)))
    }

    /// Sends an item, once there is room for it.
    ///
    /// # Errors
    /// The process ends, or nobody watches any more.
    pub(super) async fn send(&self, item: T) -> Result<(), Refusal> {
        tokio::select! {
            sent = self.sender.send(Ok(item)) => sent.map_err(|_| gone()),
            () = self.state.stopped() => Err(stopping()),
        }
    }

    /// Waits until there may be something new.
    ///
    /// # Errors
    /// The process or the session ends, or nobody watches any more.
    pub(super) async fn wait(&mut self) -> Result<(), Refusal> {
        tokio::select! {
            _ = self.signal.changed() => Ok(()),
            _ = self.departures.changed() => Ok(()),
            () = tokio::time::sleep(PERIOD) => Ok(()),
            () = self.sender.closed() => Err(gone()),
            () = self.state.stopped() => Err(stopping()),
        }?;
        auth::still(&self.state.store, self.state.clock.now(), &self.actor).await
    }

    /// Waits so long in any case.
    ///
    /// # Errors
    /// The process ends, or nobody watches any more.
    pub(super) async fn rest(&self, time: Duration) -> Result<(), Refusal> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.sender.closed() => Err(gone()),
            () = self.state.stopped() => Err(stopping()),
        }
    }

    /// Ends the stream, by what it ended with.
    pub(super) fn end(self, ended: Result<(), Refusal>) {
        if let Err(problem) = ended {
            self.last.send(Err(problem));
        }
    }
}

fn stopping() -> Refusal {
    Refusal::unavailable("the control plane is stopping; go on from the last item")
}

fn gone() -> Refusal {
    Refusal::unavailable("nobody watches")
}
