//! A checked call: its arguments in the order of the parameters, and what was made of those that are fixed.

use crate::ottl::context::Level;
use crate::ottl::functions::{Preparation, Signature};

use super::expr::{Expr, Key, widest};
use super::paths::Field;

/// Call of a function, checked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub signature: &'static Signature,
    pub arguments: Vec<Option<Argument>>,
    pub prepared: Preparation,
}

/// An argument.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    /// Evaluated each time.
    Expr(Expr),
    /// A text that stands in the config.
    Text(Box<[u8]>),
    /// An integer that stands in the config.
    Int(i64),
    /// A double that stands in the config.
    Double(f64),
    /// A boolean that stands in the config.
    Bool(bool),
    /// A list of values, each evaluated each time.
    Exprs(Vec<Expr>),
    /// A list of texts that stand in the config.
    Texts(Vec<Box<[u8]>>),
    /// A list of doubles that stand in the config.
    Doubles(Vec<f64>),
    /// A path that is written.
    Target(Target),
    /// A converter by its name, to be called with one text.
    Function(&'static Signature),
}

/// A path that is written, and read.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub field: Field,
    pub keys: Vec<Key>,
}

impl Argument {
    fn level(&self) -> Level {
        match self {
            Self::Expr(expr) => expr.level(),
            Self::Exprs(exprs) => widest(exprs.iter().map(Expr::level)),
            _ => Level::Constant,
        }
    }

    fn asks_clock(&self) -> bool {
        match self {
            Self::Expr(expr) => expr.asks_clock(),
            Self::Exprs(exprs) => exprs.iter().any(Expr::asks_clock),
            Self::Target(target) => target.keys.iter().any(Key::asks_clock),
            Self::Function(signature) => signature.clock,
            _ => false,
        }
    }
}

impl Call {
    /// The narrowest level that it reads.
    pub(crate) fn level(&self) -> Level {
        let arguments = widest(self.arguments.iter().flatten().map(Argument::level));
        self.signature.reads.max(arguments)
    }

    /// Returns whether what it gives depends on the time.
    pub(crate) fn asks_clock(&self) -> bool {
        self.signature.clock || self.arguments.iter().flatten().any(Argument::asks_clock)
    }
}
