//! Editors: what statements change.
//!
//! An editor reads while the batch stands still, writes what it makes into a buffer of its own, and then lets the
//! batch take it: a value never outlives what it was read from. What an editor leaves as it is, is not written.

pub(super) mod assign;
mod encode;
mod flatten;
pub(super) mod histograms;
pub(super) mod maps;
pub(super) mod metrics;
mod percentile;
mod points;
pub(crate) mod scale;
pub(super) mod summaries;
pub(super) mod texts;
mod tree;

use crate::Batch;
use crate::batch::data::Exemplar;
use crate::batch::{AttrRow, Path, PendingBytes};
use crate::ottl::context::Context;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::value::Entries;

/// Subject of a statement: a batch, a place in it, and what statements keep for those that follow.
#[derive(Debug)]
pub(crate) struct Work<'b> {
    pub batch: &'b mut Batch,
    pub context: Context,
    pub at: Path,
    pub cache: Entries,
    /// The exemplar that is visited, and how often it was edited.
    pub exemplar: Option<(Exemplar, u64)>,
    pub now: u64,
    /// Index of the statement that runs in its group.
    pub statement: usize,
    /// Attributes that statements say as literals, once they stand in the batch.
    pub interned: Vec<Option<AttrRow>>,
    pending: PendingBytes,
    buffer: Vec<u8>,
}

const TOO_LARGE: Failure = Failure("the batch would become too large");

impl<'b> Work<'b> {
    pub(crate) fn new(batch: &'b mut Batch, context: Context, statements: usize, now: u64) -> Self {
        Self {
            batch,
            context,
            at: Path::default(),
            cache: Vec::new(),
            exemplar: None,
            now,
            statement: 0,
            interned: vec![None; statements],
            pending: PendingBytes::default(),
            buffer: Vec::new(),
        }
    }

    /// The number of edits so far, of the batch and of the exemplar that is visited.
    pub(crate) fn edits(&self) -> u64 {
        self.batch.edits() + self.exemplar.as_ref().map_or(0, |(_, edits)| *edits)
    }

    /// The rows that are seen from here.
    pub(crate) fn row(&self) -> Row<'_> {
        let (batch, at) = (&*self.batch, self.at);
        Row {
            batch,
            resource: batch.resource_at(at.resource),
            scope: (self.context >= Context::Scope).then(|| batch.scope_at(at.scope)),
            metric: (self.context >= Context::Metric).then(|| batch.metric_at(at.metric)),
            point: (self.context >= Context::DataPoint).then(|| batch.point_at(at.point)),
            exemplar: self.exemplar.as_ref().map(|(exemplar, _)| exemplar),
            cache: &self.cache,
            now: self.now,
        }
    }

    /// Reads while the batch stands still, writing into the buffer; then the batch takes what was written.
    fn read_then_take<T>(
        &mut self,
        read: impl FnOnce(&Row<'_>, &mut PendingBytes) -> Evaluated<T>,
    ) -> Evaluated<T> {
        let mut pending = std::mem::take(&mut self.pending);
        self.batch.begin(&mut pending);
        let made = read(&self.row(), &mut pending);
        let taken = pending.len() == 0 || self.batch.take(&pending);
        self.pending = pending;
        if taken { made } else { Err(TOO_LARGE) }
    }
}
