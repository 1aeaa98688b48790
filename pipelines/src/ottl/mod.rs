//! OTTL, the Collector's language for conditions and edits.
//!
//! [`parse`] reads the whole language. What is understood and run today are conditions: [`Condition`] is
//! checked against the context it stands in, with the place of every mistake, and evaluated over a batch
//! without an allocation where it compares paths with literals or matches them with patterns.

pub mod ast;
mod compare;
mod condition;
mod context;
mod eval;
mod expr;
mod functions;
mod infer;
mod json;
mod lex;
pub mod parse;
mod paths;
mod pattern;
mod syntax;
mod value;

pub use condition::Condition;
pub use context::{Context, Level, Style};
pub use eval::{Failure, Row};
pub use pattern::Pattern;
pub use syntax::SyntaxError;

pub(crate) use json::{double as json_double, write as json_text};
pub(crate) use value::Val;

#[cfg(test)]
mod tests;
