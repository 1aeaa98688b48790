//! Cost of a config, known before it is paid.
//!
//! A config comes from outside and is compiled in the control plane and on every agent, so that a few kilobytes of it
//! could take gigabytes there. An [`Allowance`] goes along with the checks of a pipeline; what would pass it is refused with
//! the figure and the limit, and once something was refused nothing more is compiled. The limits are constants, so that
//! all who check say the same. They lie far above the configs that people run, which have a few dozen of anything.

mod allowance;
mod inspection;
mod recent;
mod regex;
mod steps;

pub use allowance::Allowance;
pub(crate) use inspection::Inspection;
pub(crate) use recent::RecentPatterns;
pub use regex::PatternError;
pub(crate) use regex::{Dialect, compile};

/// Components that a section of a file may define.
pub(crate) const MAX_COMPONENTS: usize = 500;
/// Processors that a pipeline may have, batch and memory_limiter among them; receivers and exporters too.
pub(crate) const MAX_PROCESSORS: usize = 100;
/// Pipelines that a file may have.
pub(crate) const MAX_PIPELINES: usize = 100;
/// Values in the configs of a pipeline's components, or of all pipelines of a file that are checked at once.
const MAX_VALUES: usize = 100_000;
/// Statements, conditions, transforms and actions of a pipeline together. Each costs every batch a pass over its rows.
const MAX_STATEMENTS: usize = 2_000;
/// Regular expressions of a pipeline, equal ones once.
const MAX_PATTERNS: usize = 1_000;
/// Bytes that one regular expression may compile to: a thousand times a usual one.
const MAX_PATTERN: usize = 4 << 20;
/// Bytes that the regular expressions of a pipeline may compile to together.
const MAX_COMPILED: usize = 16 << 20;
/// Bytes to which the caches that the regular expressions of a pipeline match with may grow, over all threads: six
/// hundred usual patterns, if ever the texts led them to all that they can remember.
const MAX_CACHES: usize = 128 << 20;
/// Bytes of a regular expression, once it is translated; its syntax tree takes a hundred times that while it is read.
const MAX_LENGTH: usize = 64 << 10;
/// Steps of the work that reading the regular expressions of a pipeline takes, a few nanoseconds each.
const MAX_STEPS: usize = 20_000_000;
/// Bytes of a regular expression that the data brings, once it is translated.
const MAX_BROUGHT: usize = 1 << 10;
/// Regular expressions that the data has brought to a pipeline and that are kept compiled.
const MAX_RECENT: usize = 8;
/// Bytes that each of those may compile to.
const MAX_BROUGHT_COMPILED: usize = 512 << 10;
/// Bytes to which the caches of each of those may grow.
const MAX_BROUGHT_CACHES: usize = 8 << 20;
/// Steps that reading each of those may take.
const MAX_BROUGHT_STEPS: usize = 200_000;
/// Threads of an agent that match with the patterns of a pipeline: its two workers, and the one that ticks.
const THREADS: usize = 3;

#[cfg(test)]
mod tests;
