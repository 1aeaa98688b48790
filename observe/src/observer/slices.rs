//! The slice of a window: who writes a share of the candidate's output, for a comparison with other agents.

use super::Observer;
use crate::series::NONE;
use crate::slice::{Slice, SliceEntry, SliceName, Slices, Slicing, slices_of, turn_nanos};

impl Observer {
    /// The slice of the window that began at `start`, Unix nanoseconds, and closes; nothing where none is asked for.
    pub(super) fn slice(&mut self, start: u64) -> Slices {
        let Some((slicing, slices)) = self.slicing else { return Slices::default() };
        let window = self.settings.window_nanos.max(1);
        let interval = self.interval_nanos().unwrap_or(window);
        // A series lives on between two scrapes.
        let looked_back = u32::try_from(interval.div_ceil(window)).unwrap_or(u32::MAX);
        let since = self.epoch.saturating_sub(looked_back.saturating_sub(1));
        let turn_nanos = turn_nanos(self.settings.report_nanos);
        let turn = start / turn_nanos;
        // A horizon that is as long as a turn has a part of two.
        let horizon = interval.max(self.settings.hold_nanos).saturating_mul(2);
        let horizon = horizon.max(self.settings.report_nanos);
        let alive = self.outputs[1].seen_since(since).count() as u64;
        // It only grows, so that the slices of one turn lie within each other.
        let slices = slices.max(slices_of(alive, horizon.div_ceil(turn_nanos).saturating_add(1)));
        self.slicing = Some((slicing, slices));
        // Of a sample, not all that lie in the slice are there.
        let mut slice = Slice { truncated: !self.sampling.is_of_all(), ..Slice::of(slices) };
        for (place, last) in self.outputs[1].seen_since(since) {
            let key = slicing.key(self.outputs[1].rows[place as usize].identity);
            if Slice::covers(slices, turn, key) {
                match self.entry(slicing, (place, last), key) {
                    Some(entry) => slice.insert(entry),
                    None => slice.truncated = true,
                }
            }
        }
        Slices([(turn, slice)].into())
    }

    /// Entry of a series of the candidate's output; nothing if its writer is not known.
    fn entry(&self, slicing: Slicing, (place, last): (u32, u32), key: u64) -> Option<SliceEntry> {
        let [baseline, candidate] = &self.outputs;
        let (row, aside) = (candidate.rows.get(place as usize)?, candidate.asides.get(place as usize)?);
        let input = self.series.rows.get(row.last.writer() as usize)?;
        let entity = self.series.label(row.last.writer())?.process.entity;
        let becomes = Some(input.outputs[0]).filter(|becomes| *becomes != NONE);
        // A total of the candidate's has another writer than the series that it is made of.
        let alike = |becomes: &u32| {
            let before = baseline.asides.get(*becomes as usize);
            !aside.aggregate || before.is_some_and(|before| before.aggregate)
        };
        let becomes = becomes.filter(alike).and_then(|becomes| baseline.rows.get(becomes as usize));
        let seconds =
            |epoch: u32| u64::from(epoch).saturating_mul(self.settings.window_nanos) / 1_000_000_000;
        Some(SliceEntry {
            key,
            writer: if aside.aggregate { slicing.agent() } else { entity as u32 },
            baseline: becomes.map_or(0, |row| slicing.key(row.identity) as u32),
            began: seconds(*candidate.began.get(place as usize)?),
            last: seconds(last),
        })
    }

    /// Names of the series of the candidate's output with these keys, as far as they are known.
    #[must_use]
    pub fn names(&self, keys: &[u64]) -> Vec<SliceName> {
        let Some((slicing, _)) = self.slicing else { return Vec::new() };
        let candidate = &self.outputs[1];
        let those = (0_u32..).zip(&candidate.rows).filter_map(|(place, row)| {
            let key = slicing.key(row.identity);
            let label = keys.contains(&key).then(|| candidate.label(place))??;
            let writer = self.series.label(row.last.writer());
            Some(SliceName {
                key,
                metric: label.metric.to_string(),
                series: label.attributes.to_string(),
                writer: writer.map_or_else(String::new, |label| label.process.to_string()),
            })
        });
        those.collect()
    }
}
