//! Definition and work of a pipeline.
//!
//! The functional core of the data path: batches as they lie on the wire, pipelines written in the Collector's
//! own language, and what each stage does to a batch. There is no I/O, no clock and no randomness here: time is
//! an argument, bytes come in and bytes go out.

mod aggregate;
pub mod batch;
pub mod catalog;
pub mod config;
pub mod cost;
pub mod division;
pub mod entity;
pub mod json;
pub mod ottl;
pub mod processors;
pub mod split;
mod stage;
pub mod template;
pub mod yaml;

pub use batch::Batch;
