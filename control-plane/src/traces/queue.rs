//! Spans on their way out: a bounded queue, and the task that sends what is in it.
//!
//! What always holds: whoever ends a span waits for nothing; past the bound a span is lost and counted; a message that is not taken
//! for now is sent again a few times, while the queue fills; and the log tells of losses once a minute at most.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::export::{NotTaken, Receiver};
use crate::metrics::Metrics;

/// Spans that wait, and the most of a message.
pub(super) const WAITING: usize = 2048;
const MESSAGE: usize = 512;
/// Time for which a span waits for company.
const COMPANY: Duration = Duration::from_secs(1);
/// Pauses before a message that was not taken is sent again.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Time between two lines of the log about losses.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// What became of spans.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    sent: Counter,
    lost: Family<Why, Counter>,
}

/// Reasons for which spans are lost: too many waited, no receiver took them, or one rejected them.
const FULL: Why = Why { reason: "full" };
const FAILED: Why = Why { reason: "failed" };
const REJECTED: Why = Why { reason: "rejected" };

impl Counts {
    /// Counters that are in the metrics, at zero.
    pub fn new(metrics: &Metrics) -> Self {
        let counts = Self { sent: Counter::default(), lost: Family::default() };
        let help = "Spans of own traces that a receiver took";
        metrics.register("phoenix_trace_spans_sent", help, counts.sent.clone());
        let help = "Spans of own traces that are lost: full, where too many waited, failed, where no receiver took them, or rejected by one";
        metrics.register("phoenix_trace_spans_lost", help, counts.lost.clone());
        for why in [FULL, FAILED, REJECTED] {
            counts.lose(&why, 0);
        }
        counts
    }

    fn lose(&self, why: &Why, spans: u64) {
        self.lost.get_or_create(why).inc_by(spans);
    }

    fn lost(&self) -> u64 {
        [FULL, FAILED, REJECTED].iter().map(|why| self.lost.get_or_create(why).get()).sum()
    }
}

/// Way into the queue, of spans that have ended.
#[derive(Debug)]
pub(super) struct Queue {
    pub spans: mpsc::Sender<SpanData>,
    pub counts: Counts,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.counts.lose(&FULL, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends what comes out of the queue until `ending`, and then what is left in it.
pub(super) async fn send(
    mut spans: mpsc::Receiver<SpanData>,
    mut receiver: Receiver,
    counts: Counts,
    mut ending: watch::Receiver<bool>,
) {
    let mut told = Told::default();
    loop {
        let batch = gather(&mut spans, &mut ending).await;
        if batch.is_empty() && *ending.borrow() {
            told.last(&receiver.place, &counts);
            return;
        }
        let number = batch.len().try_into().unwrap_or(0);
        let message = receiver.message(batch);
        let mut pauses = PAUSES.iter();
        loop {
            match receiver.send(message.clone()).await {
                Ok(refused) => {
                    let rejected = refused.spans.min(number);
                    counts.sent.inc_by(number - rejected);
                    counts.lose(&REJECTED, rejected);
                    told.tell(&receiver.place, &counts, &refused.why);
                    break;
                }
                Err(NotTaken { why, for_now }) => {
                    let pause = pauses.next().filter(|_| for_now && !*ending.borrow());
                    let Some(pause) = pause else {
                        counts.lose(&FAILED, number);
                        told.tell(&receiver.place, &counts, &why);
                        break;
                    };
                    told.tell(&receiver.place, &counts, &why);
                    let _either = tokio::time::timeout(*pause, ended(&mut ending)).await;
                }
            }
        }
    }
}

/// The next spans: those that wait, and their company. None of them if it is the end and nothing waits.
async fn gather(spans: &mut mpsc::Receiver<SpanData>, ending: &mut watch::Receiver<bool>) -> Vec<SpanData> {
    let mut batch = Vec::new();
    tokio::select! {
        _ = spans.recv_many(&mut batch, MESSAGE) => {}
        () = ended(ending) => {}
    }
    let due = Instant::now() + COMPANY;
    while batch.len() < MESSAGE && !*ending.borrow() {
        let room = MESSAGE - batch.len();
        tokio::select! {
            came = spans.recv_many(&mut batch, room) => if came == 0 { break },
            () = tokio::time::sleep_until(due) => break,
            () = ended(ending) => {}
        }
    }
    while batch.len() < MESSAGE
        && let Ok(span) = spans.try_recv()
    {
        batch.push(span);
    }
    batch
}

async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error is the sender's end, and that is the process's.
    let _ended = ending.wait_for(|ending| *ending).await.is_ok();
}

/// What the log has told of losses.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    lost: u64,
}

impl Told {
    /// Tells why spans are lost or wait, unless that was told a moment ago or there is nothing new.
    fn tell(&mut self, place: &str, counts: &Counts, why: &str) {
        let lost = counts.lost();
        let is_news = lost > self.lost || !why.is_empty();
        if !is_news || self.at.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        let why = if why.is_empty() { "more came than it took in that time" } else { why };
        tracing::warn!(
            "{place} did not take spans of this process's own traces: {why}. Nothing else waits for them; given up so far: {lost}"
        );
        *self = Self { at: Some(Instant::now()), lost };
    }

    /// Tells at the end of what is lost and was not told, however short a time ago something was.
    fn last(self, place: &str, counts: &Counts) {
        let lost = counts.lost();
        if lost > self.lost {
            tracing::warn!(
                "{place} did not take the last spans of this process's own traces; given up in all: {lost}"
            );
        }
    }
}
