//! Windows into block means: what a sequential test may be fed with.
//!
//! Neighbouring windows resemble each other, so a test that takes them for independent alarms falsely, all the
//! more the oftener one looks. Means of blocks that are long against that memory are nearly independent (batch
//! means: Conway, Some tactical problems in digital simulation, Management Science 10:1, 1963). How long, and
//! how wide windows scatter, is estimated in the mirror step, before the evidence: see [`Blocking`].
//! A window counts once, in order, and with a number, or it is an error that changes nothing.

mod blocking;
mod memory;

pub use blocking::{Blocking, block_windows, expected_mirror_windows, mirror_windows};
pub(crate) use memory::{Estimate, Memory};

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// Gathers a sequence's windows into blocks of equal length, aligned to its start.
///
/// A block that got no more than half of its windows has no mean worth betting on: it is left out and counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    windows: NonZeroU64,
    start: u64,
    last: Option<u64>,
    open: Option<Block>,
    left_out: u64,
}

/// The mean of one block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Index, from 0 at the start.
    pub index: u64,
    /// Mean difference, in its unit.
    pub mean: f64,
    /// Number of windows that it is the mean of.
    pub windows: u64,
}

/// Reason for which windows are no evidence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BlockError {
    /// A difference that is no number.
    #[error("window {index}: expected a finite difference, found {value}")]
    NotFinite {
        /// Index of the window.
        index: u64,
        /// Value that it had.
        value: f64,
    },
    /// Out of order, or the same again.
    #[error("expected a window after {last}, found window {found}")]
    NotLater {
        /// The last one taken in.
        last: u64,
        /// Index of the window that came.
        found: u64,
    },
    /// From an earlier step.
    #[error("expected a window from {start} on, found window {found}")]
    BeforeStart {
        /// The first of the step.
        start: u64,
        /// Index of the window that came.
        found: u64,
    },
    /// A parameter outside its range.
    #[error("expected {expected}, found {found}")]
    Parameter {
        /// Its name and range.
        expected: &'static str,
        /// Value that came.
        found: f64,
    },
}

impl Blocks {
    /// Blocks of `windows` windows each, the first of which begins with window `start`.
    #[must_use]
    pub fn new(windows: NonZeroU64, start: u64) -> Self {
        Self { windows, start, last: None, open: None, left_out: 0 }
    }

    /// Takes in the difference of the window numbered `index` (time / window length); windows may be missing.
    /// Gives the block that this window completes, or that it shows to be over.
    pub fn push(&mut self, index: u64, difference: f64) -> Result<Option<Block>, BlockError> {
        let offset = index
            .checked_sub(self.start)
            .ok_or(BlockError::BeforeStart { start: self.start, found: index })?;
        check(self.last, index, difference)?;
        self.last = Some(index);
        let block = offset / self.windows;
        let over = self.open.take_if(|open| open.index != block).and_then(|open| self.closed(open));
        let open = self.open.get_or_insert(Block { index: block, mean: 0.0, windows: 0 });
        open.windows = open.windows.saturating_add(1);
        // Each term in range, where a sum or a difference of two might not be.
        let n = open.windows as f64;
        open.mean += difference / n - open.mean / n;
        if offset % self.windows == self.windows.get() - 1 {
            let complete = self.open.take().and_then(|open| self.closed(open));
            // Never both: a block with its last window alone has more than half only if it has no other.
            return Ok(over.or(complete));
        }
        Ok(over)
    }

    /// Number of blocks that were left out because half or more of their windows were missing.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn closed(&mut self, block: Block) -> Option<Block> {
        if block.windows > self.windows.get() / 2 {
            return Some(block);
        }
        self.left_out += 1;
        None
    }
}

