//! Life of a connection: how many requests are in progress on it, and for how long there have been none.

use std::time::Duration;

use tokio::sync::watch;

use crate::unread::Answers;

/// Longest silences of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Until its first request: preface, settings and head.
    pub head: Duration,
    /// Between two requests, whatever else it says: who answers pings is idle too.
    pub idle: Duration,
}

/// Silence that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No request came.
    Head,
    /// No further request came.
    Idle,
    /// An answer was not read.
    Unread,
}

#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    open: usize,
    any: bool,
}

/// Requests of a connection, and answers that it has not read.
#[derive(Clone, Debug, Default)]
pub struct Life {
    requests: watch::Sender<Requests>,
    pub(crate) answers: Answers,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub struct InProgress(watch::Sender<Requests>);

impl Life {
    /// A request has begun.
    #[must_use]
    pub fn begin(&self) -> InProgress {
        self.requests.send_modify(|requests| *requests = Requests { open: requests.open + 1, any: true });
        InProgress(self.requests.clone())
    }

    /// Returns when there has been no request for too long.
    pub async fn silent(&self, quiet: Quiet) -> Silence {
        let mut requests = self.requests.subscribe();
        loop {
            // This end holds a sender, so that there is always one.
            let Ok(Requests { any, .. }) =
                requests.wait_for(|requests| requests.open == 0).await.map(|now| *now)
            else {
                return Silence::Idle;
            };
            let (limit, silence) =
                if any { (quiet.idle, Silence::Idle) } else { (quiet.head, Silence::Head) };
            // One that begins and ends meanwhile is a change, too.
            if tokio::time::timeout(limit, requests.changed()).await.is_err() {
                return silence;
            }
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);
    const QUIET: Quiet = Quiet { head: Duration::from_millis(20), idle: Duration::from_millis(60) };

    #[tokio::test]
    async fn a_connection_without_a_request_ends_after_the_time_for_a_head() {
        let began = Instant::now();
        assert_eq!(Life::default().silent(QUIET).await, Silence::Head);
        assert!(began.elapsed() >= QUIET.head);
    }

    #[tokio::test]
    async fn a_request_in_progress_is_waited_for_and_the_silence_counts_from_its_end() {
        let (life, began) = (Life::default(), Instant::now());
        let (first, second) = (life.begin(), life.begin());
        tokio::spawn(async move {
            tokio::time::sleep(5 * MOMENT).await;
            drop(first);
            tokio::time::sleep(5 * MOMENT).await;
            drop(second);
        });
        assert_eq!(life.silent(QUIET).await, Silence::Idle);
        assert!(began.elapsed() >= 10 * MOMENT + QUIET.idle);
    }

    #[tokio::test]
    async fn a_request_that_begins_and_ends_unseen_counts_too() {
        let (life, began) = (Life::default(), Instant::now());
        let caller = life.clone();
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT / 4).await;
            drop(caller.begin());
        });
        assert_eq!(
            life.silent(QUIET).await,
            Silence::Idle,
            "one has come: it is not the head that is missing"
        );
        assert!(began.elapsed() >= QUIET.idle);
    }
}
