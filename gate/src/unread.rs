//! Answers that a peer does not read: it asks, opens no window or reads no byte, and keeps what waits for it.
//!
//! An answer counts from when it is ready until the peer has made room for all of it. A connection with one that waits for too
//! long ends, with all that it holds. So what a peer keeps is bounded in time, and in number by its streams.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Buf, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Life;

/// Longest time that an answer waits for a peer to make room for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Least bytes a second that a peer reads of a long one besides.
const RATE: u64 = 16 << 10;
/// Time between two looks at what waits.
const LOOK: Duration = Duration::from_secs(5);

/// Answers of a connection that its peer has not read yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// Instants at which each has waited for too long.
    due: BTreeMap<u64, Instant>,
}

/// An answer that a peer has to read, until it is dropped.
#[derive(Debug)]
pub struct Unread {
    answers: Answers,
    number: u64,
}

impl Answers {
    pub(crate) fn begin(&self, patience: Duration) -> Unread {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.due.insert(number, Instant::now() + patience);
        Unread { answers: self.clone(), number }
    }

    /// Returns when one has waited for too long.
    pub(crate) async fn late(&self, look: Duration) {
        loop {
            tokio::time::sleep(look).await;
            let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.due.values().any(|due| *due <= Instant::now()) {
                return;
            }
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut waiting = self.answers.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.due.remove(&self.number);
    }
}

impl Life {
    /// An answer of so many bytes is ready for the peer.
    #[must_use]
    pub fn answering(&self, bytes: u64) -> Unread {
        self.answers.begin(PATIENCE + Duration::from_secs(bytes / RATE))
    }

    /// Returns when an answer has waited for the peer for too long.
    pub(crate) async fn unread(&self) {
        self.answers.late(LOOK).await;
    }
}

/// Body of an answer whose length is known.
///
/// hyper takes a piece of data and, once the peer has room for a byte of it, hands all of it to HTTP/2, where it may wait for
/// the rest. So the last byte is a piece of its own: there is room for it once all before it has been sent.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    /// Bytes that are to come.
    left: u64,
    last: Option<Bytes>,
    _until_it_is_read: Unread,
}

impl<B: Body<Data = Bytes>> Watched<B> {
    /// Body of an answer on this connection.
    pub fn new(body: B, life: &Life) -> Self {
        let left = body.size_hint().exact().unwrap_or_default();
        Self { body, left, last: None, _until_it_is_read: life.answering(left) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(last) = self.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|mut data| {
                self.left = self.left.saturating_sub(data.len() as u64);
                if self.left == 0 && data.len() > 1 {
                    self.last = Some(data.split_off(data.len() - 1));
                }
                data
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, Bytes::len) as u64;
        self.body.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + last))
    }
}

/// Body of a stream: each frame is an answer that the peer has to make room for, however long it is until the next one. It has
/// when hyper asks for the next.
#[derive(Debug)]
pub struct WatchedStream<D, E> {
    frames: mpsc::Receiver<(Result<Frame<D>, E>, Unread)>,
    last: Option<Unread>,
}

impl<D: Buf + Send + 'static, E: Send + 'static> WatchedStream<D, E> {
    /// Stream on this connection; it runs on a task of its own until nobody takes its frames.
    pub fn start(body: impl Body<Data = D, Error = E> + Send + 'static, life: &Life) -> Self {
        let (frames, taken) = mpsc::channel(1);
        let life = life.clone();
        tokio::spawn(async move {
            let mut body = pin!(body);
            // There is room for the next one once the last was taken.
            while let Ok(room) = frames.reserve().await {
                let frame = tokio::select! {
                    frame = poll_fn(|cx| body.as_mut().poll_frame(cx)) => frame,
                    () = frames.closed() => return,
                };
                let Some(frame) = frame else { return };
                let data = frame.as_ref().ok().and_then(Frame::data_ref);
                let bytes = data.map_or(0, |data| data.remaining() as u64);
                room.send((frame, life.answering(bytes)));
            }
        });
        Self { frames: taken, last: None }
    }
}

impl<D: Buf, E> Body for WatchedStream<D, E> {
    type Data = D;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<D>, E>>> {
        self.last = None;
        let polled = self.frames.poll_recv(cx);
        polled.map(|taken| {
            let (frame, unread) = taken?;
            self.last = Some(unread);
            Some(frame)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn an_answer_that_is_read_is_forgotten_and_one_that_waits_is_found() {
        let answers = Answers::default();
        drop(answers.begin(Duration::ZERO));
        let _patient = answers.begin(Duration::from_secs(3_600));
        let found = tokio::time::timeout(50 * LOOK, answers.late(LOOK)).await;
        assert!(found.is_err(), "nothing is late");
        let _late = answers.begin(Duration::ZERO);
        answers.late(LOOK).await;
    }
}
