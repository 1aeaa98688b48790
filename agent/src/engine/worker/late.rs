//! Flushes of the baseline that come between a batch and the end of its share's wait.
//!
//! What the baseline's stages held of the candidate's units is given up when their time comes, because the candidate sends
//! its share of it. Of a batch whose share still waits that is not known yet. So what the baseline made of these units of
//! each such batch is put aside, until the candidate has claimed the share or it has left as the baseline made it.

use pipelines::batch::Encoded;

use crate::admission::Permit;

/// What the baseline held of the candidate's units of one batch whose share waits.
#[derive(Debug)]
struct LateFlush {
    /// Number of the batch in the baseline's pipeline.
    batch: u64,
    encoded: Encoded,
    _until_sent: Permit,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LateFlushes(Vec<LateFlush>);

impl LateFlushes {
    /// Puts what was held of a batch aside.
    pub fn add(&mut self, batch: u64, encoded: Encoded, permit: Permit) {
        self.0.push(LateFlush { batch, encoded, _until_sent: permit });
    }

    /// What leaves by the baseline: that of batches from `first_apart` on, where units are set apart. What is of a batch that
    /// the candidate has claimed is forgotten; `claimed` is the last one.
    pub fn take(&mut self, first_apart: Option<u64>, claimed: u64) -> Vec<Encoded> {
        let mut leaving = Vec::new();
        for late in std::mem::take(&mut self.0) {
            match first_apart {
                Some(first) if late.batch >= first => leaving.push(late.encoded),
                None if late.batch > claimed => self.0.push(late),
                Some(_) | None => {}
            }
        }
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Budget;

    #[test]
    fn each_batch_is_settled_by_what_became_of_its_share() {
        let budget = Budget::new(1_000);
        let mut late = LateFlushes::default();
        for batch in 1..=4 {
            late.add(batch, Encoded { points: batch, ..Encoded::default() }, budget.hold(10));
        }
        let points = |encoded: Vec<Encoded>| encoded.iter().map(|one| one.points).collect::<Vec<_>>();
        assert_eq!((points(late.take(None, 1)), budget.used()), (vec![], 30), "the first is the candidate's");
        assert_eq!(points(late.take(Some(3), 2)), [3, 4], "the second as well");
        assert_eq!((points(late.take(Some(3), 2)), budget.used()), (vec![], 0), "each once");
    }
}
