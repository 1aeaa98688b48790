//! Bounded queue of unacknowledged reports: past the bound the oldest is dropped, and counted.
//!
//! A report is kept until the control plane has said what became of it, over any number of broken streams; it is
//! evidence, not telemetry, so one that is dropped makes evidence incomplete and loses no point. Names that the control
//! plane asks for go ahead of reports, once: it asks again for what did not arrive.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use observe::SliceName;
use proto::v1::{ReportKey, ReportRequest};
use tokio::sync::Notify;

/// The most reports kept: at a report a minute, four hours of a control plane that is away.
const MAX_REPORTS: usize = 240;

/// Bounded queue of unacknowledged reports.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<ReportQueue>,
    /// Wakes the stream that sends.
    pub filled: Notify,
}

#[derive(Debug, Default)]
struct ReportQueue {
    reports: VecDeque<ReportRequest>,
    /// Number of them that are on their way in the stream at hand.
    sent: usize,
    dropped: u64,
    rejected: u64,
    /// Experiment and keys of identities whose names are asked for.
    asked: Option<(String, Vec<u64>)>,
    /// Names to send.
    answer: Option<ReportRequest>,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, ReportQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a report.
    pub fn put(&self, report: ReportRequest) {
        let mut queue = self.queue();
        if queue.reports.len() >= MAX_REPORTS {
            queue.reports.pop_front();
            queue.sent = queue.sent.saturating_sub(1);
            queue.dropped += 1;
        }
        queue.reports.push_back(report);
        drop(queue);
        self.filled.notify_one();
    }

    /// Begins a new stream, in which everything is sent again.
    pub fn restart(&self) {
        self.queue().sent = 0;
    }

    /// The next report, or names, to send in this stream.
    pub fn next(&self) -> Option<ReportRequest> {
        let mut queue = self.queue();
        if let Some(answer) = queue.answer.take() {
            return Some(answer);
        }
        let next = queue.reports.get(queue.sent).cloned()?;
        queue.sent += 1;
        Some(next)
    }

    /// Notes that names of identities are asked for, by the experiment and their keys.
    pub fn ask(&self, experiment: &str, keys: Vec<u64>) {
        self.queue().asked = Some((experiment.to_owned(), keys));
    }

    /// What was asked for since this was last called.
    pub fn take_asked(&self) -> Option<(String, Vec<u64>)> {
        self.queue().asked.take()
    }

    /// Answers with names; no name is no answer.
    pub fn answer(&self, experiment: String, names: Vec<SliceName>) {
        if names.is_empty() {
            return;
        }
        let key = ReportKey { experiment, ..ReportKey::default() };
        let names = names.into_iter().map(Into::into).collect();
        self.queue().answer = Some(ReportRequest { key: Some(key), names, ..ReportRequest::default() });
        self.filled.notify_one();
    }

    /// Removes a report that was taken, or that will never be.
    pub fn settle(&self, key: &ReportKey, rejected: bool) {
        let mut queue = self.queue();
        let Some(at) = queue.reports.iter().position(|report| report.key.as_ref() == Some(key)) else {
            return;
        };
        queue.reports.remove(at);
        queue.sent = queue.sent.saturating_sub(usize::from(at < queue.sent));
        queue.rejected += u64::from(rejected);
    }

    /// Reports kept, dropped, and rejected by the control plane.
    pub fn counts(&self) -> (usize, u64, u64) {
        let queue = self.queue();
        (queue.reports.len(), queue.dropped, queue.rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: u64) -> ReportRequest {
        let key = ReportKey { boot_id: "b".into(), experiment: "e".into(), generation: 1, window_start: at };
        ReportRequest { key: Some(key), ..ReportRequest::default() }
    }

    fn starts(outbox: &Outbox) -> Vec<u64> {
        std::iter::from_fn(|| outbox.next()).filter_map(|r| r.key.map(|key| key.window_start)).collect()
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_and_what_is_never_again() {
        let outbox = Outbox::default();
        (0..4).for_each(|at| outbox.put(report(at)));
        assert_eq!(starts(&outbox), [0, 1, 2, 3]);
        outbox.settle(&report(1).key.expect("key"), false);
        outbox.put(report(4));
        assert_eq!(starts(&outbox), [4], "the rest is on its way");
        outbox.restart();
        assert_eq!(starts(&outbox), [0, 2, 3, 4]);
        outbox.settle(&report(9).key.expect("key"), false);
        outbox.settle(&report(3).key.expect("key"), true);
        assert_eq!(outbox.counts(), (3, 0, 1));
    }

    #[test]
    fn names_that_are_asked_for_go_ahead_of_reports_and_once() {
        let outbox = Outbox::default();
        (0..2).for_each(|at| outbox.put(report(at)));
        outbox.ask("e", vec![7]);
        assert_eq!(outbox.take_asked(), Some(("e".to_owned(), vec![7])));
        assert_eq!(outbox.take_asked(), None);
        outbox.answer("e".to_owned(), Vec::new());
        assert_eq!(starts(&outbox), [0, 1], "no name is no answer");
        outbox.restart();
        let name = SliceName { key: 7, ..SliceName::default() };
        outbox.answer("e".to_owned(), vec![name]);
        let first = outbox.next().expect("names");
        assert_eq!((first.names.len(), first.key.expect("key").experiment), (1, "e".to_owned()));
        assert_eq!(starts(&outbox), [0, 1]);
    }

    #[test]
    fn past_the_bound_the_oldest_is_dropped_and_counted() {
        let outbox = Outbox::default();
        (0..MAX_REPORTS as u64 + 2).for_each(|at| outbox.put(report(at)));
        assert_eq!(outbox.counts(), (MAX_REPORTS, 2, 0));
        assert_eq!(starts(&outbox).first(), Some(&2));
    }
}
