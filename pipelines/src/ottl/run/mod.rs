//! Evaluation of checked expressions over the rows of a batch.

mod args;
pub(super) mod civil;
pub(super) mod compare;
pub(super) mod eval;
mod fields;
pub(super) mod getters;
pub(super) mod json;
pub(super) mod value;

pub(super) use args::Args;
