//! Stages at work: what stands between processors.
//!
//! A [`Processor`](crate::processors::Processor) is a checked config; a stage is one of them in a pipeline, with its
//! id, the counts of its rules and its state between batches. Here are also the parts that processors of several
//! kinds are made of: tables of series, loads of units, shared keys of configs.

pub(crate) mod actions;
pub(crate) mod config;
mod error;
mod hand_over;
mod held_inputs;
mod pipeline;
mod rule_stats;
mod saved;
mod saving;
mod series_label;
mod series_set;
mod state;
mod stop;
mod table;
mod ticks;
pub(crate) mod unit;

#[cfg(test)]
pub(crate) mod tests;

pub use hand_over::{Variants, hand_over};
pub use pipeline::{Pipeline, Refusal, RuleCount, StageCount};
pub use rule_stats::RuleStats;
pub use series_set::SeriesSet;
pub use state::{Flush, HeldPoints, Pressure, StateSize};

pub(crate) use error::StageError;
pub(crate) use rule_stats::{Effect, Tallies, Tally};
pub(crate) use saved::Saved;
pub(crate) use state::{StageBatch, State, by_resource};
pub(crate) use stop::{PATTERN, Stop};
pub(crate) use table::{Aged, Table};
pub(crate) use ticks::Ticks;
