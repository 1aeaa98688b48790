//! Rate of wrong answers and time to a right one, by simulation through the inference itself.
//!
//! A simulated fleet gives windows; they go the way of measured ones: `drift::Mirror` until it is long enough, then
//! `drift::Guard`, looked at after every block by `drift::look`. What comes out is counted into rows.
//! Everything follows from a seed: a run is a pure function of scenario, seed and its number, so that runs may be
//! spread over threads at will. Nothing here knows a pipeline, a thread or a clock.

mod error;
mod noise;
mod plan;
mod row;
mod run;
mod scenario;
mod table;
mod world;

pub use drift::Alpha;
pub use error::Error;
pub use noise::Noise;
pub use plan::{Answer, Question};
pub use row::{Kind, Row};
pub use run::{Outcome, run};
pub use scenario::{Laws, Path, Scenario, Shift};
pub use table::table;
