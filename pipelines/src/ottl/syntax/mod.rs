//! Syntax: from text to a tree, with the byte offset of everything that can be wrong.

pub mod ast;
mod error;
mod lex;
pub mod parse;

pub use error::SyntaxError;
