//! What evidence is made of: sets of series, increases of counters, latencies, errors of totals.
//!
//! Pure maths on numbers and identities: nothing here knows what a pipeline, a batch or a clock is. Everything
//! that is gathered can be merged in any order, and says by itself whether it is exact.

mod error;
mod increase;
mod latency;
mod series_set;

pub use error::relative_error;
pub use increase::Counter;
pub use latency::{Latency, LatencySummary};
pub use series_set::{BOUND, Count, IdentityHasher, SeriesSet};
