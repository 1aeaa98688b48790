//! Fates: what the candidate makes of each series of the baseline, by the input series that both come from.
//!
//! Per point only a bit of the input series is set. The baseline's series is marked when its input series begins to become
//! another one in either variant, or when the window closes: by then both are known, and what one is of the other is worked
//! out once and kept.

use hashbrown::HashMap;
use pipelines::Batch;

use super::Observer;
use super::descend::Descendant;
use crate::Variant;
use crate::changed::Difference;
use crate::marks::Marks;
use crate::rows::Said as _;
use crate::series::NONE;

/// The most series of the baseline that one input series is followed to.
const MAX_SPLITS: usize = 16;

/// Input series of which the baseline makes several series at once, and those.
pub(super) type Splits = HashMap<u32, Vec<u32>>;

/// A descendant in the candidate's output that is not the only one of its input point.
#[derive(Debug)]
pub(super) struct Several {
    /// The input point, or the input series of what was held back.
    of: u32,
    writer: u32,
    place: u32,
    /// Difference from the baseline's point, if that is the only one of the input point.
    difference: Option<Difference>,
}

impl Observer {
    /// The input series becomes the output series at `place` from now on.
    #[inline]
    pub(super) fn becomes(&mut self, variant: Variant, writer: u32, place: u32) {
        let at = variant.index();
        let Some(row) = self.series.rows.get(writer as usize) else { return };
        if row.outputs[at] != place {
            self.settle(writer);
            self.series.rows[writer as usize].outputs[at] = place;
            self.series.links[writer as usize] = Marks::default();
        }
    }

    /// Marks the baseline's series with all that is pending.
    pub(super) fn settle_all(&mut self) {
        let Self { series, outputs: [baseline, _], .. } = self;
        let mut others = Vec::new();
        let rows = series.rows.iter().zip(&mut series.open).zip(&series.links);
        for (writer, ((row, open), link)) in (0..).zip(rows) {
            if !open.kept[1].take_pending() {
                continue;
            }
            // As nearly every one: it becomes the same as before.
            let [from, to] = row.outputs.map(|place| place as usize);
            let as_before = link.has(Marks::AS_IT_IS)
                || (link.is_there() && baseline.becomes.get(from).is_some_and(|first| *first as usize == to));
            match baseline.open.get_mut(from) {
                Some(marks) if as_before => marks.join(link),
                _ => others.push(writer),
            }
        }
        for writer in others {
            if let Some((pair, link)) = self.link(writer) {
                self.mark(pair, link);
            }
        }
    }

    /// Marks the baseline's series of an input series with what the candidate has made of it, if that is pending.
    #[inline]
    fn settle(&mut self, writer: u32) {
        if self.series.open[writer as usize].kept[1].take_pending()
            && let Some((pair, link)) = self.link(writer)
        {
            self.mark(pair, link);
        }
    }

    /// Both output series of an input series, and what the candidate's is of the baseline's.
    #[inline]
    pub(super) fn link(&mut self, writer: u32) -> Option<([u32; 2], Marks)> {
        let pair = self.series.rows.get(writer as usize)?.outputs;
        if pair.contains(&NONE) {
            return None;
        }
        let link = self.series.links[writer as usize];
        if link.is_there() {
            return Some((pair, link));
        }
        let link = self.change(pair);
        self.series.links[writer as usize] = link;
        Some((pair, link))
    }

    #[cold]
    fn change(&mut self, [baseline, candidate]: [u32; 2]) -> Marks {
        let [mine, theirs] = &self.outputs;
        let (from, to) = (baseline as usize, candidate as usize);
        if mine.rows[from].identity == theirs.rows[to].identity {
            return Marks::AS_IT_IS;
        }
        self.shapes.change(&mut self.removed, mine.shapes[from], theirs.shapes[to])
    }

    /// Marks a series of the baseline; one that becomes a second series is split.
    #[inline]
    fn mark(&mut self, [baseline, candidate]: [u32; 2], marks: Marks) {
        let (table, place) = (&mut self.outputs[0], baseline as usize);
        table.open[place].join(&marks);
        if marks.has(Marks::AS_IT_IS) {
            return;
        }
        let first = &mut table.becomes[place];
        if *first == NONE {
            *first = candidate;
        } else if *first != candidate {
            table.open[place].join(&Marks::SPLIT);
        }
    }

