//! Calls: the function by its name, its arguments by place or name, each checked against its parameter.
//!
//! A literal of the wrong kind is refused when the config is read, what is only known at run time is not.

use crate::ottl::context::{Context, Place};
use crate::ottl::functions::{
    Availability, Kind, LAMBDAS, ParamType, Parameter, REFUSED, Signature, camel, lookup, signatures,
};
use crate::ottl::run::getters;
use crate::ottl::run::value::Val;
use crate::ottl::syntax::ast::{self, Argument as WrittenArgument, ArgumentValue, Value, ValueKind};
use crate::yaml::Problem;

use super::Checker;
use super::call::{Argument, Call};
use super::expr::Expr;

impl Availability {
    /// Returns whether a function of this kind is known where something stands.
    pub(crate) fn here(self, context: Context, place: Place) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Metric => context == Context::Metric,
            Self::DataPoint => context == Context::DataPoint,
            Self::MetricCondition => context == Context::Metric && place == Place::Condition,
        }
    }
}

impl Checker<'_> {
    /// A call that gives a value.
    pub(crate) fn converter(&mut self, call: &ast::Call) -> Option<Expr> {
        let checked = self.call(call)?;
        let keys = self.keys(&call.keys)?;
        Some(Expr::Call(Box::new(checked), keys))
    }

    /// A call.
    pub(crate) fn call(&mut self, call: &ast::Call) -> Option<Call> {
        let signature = self.signature(call)?;
        let bound = self.bind(call, signature)?;
        let mut arguments = Vec::new();
        for (parameter, argument) in signature.parameters.iter().zip(bound) {
            arguments.push(match argument {
                Some(written) => Some(self.argument(call, parameter, written)?),
                None => None,
            });
        }
        let mut checked = Call { signature, arguments, prepared: Default::default() };
        match signature.prepare.run(&checked, self.allowance) {
            Ok(prepared) => checked.prepared = prepared,
            Err(message) => return self.problem(call.offset, format!("{}: {message}", call.name)),
        }
        Some(checked)
    }

    fn signature(&mut self, call: &ast::Call) -> Option<&'static Signature> {
        let here = |signature: &&Signature| signature.known.here(self.context, self.place);
        let found = lookup(&call.name);
        if let Some(signature) = found.filter(here) {
            return Some(signature);
        }
        let at = self.text.at(call.offset);
        let own = self.context.name();
        self.problems.push(if found.is_some() {
            Problem::new(at, format!("{} is no function of a {own}", call.name))
        } else if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == call.name) {
            Problem::new(
                at,
                format!("the function {} is OTTL, but Phoenix does not run it: {why}", call.name),
            )
        } else if LAMBDAS.contains(&call.name.as_str()) {
            let message = format!("{} takes a lambda, and lambdas are switched off", call.name);
            Problem::new(at, message)
        } else {
            let editors = call.name.starts_with(|c: char| c.is_ascii_lowercase());
            let alike = |signature: &&Signature| matches!(signature.kind, Kind::Editor(_)) == editors;
            let known = signatures().filter(here).filter(alike).map(|signature| signature.name);
            Problem::unknown(at, "function", &call.name, known)
        });
        None
    }

    /// The arguments in the order of the parameters.
    fn bind<'c>(
        &mut self,
        call: &'c ast::Call,
        signature: &Signature,
    ) -> Option<Vec<Option<&'c WrittenArgument>>> {
        let mut bound: Vec<Option<&WrittenArgument>> = vec![None; signature.parameters.len()];
        let mut named = false;
        for (place, argument) in call.arguments.iter().enumerate() {
            named |= argument.name.is_some();
            let place = match &argument.name {
                Some(name) => self.parameter(argument, name, signature)?,
                None if named => {
                    return self.problem(argument.offset, "an argument without a name after one with a name");
                }
                None => place,
            };
            match bound.get_mut(place) {
                Some(slot) if slot.is_none() => *slot = Some(argument),
                Some(_) => return self.problem(argument.offset, "an argument that is given twice"),
                None => return self.count(call, signature),
            }
        }
        let missing =
            signature.parameters.iter().zip(&bound).any(|(p, given)| !p.optional && given.is_none());
        if missing { self.count(call, signature) } else { Some(bound) }
    }

    /// Names are compared as the Collector does: in camel case.
    fn parameter(&mut self, argument: &WrittenArgument, name: &str, signature: &Signature) -> Option<usize> {
        let wanted = camel(name.as_bytes());
        let place = signature.parameters.iter().position(|known| camel(known.name.as_bytes()) == wanted);
        if place.is_none() {
            let known = signature.parameters.iter().map(|known| known.name);
            self.problems.push(Problem::unknown(self.text.at(argument.offset), "argument", name, known));
        }
        place
    }

    fn count<T>(&mut self, call: &ast::Call, signature: &Signature) -> Option<T> {
        let names: Vec<String> = signature.parameters.iter().map(Parameter::shown).collect();
        let message = format!("{} was given {} arguments", call.name, call.arguments.len());
        let expected = format!("{}({})", call.name, names.join(", "));
        self.problems.push(Problem::new(self.text.at(call.offset), message).expected(expected));
        None
    }

    fn argument(
        &mut self,
        call: &ast::Call,
        parameter: &Parameter,
        written: &WrittenArgument,
    ) -> Option<Argument> {
        if parameter.takes == ParamType::Function {
            return self.function(written);
        }
        let ArgumentValue::Value(value) = &written.value else {
            return self.problem(written.offset, format!("{} takes no function here", call.name));
        };
        let fixed = match (parameter.takes, &value.kind) {
            (ParamType::Target, ValueKind::Path(path)) => return self.target(path).map(Argument::Target),
            (ParamType::FixedText, ValueKind::Text(text)) => Some(Argument::Text(text.as_slice().into())),
            (ParamType::FixedInt, ValueKind::Int(number)) => Some(Argument::Int(*number)),
            (ParamType::FixedDouble, ValueKind::Double(number)) => Some(Argument::Double(*number)),
            (ParamType::FixedBool, ValueKind::Bool(bit)) => Some(Argument::Bool(*bit)),
            (ParamType::FixedTexts, ValueKind::List(items)) => texts(items).map(Argument::Texts),
            (ParamType::FixedDoubles, ValueKind::List(items)) => doubles(items).map(Argument::Doubles),
            (ParamType::Values(element), ValueKind::List(items)) => {
                let exprs: Vec<_> =
                    items.iter().map(|item| self.typed(call, parameter, *element, item)).collect();
                return exprs.into_iter().collect::<Option<_>>().map(Argument::Exprs);
            }
            (takes, _) if takes.is_fixed() => None,
            (takes, _) => return self.typed(call, parameter, takes, value).map(Argument::Expr),
        };
        fixed.or_else(|| self.mismatch(call, parameter, value.offset))
    }

    /// A value for a parameter that takes one kind; a literal is tried.
    fn typed(
        &mut self,
        call: &ast::Call,
        parameter: &Parameter,
        takes: ParamType,
        value: &Value,
    ) -> Option<Expr> {
        let expr = self.value(value)?;
        if expr.is_literal() && !literal(&expr).is_some_and(|value| takes.accepts(&value)) {
            return self.mismatch(call, parameter, value.offset);
        }
        Some(expr)
    }

    fn mismatch<T>(&mut self, call: &ast::Call, parameter: &Parameter, offset: usize) -> Option<T> {
        let wanted = parameter.takes.wanted();
        self.problem(offset, format!("the argument {:?} of {} must be {wanted}", parameter.name, call.name))
    }

    /// A converter by its name; one whose name is all capitals reads as an enum.
    fn function(&mut self, written: &WrittenArgument) -> Option<Argument> {
        let name = match &written.value {
            ArgumentValue::Function(name) => name,
            ArgumentValue::Value(Value { kind: ValueKind::Enum(name), .. }) => name,
            ArgumentValue::Value(_) => {
                return self
                    .problem(written.offset, "the name of a function must stand here, without arguments");
            }
        };
        let found = lookup(name).filter(|signature| signature.known.here(self.context, self.place));
        let Some(signature) = found else {
            let known = signatures().filter(|signature| signature.takes_one_text()).map(|one| one.name);
            self.problems.push(Problem::unknown(self.text.at(written.offset), "function", name, known));
            return None;
        };
        // The Collector finds out at run time, and fails each time.
        Some(Argument::Function(signature))
    }
}

