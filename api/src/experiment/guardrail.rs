//! Guardrails: what else a candidate is held to, each a quantity, a side, a margin, and what happens past it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A limit on a quantity while an experiment runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Name for people.
    pub name: String,
    /// Quantity that is looked at.
    pub quantity: Quantity,
    /// Of which lens, where the quantity is a lens's.
    #[serde(default)]
    pub lens: Option<String>,
    /// Over all hosts together, or on each of them.
    #[serde(default)]
    pub scope: Scope,
    /// On which side of the baseline harm lies.
    #[serde(default)]
    pub direction: Direction,
    /// Margin, in the quantity's unit.
    pub margin: f64,
    /// Consequence of passing the margin.
    #[serde(default)]
    pub severity: Severity,
}

/// Quantity that can be looked at. Relative errors are (candidate − baseline) / |baseline|: 0.05 is 5 % more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A lens's total: a relative error.
    LensTotal,
    /// A lens's worst group, on any host: a relative error.
    LensGroup,
    /// Distinct series: a relative error.
    Series,
    /// Points: a relative error.
    Points,
    /// Bytes of uncompressed OTLP: a relative error.
    Bytes,
    /// Series of the baseline's of which the candidate keeps nothing: a share of them.
    SeriesLost,
    /// Critical processes that the baseline shows and the candidate does not: a share of them.
    CriticalHidden,
    /// Output identities with several writers: a count.
    Collisions,
    /// Batches that the candidate failed on: a count.
    Failures,
    /// Points of the candidate's that destinations did not take: a share of those that are settled.
    Undelivered,
    /// Bytes as they are sent, compressed, for a point delivered: a relative error.
    WireBytesPerPoint,
    /// Time in the pipeline for a point: a relative error, which varies by chance.
    NanosPerPoint,
    /// Time that 99 of 100 batches wait for the pipeline: a relative error, which varies by chance.
    LatencyP99,
}

/// Over what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All hosts together.
    #[default]
    Fleet,
    /// Each host: the worst counts.
    Host,
}

/// On which side harm lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The candidate is higher.
    Higher,
    /// The candidate is lower.
    Lower,
    /// Either.
    #[default]
    Either,
}

/// Consequence of passing the margin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Roll back: on any horizon, at once.
    Fatal,
    /// Hold the step.
    #[default]
    Blocking,
    /// Say so.
    Advisory,
}
