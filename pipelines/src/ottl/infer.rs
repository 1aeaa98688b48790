//! Which context conditions without one belong to: the narrowest that any of their paths names, or one below
//! it that knows all their functions and enums.

use crate::yaml::{Located, Problem};

use super::ast::{ArgumentValue, Boolean, Call, Value, ValueKind};
use super::condition::Condition;
use super::context::{Context, Style};
use super::functions::SIGNATURES;
use super::{parse, paths};

impl Context {
    /// Infers the one context of a group of conditions.
    ///
    /// # Errors
    /// Syntax errors; no path to infer from, or no context that knows everything the conditions use.
    pub fn infer(conditions: &[Located]) -> Result<Self, Vec<Problem>> {
        let (mut hints, mut problems) = (Hints::default(), Vec::new());
        for text in conditions {
            match parse::condition(text.text()) {
                Ok(condition) => hints.boolean(&condition),
                Err(error) => problems.push(error.problem(text)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let at = conditions.first().map_or(crate::yaml::Location::START, Located::start);
        let Some(narrowest) = hints.narrowest else {
            // Paths without a context say more than their absence.
            let compile = |text| Condition::compile(text, Self::DataPoint, Style::Named).err();
            let problems: Vec<Problem> = conditions.iter().filter_map(compile).flatten().collect();
            if !problems.is_empty() {
                return Err(problems);
            }
            let message = "there is no path to infer the context from";
            let expected = "paths that begin with resource, scope, metric or datapoint, or a context";
            return Err(vec![Problem::new(at, message).expected(expected)]);
        };
        let below = Self::ALL.into_iter().rev().filter(|context| *context > narrowest);
        let found = std::iter::once(narrowest).chain(below).find(|context| hints.fit(*context));
        found.ok_or_else(|| {
            let used: Vec<&str> = hints.functions.iter().chain(&hints.enums).map(String::as_str).collect();
            let message = format!("no context knows all that is used here: {}", used.join(", "));
            vec![Problem::new(at, message)]
        })
    }
}

#[derive(Default)]
struct Hints {
    narrowest: Option<Context>,
    functions: Vec<String>,
    enums: Vec<String>,
}

impl Hints {
    /// Unknown names fit everywhere: the checker names them with their place.
    fn fit(&self, context: Context) -> bool {
        let elsewhere = |name: &str| {
            let signature = SIGNATURES.iter().find(|signature| signature.name == name);
            signature.and_then(|signature| signature.only_in).is_some_and(|only| only != context)
        };
        let missing = |name: &str| {
            let known_in = |context| paths::enums(context).any(|(known, _)| *known == name);
            known_in(Context::DataPoint) && !known_in(context)
        };
        !self.functions.iter().any(|name| elsewhere(name)) && !self.enums.iter().any(|name| missing(name))
    }

    fn boolean(&mut self, boolean: &Boolean) {
        match boolean {
            Boolean::Literal(_) => {}
            Boolean::Call(call) => self.call(call),
            Boolean::Not(inner) => self.boolean(inner),
            Boolean::And(operands) | Boolean::Or(operands) => {
                operands.iter().for_each(|operand| self.boolean(operand));
            }
            Boolean::Comparison(comparison) => {
                self.value(&comparison.left);
                self.value(&comparison.right);
            }
        }
    }

    fn call(&mut self, call: &Call) {
        self.functions.push(call.name.clone());
        call.keys.iter().for_each(|key| self.value(key));
        for argument in &call.arguments {
            if let ArgumentValue::Value(value) = &argument.value {
                self.value(value);
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Enum(name) => self.enums.push(name.clone()),
            ValueKind::Path(path) => {
                let named = path.segments.first().and_then(|first| Context::from_name(&first.name));
                self.narrowest = self.narrowest.max(named);
                path.segments.iter().flat_map(|segment| &segment.keys).for_each(|key| self.value(key));
            }
            ValueKind::List(items) => items.iter().for_each(|item| self.value(item)),
            ValueKind::Map(entries) => entries.iter().for_each(|(_, value)| self.value(value)),
            ValueKind::Call(call) => self.call(call),
            ValueKind::Negation(inner) => self.value(inner),
            ValueKind::Math(left, _, right) => {
                self.value(left);
                self.value(right);
            }
            _ => {}
        }
    }
}