fn check(last: Option<u64>, index: u64, value: f64) -> Result<(), BlockError> {
    if let Some(last) = last.filter(|last| index <= *last) {
        return Err(BlockError::NotLater { last, found: index });
    }
    if !value.is_finite() {
        return Err(BlockError::NotFinite { index, value });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(windows: u64, start: u64) -> Blocks {
        Blocks::new(NonZeroU64::new(windows).unwrap(), start)
    }

    #[test]
    fn a_block_is_given_with_its_last_window() {
        let mut blocks = blocks(3, 100);
        assert_eq!(blocks.push(100, 1.0), Ok(None));
        assert_eq!(blocks.push(101, 2.0), Ok(None));
        assert_eq!(blocks.push(102, 6.0), Ok(Some(Block { index: 0, mean: 3.0, windows: 3 })));
        assert_eq!(blocks.push(103, 5.0), Ok(None), "the next one starts anew");
    }

    #[test]
    fn a_block_with_most_of_its_windows_counts_and_one_with_few_is_left_out() {
        let mut blocks = blocks(4, 0);
        for window in [0, 1, 2] {
            assert_eq!(blocks.push(window, 1.0), Ok(None));
        }
        assert_eq!(blocks.push(5, 9.0), Ok(Some(Block { index: 0, mean: 1.0, windows: 3 })));
        assert_eq!(blocks.push(6, 9.0), Ok(None));
        assert_eq!(blocks.push(15, 9.0), Ok(None), "2 of 4 and 1 of 4: neither counts");
        assert_eq!(blocks.left_out(), 2);
    }

    #[test]
    fn what_is_out_of_order_doubled_no_number_or_of_an_earlier_step_changes_nothing() {
        let mut blocks = blocks(3, 10);
        blocks.push(11, 1.0).unwrap();
        let before = blocks.clone();
        assert_eq!(blocks.push(11, 1.0), Err(BlockError::NotLater { last: 11, found: 11 }));
        assert_eq!(blocks.push(10, 1.0), Err(BlockError::NotLater { last: 11, found: 10 }));
        assert_eq!(blocks.push(9, 1.0), Err(BlockError::BeforeStart { start: 10, found: 9 }));
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(blocks.push(12, wrong), Err(BlockError::NotFinite { index: 12, .. })));
        }
        assert_eq!(blocks, before);
    }

    #[test]
    fn stored_blocks_go_on_where_they_were() {
        let mut blocks = blocks(2, 0);
        blocks.push(0, 1.0).unwrap();
        let mut back: Blocks = serde_json::from_str(&serde_json::to_string(&blocks).unwrap()).unwrap();
        assert_eq!(back.push(1, 2.0), blocks.push(1, 2.0));
        assert!(
            serde_json::from_str::<Blocks>(r#"{"windows":0,"start":0,"last":null,"open":null,"left_out":0}"#)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn the_mean_of_a_block_is_that_of_its_windows(values in proptest::collection::vec(-1e9_f64..1e9, 1..200)) {
            let mut blocks = blocks(values.len() as u64, 7);
            let mut found = None;
            for (window, value) in (7..).zip(&values) {
                found = blocks.push(window, *value).unwrap();
            }
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((found.unwrap().mean - mean).abs() <= 1e-3);
        }

        #[test]
        fn any_window_is_taken_in_or_refused_and_no_mean_is_ever_no_number(
            windows in 1_u64..5, start in any::<u64>(),
            pushed in proptest::collection::vec((any::<u64>(), any::<f64>()), 0..40)) {
            let mut blocks = blocks(windows, start);
            for (index, value) in pushed {
                if let Ok(Some(block)) = blocks.push(index, value) {
                    prop_assert!(block.mean.is_finite() && block.windows * 2 > windows);
                }
            }
        }

        #[test]
        fn no_window_is_lost_but_with_a_block_left_out(present in proptest::collection::vec(any::<bool>(), 24),
                                                      length in 1_u64..7) {
            let mut blocks = blocks(length, 0);
            let mut given = std::collections::BTreeSet::new();
            for (window, _) in (0_u64..).zip(&present).filter(|(_, present)| **present) {
                given.extend(blocks.push(window, 1.0).unwrap().map(|block| block.index));
            }
            // A far window ends whatever is open.
            given.extend(blocks.push(10_000 * length, 1.0).unwrap().map(|block| block.index));
            for (block, windows) in (0_u64..).zip(present.chunks(length as usize)) {
                let there = windows.iter().filter(|present| **present).count() as u64;
                prop_assert_eq!(given.contains(&block), 2 * there > length, "block {}", block);
            }
        }
    }
}
