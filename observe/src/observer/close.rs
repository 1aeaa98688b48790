//! Closing a window: its summary is taken from the rows that were seen in it.

use drift::SeriesSet;

use super::Observer;
use crate::Variant;
use crate::collision::RankedCollision;
use crate::critical::CriticalTrack;
use crate::label::Label;
use crate::lens::Window;
use crate::series::NONE;
use crate::summary::Summary;

/// Backends bill the series of the trailing twenty minutes.
const ACTIVE_NANOS: u64 = 20 * 60 * 1_000_000_000;

impl Observer {
    pub(super) fn close(&mut self, end: u64) -> Summary {
        let mut summary = std::mem::take(&mut self.open);
        // The next window has about as many units.
        self.open.units = summary.units.each_ref().map(SeriesSet::with_room_of);
        self.open.units_delivered = summary.units_delivered.each_ref().map(SeriesSet::with_room_of);
        summary.windows = 1;
        (summary.start, summary.end) = (self.opened, end);
        summary.nanos = end.saturating_sub(self.opened);
        self.opened = end;
        self.intervals.settle();
        self.settle_all();
        summary.fates.records = self.series.close(self.epoch);
        let active_epochs =
            u32::try_from(ACTIVE_NANOS / self.settings.window_nanos.max(1)).unwrap_or(u32::MAX);
        let active_since = self.epoch.saturating_sub(active_epochs.saturating_sub(1)).max(1);
        summary.active.at = summary.end;
        for variant in Variant::BOTH {
            self.close_outputs(variant, active_since, &mut summary);
        }
        summary.slices = self.slice(summary.start);
        summary.sampling.join(self.sampling);
        let window = Window {
            start: summary.start,
            end,
            interval: self.interval_nanos().unwrap_or(self.settings.window_nanos),
            share: summary.sampling.share(),
        };
        let looked = self.outputs.each_mut().map(|table| &mut table.lenses);
        summary.lenses = self.panels.evaluate(&mut self.groups, looked, window);
        summary.lenses.truncated |= summary.sampling.is_overloaded();
        summary.values = self.panels.sketches();
        self.choose_lenses(end);
        summary.lenses.unwatched = self.groups.unwatched();
        let (stretch, hold) = ([summary.start, end], self.settings.hold_nanos);
        let judged =
            self.watched.iter_mut().filter_map(|(epoch, one)| one.judge(stretch, hold, *epoch == self.epoch));
        summary.critical.extend(judged.map(|watched| (watched.process.clone(), watched)));
        self.sweep(active_since);
        summary
    }

    /// Puts lenses on what arrived, once all that is scraped has come twice.
    fn choose_lenses(&mut self, end: u64) {
        let seen_twice = self.interval_nanos().is_some_and(|interval| end >= self.since + 2 * interval);
        if seen_twice {
            self.put_lenses();
        }
    }

    /// Puts lenses on what has arrived so far.
    pub(super) fn put_lenses(&mut self) {
        let Some(first) = self.groups.choose() else { return };
        let metrics = self.groups.lenses[first..].iter().map(|known| known.lens.metric.as_str()).collect();
        for table in &mut self.outputs {
            table.enter_lenses(&metrics);
        }
    }

    fn close_outputs(&mut self, variant: Variant, active_since: u32, summary: &mut Summary) {
        let at = variant.index();
        let held = self.settings.hold_nanos.div_ceil(self.settings.window_nanos.max(1));
        let hold = u32::try_from(held).unwrap_or(u32::MAX);
        self.close_collisions(variant, summary);
        let table = &mut self.outputs[at];
        if variant == Variant::Baseline {
            table.mark_due(self.epoch, hold);
            table.mark_interrupted(self.epoch, hold);
        }
        summary.made[at].list(table.close(self.epoch), self.removed.clone());
        let fewer = self.settings.price.promoted_attributes.is_some();
        let (sampling, series) = (self.sampling, &self.series);
        // Critical entities are followed whether they are in the sample or not.
        let is_of_sample = |writer: u32| {
            let follows = |label: &Label| sampling.follows_entity(label.process.entity);
            sampling.is_of_all() || series.label(writer).is_some_and(follows)
        };
        let active = self.outputs[at].active_since(active_since, fewer, is_of_sample);
        summary.active.outputs[at] = active * sampling.one_in();
    }

    fn close_collisions(&mut self, variant: Variant, summary: &mut Summary) {
        let at = variant.index();
        for place in &self.outputs[at].colliding {
            let table = &self.outputs[at];
            let Some(collides) = &table.asides[*place as usize].collision else { continue };
            if collides.epoch == self.epoch {
                // The baseline may have been found to collide later than the candidate.
                let shared = collides.shared || self.is_shared(variant, collides.writers);
                let found = RankedCollision { shared, collision: collides.named.clone() };
                summary.collisions[at].add(table.rows[*place as usize].identity, found);
            }
        }
    }

    /// Forgets what was not seen for twenty minutes, once there is much of it.
    fn sweep(&mut self, active_since: u32) {
        let rows = [self.series.rows.len(), self.outputs[0].rows.len(), self.outputs[1].rows.len()];
        if rows.into_iter().max().unwrap_or(0) < self.settings.bound / 2 {
            return;
        }
        let moved = self.series.retain(&self.series.seen_since(active_since));
        for table in &mut self.outputs {
            table.retain_since(active_since, &moved);
        }
        self.forget_watched();
        self.labels.sweep();
    }

    /// Follows series to their new places, once rows were dropped.
    pub(super) fn forget_watched(&mut self) {
        let mut old: Vec<Option<(u32, CriticalTrack)>> = self.watched.drain(..).map(Some).collect();
        self.watched_places.clear();
        for row in self.series.rows.iter_mut().filter(|row| row.critical != NONE) {
            if let Some(watched) = old.get_mut(row.critical as usize).and_then(Option::take) {
                self.watched_places.insert(watched.1.process.clone(), self.watched.len() as u32);
                self.watched.push(watched);
            }
        }
        for place in 0..self.series.rows.len() {
            let watched =
                self.series.label(place as u32).and_then(|label| self.watched_places.get(&label.process));
            let row = &mut self.series.rows[place];
            if row.critical != NONE {
                row.critical = watched.copied().unwrap_or(NONE);
            }
        }
        self.splits.clear();
        self.shapes.retain(&[&self.outputs[0].shapes, &self.outputs[1].shapes]);
        self.groups.sweep(self.outputs.each_mut().map(|table| &mut table.lenses));
    }
}
