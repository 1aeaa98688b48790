//! Batches of which a share of the input resources is looked at: the rest is left out of the input and of what was made of it.

use crate::Batch;
use crate::batch::rows::{LEFT_OUT, MIXED};
use crate::batch::span::Rows;

impl Batch {
    /// Leaves out all but the points of those input resources for which `keeps` holds, by index of the input resource. A
    /// resource that was gathered from several is left out, whatever they are.
    ///
    /// In an input the resources keep their indexes, so that homes and provenance still count in it; those that are left out
    /// have nothing below them, are written nowhere, and are not in its copies.
    pub fn narrow(&mut self, keeps: &[bool]) {
        for row in &mut self.resources {
            let kept = row.home != MIXED && keeps.get(row.home as usize).copied().unwrap_or(false);
            if !kept {
                (row.home, row.scopes) = (LEFT_OUT, Rows::default());
                self.narrowed = true;
            }
        }
        self.changed |= self.narrowed;
    }
}
