//! The actions of `attributes` and `resource`: edits of a list of attributes.

mod config;
mod run;

pub(crate) use config::{Action, decode, rule};
pub(crate) use run::BatchActions;
