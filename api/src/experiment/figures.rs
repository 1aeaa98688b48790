//! The fleet's figures: what the agents found, added up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sums over agents, of one horizon each or of all that each has measured. Shares are from 0 to 1; none where the
/// baseline had nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Agents in it.
    pub agents: u32,
    /// Windows, over all agents.
    pub windows: u64,
    /// True if every count was counted one by one.
    pub exact: bool,
    /// True if counts of distinct things may count one twice, because an agent was restarted or a series comes through
    /// several.
    pub at_most: bool,
    /// Units assigned to baseline and candidate.
    pub units: [u64; 2],
    /// Points without the unit's attributes.
    pub unassigned_points: u64,
    /// Points that came in.
    pub points_in: u64,
    /// Distinct series that came in.
    pub series_in: u64,
    /// Points, baseline and candidate.
    pub points: [u64; 2],
    /// Bytes of uncompressed OTLP.
    pub bytes: [u64; 2],
    /// Distinct series.
    pub series: [u64; 2],
    /// Active series, as the backend bills them.
    pub active: [u64; 2],
    /// US dollars a month.
    pub monthly_usd: [f64; 2],
    /// Points that left.
    pub delivered: [u64; 2],
    /// Series that the candidate loses.
    pub lost: u64,
    /// Output identities of the candidate with several writers that the baseline keeps apart.
    pub collisions: u64,
    /// Critical processes: came in, shown by the baseline, shown by the candidate.
    pub critical: [u64; 3],
    /// Batches the candidate failed on.
    pub failures: u64,
    /// Points that destinations settled, baseline and candidate.
    pub settled: [u64; 2],
    /// Those of them that did not arrive: rejected, refused or given up.
    pub undelivered: [u64; 2],
    /// Bytes as they were sent, compressed.
    pub wire_bytes: [u64; 2],
    /// Share of active series saved, as the backend bills them.
    pub saving_active: Option<f64>,
    /// Share of distinct series saved.
    pub saving_series: Option<f64>,
    /// Share of bytes saved.
    pub saving_bytes: Option<f64>,
    /// Share of points saved.
    pub saving_points: Option<f64>,
    /// Share of the monthly cost saved.
    pub saving_cost: Option<f64>,
    /// Each lens's total.
    pub lenses: Vec<LensFigure>,
}

/// A lens's total over the fleet, in the metric's unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LensFigure {
    /// Its name.
    pub name: String,
    /// The baseline's figure.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// (candidate − baseline) / |baseline|; none where the baseline has nothing.
    pub relative_error: Option<f64>,
}
