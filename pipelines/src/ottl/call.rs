//! A checked call: its arguments in the order of the parameters, and what was made of those that are fixed.

use std::borrow::Cow;

use super::context::Level;
use super::eval::{Evaluated, Failure, Row};
use super::expr::{Expr, Key, widest};
use super::functions::{Kind, Prepared, Signature};
use super::getters;
use super::paths::Field;
use super::value::{Map, Moment, Val};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub signature: &'static Signature,
    pub arguments: Vec<Option<Argument>>,
    pub prepared: Prepared,
}

/// An argument.
#[derive(Debug, Clone)]
pub(super) enum Argument {
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
pub(super) struct Target {
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
    pub(super) fn level(&self) -> Level {
        let arguments = widest(self.arguments.iter().flatten().map(Argument::level));
        self.signature.reads.max(arguments)
    }

    /// Returns whether what it gives depends on the time.
    pub(super) fn asks_clock(&self) -> bool {
        self.signature.clock || self.arguments.iter().flatten().any(Argument::asks_clock)
    }

    /// The result of a converter.
    pub(super) fn converted<'a>(&'a self, row: &Row<'a>) -> Evaluated<Val<'a>> {
        match self.signature.kind {
            Kind::Converter(run) => run(&Args { call: self, row }),
            Kind::Editor(_) => Err(Failure("an editor gives no value")),
        }
    }

    pub(super) fn target(&self, place: usize) -> Evaluated<&Target> {
        match self.arguments.get(place) {
            Some(Some(Argument::Target(target))) => Ok(target),
            _ => Err(MISSING),
        }
    }
}

/// A call and the row that it is evaluated for.
pub(super) struct Args<'a, 'r> {
    pub call: &'a Call,
    pub row: &'r Row<'a>,
}

const MISSING: Failure = Failure("a missing argument");

impl<'a> Args<'a, '_> {
    fn argument(&self, place: usize) -> Option<&'a Argument> {
        self.call.arguments.get(place).and_then(Option::as_ref)
    }

    /// Returns whether an optional argument was given.
    pub(super) fn has(&self, place: usize) -> bool {
        self.argument(place).is_some()
    }

    pub(super) fn value(&self, place: usize) -> Evaluated<Val<'a>> {
        match self.argument(place) {
            Some(Argument::Expr(expr)) => expr.eval(self.row),
            _ => Err(MISSING),
        }
    }

    pub(super) fn text(&self, place: usize) -> Evaluated<Cow<'a, [u8]>> {
        getters::text(self.value(place)?)
    }

    pub(super) fn integer(&self, place: usize) -> Evaluated<i64> {
        getters::integer(&self.value(place)?)
    }

    pub(super) fn time(&self, place: usize) -> Evaluated<Moment> {
        getters::time(&self.value(place)?)
    }

    pub(super) fn duration(&self, place: usize) -> Evaluated<i64> {
        getters::duration(&self.value(place)?)
    }

    pub(super) fn map(&self, place: usize) -> Evaluated<Map<'a>> {
        getters::map(self.value(place)?)
    }

    pub(super) fn list(&self, place: usize) -> Evaluated<Vec<Val<'a>>> {
        getters::list(self.value(place)?)
    }

    pub(super) fn text_like(&self, place: usize) -> Evaluated<Option<Cow<'a, [u8]>>> {
        match self.value(place)? {
            Val::Text(text) => Ok(Some(text)),
            other => Ok(getters::text_like(&other)?.map(|text| Cow::Owned(text.into_owned()))),
        }
    }

    /// A text that stands in the config.
    pub(super) fn fixed_text(&self, place: usize) -> Option<&'a [u8]> {
        match self.argument(place) {
            Some(Argument::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A boolean that stands in the config.
    pub(super) fn fixed_bool(&self, place: usize) -> Option<bool> {
        match self.argument(place) {
            Some(Argument::Bool(bit)) => Some(*bit),
            _ => None,
        }
    }

    /// Texts that stand in the config.
    pub(super) fn fixed_texts(&self, place: usize) -> Option<&'a [Box<[u8]>]> {
        match self.argument(place) {
            Some(Argument::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// A list of values to be evaluated.
    pub(super) fn exprs(&self, place: usize) -> &'a [Expr] {
        match self.argument(place) {
            Some(Argument::Exprs(exprs)) => exprs,
            _ => &[],
        }
    }

    /// A converter given by its name.
    pub(super) fn function(&self, place: usize) -> Option<&'static Signature> {
        match self.argument(place) {
            Some(Argument::Function(signature)) => Some(signature),
            _ => None,
        }
    }
}
