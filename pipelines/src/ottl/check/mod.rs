//! Checks: from a syntax tree to expressions whose names, paths and arguments are known to be right.

pub(super) mod bind;
pub(super) mod call;
mod checker;
pub(super) mod expr;
mod infer;
pub(super) mod paths;

pub(super) use checker::Checker;
