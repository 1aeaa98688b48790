//! OTTL, the Collector's language for conditions and edits.
//!
//! [`syntax::parse`] reads the whole language. A [`Condition`] or [`Statement`] is checked (`check`) against the
//! context it stands in, with the place of every mistake, and evaluated (`run`) over a batch without an allocation
//! where it compares paths with literals or matches them with patterns.

mod check;
mod condition;
mod context;
mod editors;
mod functions;
mod glob;
mod pattern;
mod run;
mod statement;
pub mod syntax;

pub use condition::Condition;
pub use context::{Context, Level, Place, Style};
pub use pattern::Pattern;
pub use run::eval::{Failure, Row};
pub use statement::Statement;
pub use syntax::SyntaxError;

pub(crate) use editors::Work;
pub(crate) use editors::scale::{exemplars as scale_exemplars, histogram as scale_histogram};
pub(crate) use run::compare::compare;
pub(crate) use run::eval::NO_CACHE;
pub(crate) use run::json::{double_text, text_of as json_text};
pub(crate) use run::value::{Map, Val, cut};
pub(crate) use syntax::ast::CompareOp;

#[cfg(test)]
mod tests;
