//! Ranges into a batch: where a piece of text or a message lies, in eight bytes.
//!
//! A span points into the received bytes or, with the top bit of its start set, into the batch's scratch
//! buffer, where stages put what they make. Both are below 2 GiB, which `parse` makes sure of.

/// A range of bytes of a [`Batch`](super::Batch); read it with [`Batch::bytes`](super::Batch::bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

const SCRATCH: u32 = 1 << 31;

impl Span {
    /// No bytes at all; also what a row that was made here has in place of its received encoding.
    pub const NONE: Self = Self { start: u32::MAX, len: 0 };

    pub(crate) fn received(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32 }
    }

    pub(crate) fn scratch(start: usize, len: usize) -> Self {
        Self { start: start as u32 | SCRATCH, len: len as u32 }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// True where there is nothing to read.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_none(self) -> bool {
        self.start == u32::MAX
    }

    pub(crate) fn is_scratch(self) -> bool {
        self.start & SCRATCH != 0
    }

    pub(crate) fn start(self) -> usize {
        (self.start & !SCRATCH) as usize
    }

    /// The same bytes further on.
    #[inline]
    pub(crate) fn moved(self, by: u32) -> Self {
        if self.is_none() { self } else { Self { start: self.start + by, ..self } }
    }

    pub(crate) fn end(self) -> usize {
        self.start() + self.len()
    }
}

/// A contiguous run of rows in one of a batch's arenas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// First row.
    pub start: u32,
    /// One past the last row.
    pub end: u32,
}

impl Rows {
    /// Returns the number of rows.
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// The same number of rows further on.
    #[inline]
    pub(crate) fn moved(self, by: u32) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The rows' indexes in their arena.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}