    /// The candidate made one point, of the series at `output`, of points of several input series.
    pub(super) fn merges(&mut self, members: &[u32], output: u32) {
        let writer = |of: &u32| self.places.get(*of as usize).copied();
        let writers: Vec<u32> = members.iter().filter_map(writer).collect();
        let mut baselines = writers.iter().flat_map(|writer| self.baselines(*writer)).copied();
        let first = baselines.next();
        let several = baselines.any(|other| Some(other) != first);
        for writer in writers {
            for baseline in self.baselines(writer).to_vec() {
                let pair = [baseline, output];
                let change = match self.link(writer) {
                    Some((linked, link)) if linked == pair => link,
                    _ => self.change(pair),
                };
                if several {
                    let marks = change.only(Marks::PARTS).and(Marks::MERGED);
                    self.outputs[0].open[baseline as usize].join(&marks);
                } else {
                    self.mark(pair, change);
                }
            }
            if self.counterparts.held && !several {
                self.holds_back(writer);
            }
        }
        if several {
            self.outputs[1].open[output as usize].join(&Marks::AGGREGATE);
        }
    }

    /// The baseline's series of an input series.
    fn baselines(&self, writer: u32) -> &[u32] {
        if let Some(several) = self.splits.get(&writer) {
            return several;
        }
        match self.series.rows.get(writer as usize) {
            Some(row) if row.outputs[0] != NONE => &row.outputs[..1],
            _ => &[],
        }
    }

    /// Tells whether input point `of` has several descendants, in this variant's output or in the baseline's.
    pub(super) fn is_one_of_several(&self, variant: Variant, of: u32, writer: u32) -> bool {
        let held_split = || variant == Variant::Candidate && self.splits.contains_key(&writer);
        !self.counterparts.is_single(of) || (self.counterparts.held && held_split())
    }

    /// Notes one of several descendants of input point `of`: the series at `place`.
    pub(super) fn is_made_with_others(
        &mut self,
        input: &Batch,
        descendant: &Descendant<'_>,
        (of, writer): (u32, u32),
        place: u32,
    ) {
        if self.series.rows.get(writer as usize).is_none() {
            return;
        }
        if descendant.variant == Variant::Candidate {
            let difference = self.counterparts.difference(input, descendant, of);
            let of = if self.counterparts.held { writer } else { of };
            self.several.push(Several { of, writer, place, difference });
            return;
        }
        if self.counterparts.has_several_of_baseline(of) {
            let known = self.splits.entry(writer).or_default();
            if !known.contains(&place) && known.len() < MAX_SPLITS {
                known.push(place);
            } else if !known.contains(&place) {
                self.outputs[0].open[place as usize].join(&Marks::NOT_FOLLOWED);
            }
        }
        if self.series.rows[writer as usize].outputs[0] == NONE {
            self.becomes(Variant::Baseline, writer, place);
        }
    }

    /// Marks the baseline's series of input points with several descendants, once all of these are known.
    pub(super) fn tell_several(&mut self) {
        let mut several = std::mem::take(&mut self.several);
        several.sort_by_key(|one| one.of);
        several.chunk_by(|one, other| one.of == other.of).for_each(|of_one| self.tell(of_one));
        several.clear();
        self.several = several;
    }

    fn tell(&mut self, made: &[Several]) {
        let Some(Several { writer, .. }) = made.first() else { return };
        let mut left: Vec<u32> = self.baselines(*writer).to_vec();
        let mut others: Vec<u32> = Vec::new();
        for Several { place, difference, .. } in made {
            let identity = self.outputs[1].rows[*place as usize].identity;
            let is_same = |baseline: &u32| self.outputs[0].rows[*baseline as usize].identity == identity;
            if let Some(at) = left.iter().position(is_same) {
                let baseline = left.swap_remove(at);
                self.outputs[0].open[baseline as usize].join(&Marks::AS_IT_IS);
                difference.iter().for_each(|difference| self.differs(baseline, *difference));
            } else if !others.contains(place) {
                others.push(*place);
            }
        }
        let Some(first) = others.first() else { return };
        for (baseline, candidate) in left.iter().zip(others.iter().chain(std::iter::repeat(first))) {
            let change = self.change([*baseline, *candidate]);
            let split = left.len() < others.len();
            let fate = if split { change.only(Marks::PARTS).and(Marks::SPLIT) } else { change };
            self.outputs[0].open[*baseline as usize].join(&fate);
        }
    }

    /// Notes that there was no room to follow the series of this identity, which a variant made of an input series.
    pub(super) fn is_not_followed(&mut self, variant: Variant, writer: u32, identity: u128) {
        if variant == Variant::Baseline {
            return;
        }
        for baseline in self.baselines(writer).to_vec() {
            let same = self.outputs[0].rows[baseline as usize].identity == identity;
            let mark = if same { Marks::AS_IT_IS } else { Marks::NOT_FOLLOWED };
            self.outputs[0].open[baseline as usize].join(&mark);
        }
    }

    /// A variant sends a point of an input series that it had held back: its value is not compared.
    pub(super) fn holds_back(&mut self, writer: u32) {
        for baseline in self.baselines(writer).to_vec() {
            self.outputs[0].open[baseline as usize].join(&Marks::HELD);
        }
    }
}