/// The value of a literal.
pub(crate) fn literal(expr: &Expr) -> Option<Val<'_>> {
    Some(match expr {
        Expr::Nil => Val::Nil,
        Expr::Bool(bit) => Val::Bool(*bit),
        Expr::Int(number) => Val::Int(*number),
        Expr::Double(number) => Val::Double(*number),
        Expr::Text(text) => Val::Text(std::borrow::Cow::Borrowed(text)),
        Expr::Bytes(bytes) => Val::Bytes(std::borrow::Cow::Borrowed(bytes)),
        Expr::List(items) => {
            let items: Option<Vec<_>> = items.iter().map(literal).collect();
            Val::List(crate::ottl::run::value::List::Raw(items?))
        }
        Expr::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((key.to_vec(), literal(value)?)));
            Val::map(entries.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    })
}

fn texts(items: &[Value]) -> Option<Vec<Box<[u8]>>> {
    let text = |item: &Value| match &item.kind {
        ValueKind::Text(text) => Some(text.as_slice().into()),
        _ => None,
    };
    items.iter().map(text).collect()
}

fn doubles(items: &[Value]) -> Option<Vec<f64>> {
    let double = |item: &Value| match item.kind {
        ValueKind::Double(number) => Some(number),
        _ => None,
    };
    items.iter().map(double).collect()
}

