//! Closing a window: its summary is taken from the rows that were seen in it.

use super::Observer;
use crate::Variant;
use crate::critical::Watched;
use crate::fate::Record;
use crate::lens::Found;
use crate::series::{NONE, SeriesTable};
use crate::summary::{Active, Summary};

/// Backends bill the series of the trailing twenty minutes.
const ACTIVE_NANOS: u64 = 20 * 60 * 1_000_000_000;
/// When the tables have this many rows, those not seen for [`ACTIVE_NANOS`] are forgotten.
const SWEEP_AT: usize = drift::BOUND / 2;

impl Observer {
    pub(super) fn close(&mut self, end: u64) -> Summary {
        let mut summary = std::mem::take(&mut self.open);
        summary.windows = 1;
        (summary.start, summary.end) = (self.opened, end);
        summary.nanos = end.saturating_sub(self.opened);
        self.opened = end;
        summary.fates.set(self.fates());
        let active_epochs =
            u32::try_from(ACTIVE_NANOS / self.settings.window_nanos.max(1)).unwrap_or(u32::MAX);
        let active_since = self.epoch.saturating_sub(active_epochs.saturating_sub(1)).max(1);
        summary.active.at = summary.end;
        for variant in Variant::BOTH {
            self.close_outputs(variant, active_since, &mut summary);
        }
        summary.lenses.beyond.extend(self.groups.beyond());
        let seen = self.watched.iter().filter(|(epoch, _)| *epoch == self.epoch);
        summary.critical.extend(seen.map(|(_, watched)| (watched.process.clone(), watched.clone())));
        self.sweep(active_since);
        summary
    }

    /// What became of each series of the window.
    fn fates(&self) -> Vec<(u128, Record)> {
        let SeriesTable { rows, labels, .. } = &self.series;
        let mut found = Vec::with_capacity(rows.len());
        let all = rows.iter().zip(labels).filter(|(row, _)| row.epoch == self.epoch);
        found.extend(
            all.map(|(row, label)| (row.identity, Record { label: label.clone(), fates: row.fates })),
        );
        found
    }

    fn close_outputs(&mut self, variant: Variant, active_since: u32, summary: &mut Summary) {
        let at = variant.index();
        let table = &self.outputs[at];
        let mut found = Found::with_room_of(&self.lens_entries[at]);
        let seen = table.rows.iter().filter(|row| row.epoch == self.epoch);
        summary.output_series[at].list(seen.map(|row| row.identity));
        for (row, aside) in table.rows.iter().zip(&table.asides).filter(|(row, _)| row.epoch == self.epoch) {
            if let Some(lens) = table.lenses.get(row.lens as usize) {
                for (of, group) in &lens.groups {
                    let function = self.settings.lenses.get(usize::from(*of)).map(|lens| lens.function);
                    let value = lens.under(function.unwrap_or_default());
                    found.add(*of, row.identity, group, value);
                }
                if let Some((first, _)) = lens.groups.first() {
                    summary.values.entry(*first).or_default().add(at, lens.value.value());
                }
            }
            if row.writers.collides
                && let Some((epoch, collision)) = &aside.collision
                && *epoch == self.epoch
            {
                summary.collisions[at].add(row.identity, collision);
            }
        }
        self.lens_entries[at] = found.counts();
        summary.lenses.set(at, found);
        let active: &mut Active = &mut summary.active;
        active.outputs[at] =
            table.active_since(active_since, self.settings.price.promoted_attributes.is_some());
    }

    /// Forgets what was not seen for twenty minutes, once there is much of it.
    fn sweep(&mut self, active_since: u32) {
        let rows = [self.series.rows.len(), self.outputs[0].rows.len(), self.outputs[1].rows.len()];
        if rows.into_iter().max().unwrap_or(0) < SWEEP_AT {
            return;
        }
        let moved = self.series.retain_since(active_since);
        for table in &mut self.outputs {
            table.retain_since(active_since, &moved);
        }
        let mut old: Vec<Option<(u32, Watched)>> = self.watched.drain(..).map(Some).collect();
        self.watched_places.clear();
        for row in self.series.rows.iter_mut().filter(|row| row.critical != NONE) {
            if let Some(watched) = old.get_mut(row.critical as usize).and_then(Option::take) {
                self.watched_places.insert(watched.1.process.clone(), self.watched.len() as u32);
                self.watched.push(watched);
            }
        }
        for (row, label) in self.series.rows.iter_mut().zip(&self.series.labels) {
            if row.critical != NONE {
                row.critical = self.watched_places.get(&label.process).copied().unwrap_or(NONE);
            }
        }
        self.labels.sweep();
    }
}
