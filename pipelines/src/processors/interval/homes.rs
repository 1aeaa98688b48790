//! The input resources that held points came from, each remembered once.
//!
//! A split assigns a point by its input resource, so a point that waits has to remember it, whatever the stages
//! before made of it.

use hashbrown::HashMap;

use crate::Batch;
use crate::batch::identity::resource_digest;
use crate::batch::{InputSeries, MIXED};

use super::buffer::capacity;

/// Resources of the inputs that an interval was made of, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Homes {
    /// Each as field 1 of its `ResourceMetrics`.
    resources: Vec<Vec<u8>>,
    places: HashMap<u128, u32>,
    /// Places by index of the resource in the input at hand; [`MIXED`] where it was not asked for yet.
    known: Vec<u32>,
}

impl Homes {
    /// A batch of this input comes.
    pub(super) fn begin(&mut self, input: &Batch) {
        self.known.clear();
        self.known.resize(input.resources().len(), MIXED);
    }

    /// Forgets the resources.
    pub(super) fn clear(&mut self) {
        self.resources.clear();
        self.places.clear();
        self.known.clear();
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> usize {
        let encoded: usize = self.resources.iter().map(Vec::capacity).sum();
        encoded + capacity(&self.resources) + capacity(&self.known) + self.places.allocation_size()
    }

    /// The place of an input resource.
    pub(super) fn place(&mut self, input: &Batch, home: u32) -> u32 {
        let Some(known) = self.known.get(home as usize).copied() else { return MIXED };
        if known != MIXED {
            return known;
        }
        let row = input.resource_at(home as usize);
        let place = *self.places.entry(resource_digest(input, row)).or_insert_with(|| {
            let mut encoded = Vec::new();
            input.write_resource(row, &mut encoded);
            self.resources.push(encoded);
            self.resources.len() as u32 - 1
        });
        self.known[home as usize] = place;
        place
    }

    /// The series of an input point.
    pub(super) fn source(&mut self, input: &Batch, index: u32) -> Option<InputSeries> {
        let point = input.all_points().get(index as usize)?;
        Some(InputSeries { home: self.place(input, point.home), identity: input.identity(point) })
    }

    /// The resources, in the order of their places.
    pub(super) fn resources(&self) -> impl Iterator<Item = &[u8]> {
        self.resources.iter().map(Vec::as_slice)
    }
}
