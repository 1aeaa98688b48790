//! OTTL, the Collector's language for conditions and edits.

mod pattern;

pub use pattern::Pattern;
