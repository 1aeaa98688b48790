//! Following fewer entities, once there are more series than are followed one by one.

use super::Observer;
use crate::SERIES_BYTES;
use crate::label::Process;
use crate::marks::Marks;
use crate::rows::Said as _;
use crate::series::place_of;

impl Observer {
    /// Tells whether the series of an entity are followed.
    pub(super) fn follows(&self, process: &Process) -> bool {
        self.sampling.follows_entity(process.entity) || self.is_critical(process)
    }

    pub(super) fn is_critical(&self, process: &Process) -> bool {
        let criteria = self.settings.critical.iter();
        criteria.flat_map(|criterion| &criterion.executables).any(|name| *name == process.executable)
    }

    /// Tells whether a table with so many rows has room for another. With the next batch fewer entities are followed, and
    /// there is room again; what is critical has some until then.
    pub(super) fn has_room(&self, rows: usize, is_critical: impl Fn() -> bool) -> bool {
        let bound = self.settings.bound;
        rows < bound || (rows < bound + bound / 8 && is_critical())
    }

    /// Bytes of memory that what is kept of series is counted with: tables, and the summaries made of them.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.most_rows() * SERIES_BYTES
    }

    fn most_rows(&self) -> usize {
        self.series.rows.len().max(self.outputs[0].rows.len()).max(self.outputs[1].rows.len())
    }

    fn is_crowded(&self) -> bool {
        self.most_rows() >= self.settings.bound
    }

    /// Follows half of the entities, and half of that, until there is room again. To be called between batches.
    pub(super) fn thin_out(&mut self) {
        let mut thinned = false;
        while self.is_crowded() && self.sampling.halve() {
            self.follow_fewer();
            thinned = true;
        }
        if thinned {
            self.labels.sweep();
        }
        if self.sampling.is_least() && self.is_crowded() {
            // Nothing but critical entities is left.
            self.sampling.cuts_critical();
        }
    }

    /// Drops the rows of what is followed no more; what was seen of it in the open window is counted.
    fn follow_fewer(&mut self) {
        self.settle_all();
        let all = 0..self.series.rows.len();
        let kept: Vec<bool> = all
            .map(|place| self.series.label(place as u32).is_some_and(|label| self.follows(&label.process)))
            .collect();
        let rows = self.series.rows.iter().zip(&self.series.open).zip(&kept);
        for ((row, record), _) in rows.filter(|((_, record), kept)| !**kept && record.is_there()) {
            self.open.fates.add_unnamed(row.identity, record.kept);
        }
        let moved = self.series.retain(&kept);
        for at in 0..2 {
            let table = &mut self.outputs[at];
            let of_followed =
                |writer: u32| (writer as usize) < moved.len() && place_of(writer, &moved).is_some();
            // Whether all its writers were seen is not known of one whose writer is followed no more: it is met anew.
            let kept: Vec<bool> = table.rows.iter().map(|row| of_followed(row.last.writer())).collect();
            let rows = table.rows.iter().zip(&table.open).zip(&kept);
            for ((row, _), _) in rows.filter(|((_, marks), kept)| !**kept && marks.has(Marks::SEEN)) {
                self.open.made[at].insert(row.identity);
            }
            table.retain(&kept, &moved);
        }
        self.forget_watched();
    }
}
