//! Gathering: what many bring at once is handled together, and each waits for its own outcome.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// The most bytes of those that are brought by their size.
pub const BYTES: usize = 64 << 20;

/// One that was brought, and the end at which its outcome is told.
pub type Brought<I, O> = (I, Waiting<O>);

/// End at which an outcome is told, with the room that is taken until then.
#[derive(Debug)]
pub struct Waiting<O> {
    outcome: oneshot::Sender<O>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Reason for which one is not handled now. It may be brought again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unhandled {
    /// As many, or as large ones, wait as may.
    #[error("too many wait")]
    Full,
    /// Nobody handles any more.
    #[error("nobody handles any more")]
    Ended,
}

/// Those that come while others are handled, and are then handled together by one of those who brought them.
#[derive(Debug)]
pub struct Pile<T> {
    turn: tokio::sync::Mutex<()>,
    all: Mutex<Vec<T>>,
}

/// The end at which things are brought.
#[derive(Debug)]
pub struct Gather<I, O> {
    sender: mpsc::Sender<Brought<I, O>>,
    room: Arc<Semaphore>,
}

/// The end at which they are handled.
#[derive(Debug)]
pub struct Gathered<I, O>(mpsc::Receiver<Brought<I, O>>);

impl<I, O> Gather<I, O> {
    /// Both ends; so many may wait to be taken in.
    #[must_use]
    pub fn new(waiting: usize) -> (Self, Gathered<I, O>) {
        let (sender, receiver) = mpsc::channel(waiting);
        (Self { sender, room: Arc::new(Semaphore::new(BYTES)) }, Gathered(receiver))
    }

    /// The outcome of one, which waits to be let in if too many wait already; nothing if nobody handles any more.
    pub async fn bring(&self, one: I) -> Option<O> {
        let (sender, outcome) = oneshot::channel();
        self.sender.send((one, Waiting { outcome: sender, _room: None })).await.ok()?;
        outcome.await.ok()
    }

    /// The outcome of one of so many bytes, if there is room for it.
    ///
    /// # Errors
    /// [`Unhandled`].
    pub async fn try_bring(&self, one: I, bytes: usize) -> Result<O, Unhandled> {
        let bytes = u32::try_from(bytes).map_err(|_| Unhandled::Full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| Unhandled::Full)?;
        let (sender, outcome) = oneshot::channel();
        let waiting = Waiting { outcome: sender, _room: Some(room) };
        self.sender.try_send((one, waiting)).map_err(|error| match error {
            TrySendError::Full(_) => Unhandled::Full,
            TrySendError::Closed(_) => Unhandled::Ended,
        })?;
        outcome.await.map_err(|_| Unhandled::Ended)
    }
}

impl<I, O> Gathered<I, O> {
    /// Number of those that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.len()
    }

    /// Those that have come since this was last asked, so many at most; at least one.
    pub async fn take(&mut self, most: usize) -> Vec<Brought<I, O>> {
        let mut all = Vec::new();
        self.0.recv_many(&mut all, most).await;
        all
    }
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), all: Mutex::default() }
    }
}

impl<T> Pile<T> {
    /// Brings one and waits for those that are handled now. Returns all that are to be handled by the caller, with its turn to
    /// do so; nothing if the one was handled meanwhile.
    pub async fn bring(&self, one: T) -> Option<(Vec<T>, MutexGuard<'_, ()>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        let turn = self.turn.lock().await;
        let all = std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner));
        (!all.is_empty()).then_some((all, turn))
    }
}

impl<O> Waiting<O> {
    /// Tells the outcome, if anybody waits for it still.
    pub fn tell(self, outcome: O) {
        let _nobody_waits = self.outcome.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn past_the_number_and_past_the_bytes_one_is_sent_away_and_let_in_once_another_is_done() {
        let (gather, mut gathered) = Gather::<u8, u8>::new(2);
        let handling = async {
            // Both wait by then, and nobody else was let in.
            let all = gathered.take(8).await;
            assert_eq!(all.iter().map(|(one, _)| *one).collect::<Vec<_>>(), [1, 2]);
            all.into_iter().for_each(|(one, waiting)| waiting.tell(one * 10));
        };
        let first = async {
            tokio::join!(
                gather.try_bring(1, BYTES - 1),
                gather.try_bring(2, 1),
                gather.try_bring(3, 1),
                gather.try_bring(4, 0)
            )
        };
        let (outcomes, ()) = tokio::join!(first, handling);
        assert_eq!(outcomes, (Ok(10), Ok(20), Err(Unhandled::Full), Err(Unhandled::Full)));
        let next = async {
            let all = gathered.take(8).await;
            all.into_iter().for_each(|(one, waiting)| waiting.tell(one));
        };
        let (outcome, ()) = tokio::join!(gather.try_bring(5, BYTES), next);
        assert_eq!(outcome, Ok(5));
        drop(gathered);
        assert_eq!(gather.try_bring(6, 1).await, Err(Unhandled::Ended));
    }

    #[tokio::test]
    async fn those_that_come_while_one_is_handled_are_handled_together_by_the_next() {
        let pile = Pile::default();
        let handled = Mutex::new(Vec::new());
        let bring = async |one: u8| {
            if let Some((all, _turn)) = pile.bring(one).await {
                // The others come meanwhile.
                tokio::task::yield_now().await;
                handled.lock().unwrap().push(all);
            }
        };
        tokio::join!(bring(1), bring(2), bring(3), bring(4));
        assert_eq!(*handled.lock().unwrap(), [vec![1], vec![2, 3, 4]]);
        bring(5).await;
        assert_eq!(handled.lock().unwrap().last(), Some(&vec![5]));
    }
}
