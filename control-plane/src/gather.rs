//! Gathering: what many bring at once is handled together, and each waits for its own outcome.

use tokio::sync::{mpsc, oneshot};

/// Those that wait to be taken in; more wait to be let in.
const WAITING: usize = 1_024;

/// One that was brought, and where its outcome goes.
pub type Brought<I, O> = (I, oneshot::Sender<O>);

/// The end at which things are brought.
#[derive(Debug)]
pub struct Gather<I, O>(mpsc::Sender<Brought<I, O>>);

/// The end at which they are handled.
#[derive(Debug)]
pub struct Gathered<I, O>(mpsc::Receiver<Brought<I, O>>);

impl<I, O> Gather<I, O> {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Gathered<I, O>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Gathered(receiver))
    }

    /// The outcome of one; nothing if nobody handles any more.
    pub async fn bring(&self, one: I) -> Option<O> {
        let (sender, outcome) = oneshot::channel();
        self.0.send((one, sender)).await.ok()?;
        outcome.await.ok()
    }
}

impl<I, O> Gathered<I, O> {
    /// Those that have come since this was last asked, so many at most; at least one.
    pub async fn take(&mut self, most: usize) -> Vec<Brought<I, O>> {
        let mut all = Vec::new();
        self.0.recv_many(&mut all, most).await;
        all
    }
}
