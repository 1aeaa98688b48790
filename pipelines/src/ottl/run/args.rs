//! Arguments of a call, evaluated for a row.

use std::borrow::Cow;

use crate::ottl::check::call::{Argument, Call, Target};
use crate::ottl::check::expr::Expr;
use crate::ottl::functions::{Kind, Signature};

use super::eval::{Evaluated, Failure, Row};
use super::getters;
use super::value::{Map, Moment, Val};

const MISSING: Failure = Failure("a missing argument");

impl Call {
    /// The result of a converter.
    pub(crate) fn converted<'a>(&'a self, row: &Row<'a>) -> Evaluated<Val<'a>> {
        match self.signature.kind {
            Kind::Converter(run) => run(&Args { call: self, row }),
            Kind::Editor(_) => Err(Failure("an editor gives no value")),
        }
    }

    pub(crate) fn target(&self, place: usize) -> Evaluated<&Target> {
        match self.arguments.get(place) {
            Some(Some(Argument::Target(target))) => Ok(target),
            _ => Err(MISSING),
        }
    }
}

/// A call and the row that it is evaluated for.
pub(crate) struct Args<'a, 'r> {
    pub call: &'a Call,
    pub row: &'r Row<'a>,
}

impl<'a> Args<'a, '_> {
    fn argument(&self, place: usize) -> Option<&'a Argument> {
        self.call.arguments.get(place).and_then(Option::as_ref)
    }

    /// Returns whether an optional argument was given.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.argument(place).is_some()
    }

    pub(crate) fn value(&self, place: usize) -> Evaluated<Val<'a>> {
        match self.argument(place) {
            Some(Argument::Expr(expr)) => expr.eval(self.row),
            _ => Err(MISSING),
        }
    }

    pub(crate) fn text(&self, place: usize) -> Evaluated<Cow<'a, [u8]>> {
        getters::text(self.value(place)?)
    }

    pub(crate) fn integer(&self, place: usize) -> Evaluated<i64> {
        getters::integer(&self.value(place)?)
    }

    pub(crate) fn time(&self, place: usize) -> Evaluated<Moment> {
        getters::time(&self.value(place)?)
    }

    pub(crate) fn duration(&self, place: usize) -> Evaluated<i64> {
        getters::duration(&self.value(place)?)
    }

    pub(crate) fn map(&self, place: usize) -> Evaluated<Map<'a>> {
        getters::map(self.value(place)?)
    }

    pub(crate) fn list(&self, place: usize) -> Evaluated<Vec<Val<'a>>> {
        getters::list(self.value(place)?)
    }

    pub(crate) fn text_like(&self, place: usize) -> Evaluated<Option<Cow<'a, [u8]>>> {
        match self.value(place)? {
            Val::Text(text) => Ok(Some(text)),
            other => Ok(getters::text_like(&other)?.map(|text| Cow::Owned(text.into_owned()))),
        }
    }

    /// A text that stands in the config.
    pub(crate) fn fixed_text(&self, place: usize) -> Option<&'a [u8]> {
        match self.argument(place) {
            Some(Argument::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A boolean that stands in the config.
    pub(crate) fn fixed_bool(&self, place: usize) -> Option<bool> {
        match self.argument(place) {
            Some(Argument::Bool(bit)) => Some(*bit),
            _ => None,
        }
    }

    /// Texts that stand in the config.
    pub(crate) fn fixed_texts(&self, place: usize) -> Option<&'a [Box<[u8]>]> {
        match self.argument(place) {
            Some(Argument::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// A list of values to be evaluated.
    pub(crate) fn exprs(&self, place: usize) -> &'a [Expr] {
        match self.argument(place) {
            Some(Argument::Exprs(exprs)) => exprs,
            _ => &[],
        }
    }

    /// A converter given by its name.
    pub(crate) fn function(&self, place: usize) -> Option<&'static Signature> {
        match self.argument(place) {
            Some(Argument::Function(signature)) => Some(signature),
            _ => None,
        }
    }
}
