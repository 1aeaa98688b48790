//! Changes that a policy accepts besides what is safe by default.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change that is accepted: a word, for all metrics, or a map with the metrics of `renamed` and `changed`, as in `{"renamed": {"metric": ["a"]}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected renamed, changed, held, more, or a map such as {\"renamed\": {\"metric\": [\"a\"]}}"
)]
pub enum Allow {
    /// For all metrics.
    All(Change),
    /// For some.
    Part(AllowedParts),
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Another name, unit or type of a metric, and attributes that a lens groups by taken away.
    Renamed,
    /// Other values.
    Changed,
    /// Points that a stage holds back, in a step that delivers by the candidate: what is held when the candidate is cut out
    /// may be lost.
    Held,
    /// More active series, points or bytes than the baseline has.
    More,
}

/// Changes by the metrics that they are accepted for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedParts {
    /// See [`Change::Renamed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<AllowedMetrics>,
    /// See [`Change::Changed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<AllowedMetrics>,
}

/// Metrics, by the baseline's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedMetrics {
    /// Their names.
    pub metric: Vec<String>,
}
