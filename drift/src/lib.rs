//! Parts of evidence: sets of series, increases of counters, latencies, errors of totals, and what may be
//! concluded from what varies by chance.
//!
//! Pure maths on numbers and identities: nothing here knows what a pipeline, a batch or a clock is. Everything
//! that is gathered can be merged in any order, and says by itself whether it is exact. What is inferred comes
//! as data, with statistic, interval, margin and n; what is no number is an error, never a conclusion.

mod alpha;
mod betting;
mod blocks;
mod direction;
mod distance;
mod error;
mod guard;
mod increase;
mod latency;
mod series_set;
mod values;

pub use alpha::{Alpha, AlphaError};
pub use betting::{BettingError, EProcess, EbhError, StretchProcess, e_bh, minimum_blocks};
pub use blocks::{
    Block, BlockError, Blocking, Blocks, block_windows, expected_mirror_windows, mirror_windows,
};
pub use direction::HarmDirection;
pub use distance::{Deciles, DistanceError, Distribution, jensen_shannon, kolmogorov_smirnov, wasserstein};
pub use error::{relative_error, relative_error_beyond};
pub use guard::{
    Clipped, Guard, GuardError, Judgement, Mirror, Missing, Question, Reach, Stretch, Told, look,
    minimum_blocks_to_meet,
};
pub use increase::Counter;
pub use latency::{Latency, LatencySummary};
pub use series_set::{BOUND, Count, IdentityHasher, SeriesSet};
pub use values::{Values, ValuesError};
