//! Provenance of points that were made of several.

use crate::Batch;
use crate::batch::GROUP;
use crate::batch::rows::{Inputs, Origin, PointRow};
use crate::batch::span::Rows;

impl Batch {
    /// The provenance of a point that aggregates these input points.
    pub(crate) fn group_origin(&mut self, members: impl IntoIterator<Item = u32>) -> Origin {
        let start = self.group_members.len() as u32;
        self.group_members.extend(members);
        self.groups.push(Rows { start, end: self.group_members.len() as u32 });
        Origin((self.groups.len() as u32 - 1) | GROUP)
    }

    /// The provenance of a point that several become.
    pub(crate) fn merged_origin(&mut self, points: &[PointRow]) -> Origin {
        if let [only] = points {
            return only.origin;
        }
        let mut members = Vec::new();
        for point in points {
            match self.inputs(point) {
                Inputs::One(index) => members.push(index),
                Inputs::Many(indexes) => members.extend_from_slice(indexes),
            }
        }
        self.group_origin(members)
    }
}
