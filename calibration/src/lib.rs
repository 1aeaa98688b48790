//! Rate of false alarms and time to find a shift, by simulation through the inference itself.
//!
//! A simulated fleet gives windows; they go the way of measured ones: mirror step → `drift::Blocking`, then window →
//! `drift::Blocks` → `drift::Fleet` → `drift::e_bh`, looked at after every block. What comes out is counted into rows.
//! Everything follows from a seed: a run is a pure function of scenario, seed and its number, so that runs may be
//! spread over threads at will. Nothing here knows a pipeline, a thread or a clock.

mod error;
mod guard;
mod noise;
mod plan;
mod row;
mod run;
mod scenario;
mod world;

pub use drift::Alpha;
pub use error::Error;
pub use noise::Noise;
pub use plan::{Answer, MinimumTimes, Question};
pub use row::{Kind, Row};
pub use run::{Outcome, run};
pub use scenario::{Laws, Scenario, Shift, table};
