//! A second implementation of what the agent says: a store of every point that was sent and that each variant made, and
//! all figures of a comparison computed from it.
//!
//! It reads OTLP as `opentelemetry-proto` does, keeps points whole, and shares no code with what it checks: nothing here
//! knows `observe`, `drift` or `pipelines`. It is written for plainness: every figure is computed anew from all points.
//!
//! Provenance is not on the wire. Each point of the traffic carries an exemplar with a number of its own ([`Point::id`]),
//! which stages leave alone; a summary, which has no exemplars, has a time of its own. For stages that aggregate, a
//! candidate's [`Plan`] says what becomes of each series.

pub mod agreement;
pub mod arrivals;
pub mod attributes;
pub mod billed;
pub mod changed;
pub mod critical;
pub mod described;
pub mod entity;
pub mod fates;
pub mod group;
pub mod guarded;
pub mod history;
pub mod life;
pub mod limit;
pub mod near;
pub mod owner;
pub mod panel;
pub mod plan;
pub mod point;
pub mod report;
pub mod series;
pub mod track;
pub mod writers;

pub use agreement::Agreement;
pub use history::{Arrival, Batch, History, Made, Window};
pub use plan::{Ancestry, Function, Lens, Plan};
pub use point::{Measure, Point};
pub use series::Series;
