//! Stop: the caller does not want a batch any more that a pipeline is in the midst of.
//!
//! The caller is asked after every 256 units of work; a row is one, a statement on it is one, and one with a pattern 16.
//! Where stages run rows through statements they ask as they go, the others are asked between them. Once the caller has
//! said yes, stages return as soon as they can, and what they have made is nothing to rely on.

use std::cell::Cell;
use std::fmt;

/// Units of work after which the caller is asked again.
const UNITS: u32 = 256;
/// Units that a statement with a pattern counts for.
pub(crate) const PATTERN: u32 = 16;

/// See the module.
pub(crate) struct Stop<'a> {
    asked: &'a dyn Fn() -> bool,
    /// Units until the caller is asked; none once it has said yes.
    left: Cell<u32>,
    stopped: Cell<bool>,
}

impl<'a> Stop<'a> {
    /// A stop that the caller tells by `asked`.
    pub(crate) fn new(asked: &'a dyn Fn() -> bool) -> Self {
        Self { asked, left: Cell::new(UNITS), stopped: Cell::new(false) }
    }

    /// Counts work that is about to be done; true if it should not be done.
    #[inline]
    pub(crate) fn before(&self, units: u32) -> bool {
        let left = self.left.get();
        if units < left {
            self.left.set(left - units);
            return false;
        }
        self.ask()
    }

    /// Asks the caller now.
    #[cold]
    pub(crate) fn ask(&self) -> bool {
        if !self.stopped.get() && (self.asked)() {
            self.stopped.set(true);
        }
        self.left.set(if self.stopped.get() { 0 } else { UNITS });
        self.stopped.get()
    }

    /// Tells whether the caller has said yes.
    pub(crate) fn is_over(&self) -> bool {
        self.stopped.get()
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("left", &self.left)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
