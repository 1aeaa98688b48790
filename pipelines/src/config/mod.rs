//! A Collector file, and the plans that it holds.
//!
//! [`CollectorFile::parse`] reads what every part of Phoenix needs from the file and keeps the place of all
//! of it; who owns a section decodes it. [`CollectorFile::check`] is the only maker of a [`Plan`], so that a
//! plan in hand is a pipeline that builds.

mod baseline;
mod check;
mod component;
mod cut;
mod digest;
mod file;
mod known;
mod machinery;
mod plan;
mod service;
mod splice;

pub use check::MACHINERY;
pub use component::{Component, ComponentId, Reference, Section};
pub use cut::{Cut, Role, Upstream};
pub use digest::Digest;
pub use file::CollectorFile;
pub use known::{DIAGNOSTIC_EXTENSIONS, unknown_component};
pub use machinery::{BatchSettings, MemoryLimiter};
pub use plan::{Plan, Scope, Stage};
pub use service::{PipelineEntry, Signal};
pub use splice::SpliceError;

#[cfg(test)]
mod tests;
