//! Rank of the busiest units.

use crate::Batch;
use crate::batch::MetricRow;
use crate::stage::unit::UnitLoad;
use crate::stage::{Aged, Saved};

use super::config::MAX_METRICS;
use super::{TopKState, nanos};

/// A unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Time at which it last came, by our clock; as all times, Unix nanoseconds.
    pub seen: u64,
    pub member: bool,
    /// Time at which it last became a member.
    since: u64,
    busy: [UnitLoad; MAX_METRICS],
}

impl Aged for Unit {
    fn seen(&self) -> u64 {
        self.seen
    }
}

impl Saved for Unit {
    fn save(&self, out: &mut Vec<u8>) {
        ((self.seen, self.member), (self.since, self.busy)).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let ((seen, member), (since, busy)) = Saved::restore(from)?;
        Some(Self { seen, member, since, busy })
    }
}

impl Unit {
    /// Reads one of the metrics that it is ranked by.
    pub(super) fn read(&mut self, by: usize, batch: &Batch, metric: &MetricRow) {
        self.busy[by].read(batch, metric);
    }

    /// The greatest of its shares.
    fn score(&self, greatest: &[f64; MAX_METRICS]) -> f64 {
        let shares = self.busy.iter().zip(greatest);
        shares.map(|(busy, most)| if *most > 0.0 { busy.value / most } else { 0.0 }).fold(0.0, f64::max)
    }
}

impl TopKState {
    /// Chooses the members among the units that are not stale.
    pub(super) fn rank(&mut self, now: u64) {
        let (stale, stay) = (nanos(self.config.stale_after), nanos(self.config.stay));
        let lives = |unit: &Unit| now.saturating_sub(unit.seen) < stale;
        let mut greatest = [0.0_f64; MAX_METRICS];
        for unit in (0..self.units.len()).map(|place| self.units.at(place)).filter(|unit| lives(unit)) {
            greatest.iter_mut().zip(&unit.busy).for_each(|(most, busy)| *most = most.max(busy.value));
        }
        self.order.clear();
        for place in 0..self.units.len() {
            let unit = self.units.at(place);
            if lives(unit) {
                let stays = unit.member && now.saturating_sub(unit.since) < stay;
                let margin = if unit.member { 1.0 + self.config.margin } else { 1.0 };
                self.order.push((stays, unit.score(&greatest) * margin, place as u32));
            } else {
                self.units.at_mut(place).member = false;
            }
        }
        let k = self.config.k.min(self.order.len());
        let first = |a: &(bool, f64, u32), b: &(bool, f64, u32)| {
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))
        };
        if k > 0 && k < self.order.len() {
            self.order.select_nth_unstable_by(k - 1, first);
        }
        for (rank, (_, _, place)) in self.order.iter().enumerate() {
            let unit = self.units.at_mut(*place as usize);
            let member = rank < k;
            if member && !unit.member {
                unit.since = now;
            }
            unit.member = member;
        }
    }
}
