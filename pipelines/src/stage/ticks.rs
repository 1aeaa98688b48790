//! Clocks of stages.

use std::time::Duration;

/// A clock that ticks every so often from a start; all Unix nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    period: u64,
    next: u64,
}

impl Ticks {
    /// None for a period of nothing, which never ticks.
    pub(crate) fn new(start: u64, period: Duration) -> Option<Self> {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        (period > 0).then(|| Self { period, next: start.saturating_add(period) })
    }

    /// The next tick.
    pub(crate) fn next(self) -> u64 {
        self.next
    }

    /// The tick before the next.
    pub(crate) fn last(self) -> u64 {
        self.next.saturating_sub(self.period)
    }

    /// Time from tick to tick, in nanoseconds.
    pub(crate) fn period(self) -> u64 {
        self.period
    }

    /// Moves the next tick past `now`.
    pub(crate) fn pass(&mut self, now: u64) {
        if let Some(late) = now.checked_sub(self.next) {
            self.next = self.next.saturating_add((late / self.period + 1).saturating_mul(self.period));
        }
    }
}
