//! Parameters of an observation.

use crate::{Critical, Lens, Price};

/// Bytes of memory that a series which is followed in both variants is counted with: its rows in the tables of an observer and
/// in the summaries of its evidence. A host's take 1,080 on average.
pub const SERIES_BYTES: usize = 1_280;

/// Parameters of an [`Observer`](crate::Observer) and its [`Evidence`](crate::Evidence).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Uid of the agent that observes: it stands for the host where no attribute does.
    pub agent_uid: String,
    /// Length of a window, nanoseconds.
    pub window_nanos: u64,
    /// The shortest stretch that a horizon may be, nanoseconds, where results are told to someone else: a
    /// report covers a horizon.
    pub report_nanos: u64,
    /// Time that the plans may hold a point back, nanoseconds: the longer of the two.
    pub hold_nanos: u64,
    /// Scrapes until every stage of the plans has state: the larger of the two.
    pub warm_up_scrapes: u32,
    /// The aggregates that people look at.
    pub lenses: Vec<Lens>,
    /// The processes that must not vanish.
    pub critical: Vec<Critical>,
    /// Price of the backend.
    pub price: Price,
    /// Number of series that are followed one by one; past it, those of a share of the entities are.
    pub bound: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            agent_uid: String::new(),
            window_nanos: 10_000_000_000,
            report_nanos: 0,
            hold_nanos: 0,
            warm_up_scrapes: 0,
            lenses: Lens::defaults(),
            critical: vec![Critical::default()],
            price: Price::default(),
            bound: drift::BOUND,
        }
    }
}