impl ParamType {
    fn is_fixed(self) -> bool {
        matches!(
            self,
            Self::FixedText
                | Self::FixedInt
                | Self::FixedDouble
                | Self::FixedBool
                | Self::FixedTexts
                | Self::FixedDoubles
                | Self::Values(_)
                | Self::Target
        )
    }

    fn accepts(self, value: &Val<'_>) -> bool {
        match self {
            Self::Text => matches!(value, Val::Text(_)),
            Self::Int => matches!(value, Val::Int(_)),
            Self::Double => matches!(value, Val::Double(_)),
            Self::Bool => matches!(value, Val::Bool(_)),
            Self::Map => matches!(value, Val::Map(_)),
            Self::List => getters::list(value.clone()).is_ok(),
            Self::Time => matches!(value, Val::Time(_)),
            Self::Duration => matches!(value, Val::Duration(_)),
            Self::TextLike => getters::text_like(value).is_ok(),
            Self::IntLike => getters::integer_like(value).is_ok(),
            Self::DoubleLike => getters::double_like(value).is_ok(),
            Self::BoolLike => getters::boolean_like(value).is_ok(),
            Self::BytesLike => getters::bytes_like(value).is_ok(),
            _ => true,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Text | Self::TextLike => "a text",
            Self::Int | Self::IntLike => "an integer",
            Self::Double | Self::DoubleLike => "a number",
            Self::Bool | Self::BoolLike => "a boolean",
            Self::BytesLike => "bytes or a text",
            Self::Map => "a map",
            Self::List => "a list",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Values(_) => "a list in brackets",
            Self::FixedText => "a text in quotes",
            Self::FixedInt => "an integer that stands here",
            Self::FixedDouble => "a number with a point that stands here",
            Self::FixedBool => "true or false",
            Self::FixedTexts => "a list of texts in quotes",
            Self::FixedDoubles => "a list of numbers with a point",
            Self::Target => "a path",
            Self::Function => "the name of a function",
        }
    }
}
