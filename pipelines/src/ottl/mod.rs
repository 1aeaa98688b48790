//! OTTL, the Collector's language for conditions and edits.
//!
//! [`parse`] reads the whole language. A [`Condition`] or [`Statement`] is checked against the context it stands
//! in, with the place of every mistake, and evaluated over a batch without an allocation where it compares paths
//! with literals or matches them with patterns.

pub mod ast;
mod bind;
mod call;
mod check;
mod civil;
mod compare;
mod condition;
mod context;
mod editors;
mod eval;
mod expr;
mod fields;
mod functions;
mod getters;
mod glob;
mod infer;
mod json;
mod lex;
pub mod parse;
mod paths;
mod pattern;
mod statement;
mod syntax;
mod value;

pub use condition::Condition;
pub use context::{Context, Level, Place, Style};
pub use eval::{Failure, Row};
pub use pattern::Pattern;
pub use statement::Statement;
pub use syntax::SyntaxError;

pub(crate) use editors::Work;
pub(crate) use editors::scale::{exemplars as scale_exemplars, histogram as scale_histogram};
pub(crate) use eval::NO_CACHE;
pub(crate) use json::{double_text, text_of as json_text};
pub(crate) use value::{Map, Val, cut};

#[cfg(test)]
mod tests;
