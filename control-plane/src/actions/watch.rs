//! Streams to people who watch: at most so many at once, each with a bounded queue, each ended with the process.
//!
//! What ends a stream before its time is told as its last item, for which a place in the queue is kept free.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

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
    _one_of_many: OwnedSemaphorePermit,
}

impl<T: Send + 'static> Watcher<T> {
    /// Both ends of a stream.
    ///
    /// # Errors
    /// 503 past the bound.
    pub(super) fn open(state: &AppState) -> Result<(Self, Stream<T>), Refusal> {
        let too_many = || Refusal::unavailable("too many streams are open");
        let permit = state.hub.watchers.one().ok_or_else(too_many)?;
        let (sender, receiver) = mpsc::channel(QUEUE + 1);
        let last = sender.clone().try_reserve_owned().map_err(|_| too_many())?;
        let signal = state.hub.events.subscribe();
        let watcher = Self { state: state.clone(), sender, last, signal, _one_of_many: permit };
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
    /// The process ends, or nobody watches any more.
    pub(super) async fn wait(&mut self) -> Result<(), Refusal> {
        tokio::select! {
            _ = self.signal.changed() => Ok(()),
            () = tokio::time::sleep(PERIOD) => Ok(()),
            () = self.sender.closed() => Err(gone()),
            () = self.state.stopped() => Err(stopping()),
        }
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
