//! Inference of the context of a list without one: the narrowest that any of its paths names, or one below it that
//! knows all its functions and enums.

use crate::cost::Allowance;
use crate::ottl::condition::Condition;
use crate::ottl::context::{Context, Place, Style};
use crate::ottl::functions::lookup;
use crate::ottl::statement::Statement;
use crate::ottl::syntax::ast::{ArgumentValue, Boolean, Call, Statement as Parsed, Value, ValueKind};
use crate::ottl::syntax::parse;
use crate::yaml::{Located, Location, Problem};

use super::paths;

impl Context {
    /// Infers the one context of a group of conditions.
    ///
    /// # Errors
    /// Syntax errors; no path to infer from, or no context that knows everything the conditions use.
    pub fn infer(conditions: &[Located], allowance: &mut Allowance) -> Result<Self, Vec<Problem>> {
        let mut hints = Hints::new(Place::Condition);
        let mut problems = Vec::new();
        for text in conditions {
            hints.condition(text, &mut problems);
        }
        hints.context(conditions.first(), &Self::ALL, problems, || {
            let compile = |text| Condition::compile(text, Self::DataPoint, Style::Named, allowance).err();
            conditions.iter().filter_map(compile).flatten().collect()
        })
    }

    /// Infers the one context of a group of statements and the conditions in front of it.
    ///
    /// # Errors
    /// As [`Context::infer`].
    pub fn infer_statements(
        statements: &[Located],
        conditions: &[Located],
        allowance: &mut Allowance,
    ) -> Result<Self, Vec<Problem>> {
        let mut hints = Hints::new(Place::Statement);
        let mut problems = Vec::new();
        for text in statements {
            match parse::statement(text.text()) {
                Ok(statement) => hints.statement(text, &statement),
                Err(error) => problems.push(error.problem(text)),
            }
        }
        for text in conditions {
            hints.condition(text, &mut problems);
        }
        hints.context(statements.first(), &Self::STATEMENTS, problems, || {
            let compile = |text| Statement::compile(text, Self::DataPoint, Style::Named, allowance).err();
            statements.iter().filter_map(compile).flatten().collect()
        })
    }
}

struct Hints {
    place: Place,
    narrowest: Option<Context>,
    functions: Vec<String>,
    enums: Vec<(String, Location)>,
}

impl Hints {
    fn new(place: Place) -> Self {
        Self { place, narrowest: None, functions: Vec::new(), enums: Vec::new() }
    }

    fn condition(&mut self, text: &Located, problems: &mut Vec<Problem>) {
        match parse::condition(text.text()) {
            Ok(condition) => self.boolean(text, &condition),
            Err(error) => problems.push(error.problem(text)),
        }
    }

    /// The context, or the problems there are; `anyway` finds more to say where no path names a context.
    fn context(
        &self,
        first: Option<&Located>,
        contexts: &[Context],
        mut problems: Vec<Problem>,
        anyway: impl FnOnce() -> Vec<Problem>,
    ) -> Result<Context, Vec<Problem>> {
        if !problems.is_empty() {
            return Err(problems);
        }
        let at = first.map_or(Location::START, Located::start);
        let Some(narrowest) = self.narrowest else {
            // Paths without a context say more than their absence.
            let more = anyway();
            if !more.is_empty() {
                return Err(more);
            }
            let message = "there is no path to infer the context from";
            let expected = "paths that begin with resource, scope, metric or datapoint, or a context";
            return Err(vec![Problem::new(at, message).expected(expected)]);
        };
        let all = || paths::enums(Context::DataPoint).map(|(known, _)| *known);
        for (name, location) in self.enums.iter().filter(|(name, _)| !all().any(|known| known == name)) {
            problems.push(Problem::unknown(*location, "enum", name, all()));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let below = contexts.iter().copied().rev().filter(|context| *context > narrowest);
        let found = std::iter::once(narrowest).chain(below).find(|context| self.fit(*context));
        found.ok_or_else(|| {
            let enums = self.enums.iter().map(|(name, _)| name.as_str());
            let used: Vec<&str> = self.functions.iter().map(String::as_str).chain(enums).collect();
            let message = format!("no context knows all that is used here: {}", used.join(", "));
            vec![Problem::new(at, message)]
        })
    }

    /// Unknown functions fit everywhere: the checker names them with their place.
    fn fit(&self, context: Context) -> bool {
        let here = |name: &String| lookup(name).is_none_or(|known| known.known.here(context, self.place));
        let known = |name: &str| paths::enums(context).any(|(known, _)| *known == name);
        self.functions.iter().all(here) && self.enums.iter().all(|(name, _)| known(name))
    }

    fn statement(&mut self, text: &Located, statement: &Parsed) {
        self.call(text, &statement.editor);
        if let Some(condition) = &statement.condition {
            self.boolean(text, condition);
        }
    }

    fn boolean(&mut self, text: &Located, boolean: &Boolean) {
        match boolean {
            Boolean::Literal(_) => {}
            Boolean::Call(call) => self.call(text, call),
            Boolean::Not(inner) => self.boolean(text, inner),
            Boolean::And(operands) | Boolean::Or(operands) => {
                operands.iter().for_each(|operand| self.boolean(text, operand));
            }
            Boolean::Comparison(comparison) => {
                self.value(text, &comparison.left);
                self.value(text, &comparison.right);
            }
        }
    }

    fn call(&mut self, text: &Located, call: &Call) {
        self.functions.push(call.name.clone());
        call.keys.iter().for_each(|key| self.value(text, key));
        for argument in &call.arguments {
            if let ArgumentValue::Value(value) = &argument.value {
                self.value(text, value);
            }
        }
    }

    fn value(&mut self, text: &Located, value: &Value) {
        match &value.kind {
            ValueKind::Enum(name) => self.enums.push((name.clone(), text.at(value.offset))),
            ValueKind::Path(path) => {
                let named = path.segments.first().and_then(|first| Context::from_name(&first.name));
                self.narrowest = self.narrowest.max(named);
                path.segments.iter().flat_map(|segment| &segment.keys).for_each(|key| self.value(text, key));
            }
            ValueKind::List(items) => items.iter().for_each(|item| self.value(text, item)),
            ValueKind::Map(entries) => entries.iter().for_each(|(_, value)| self.value(text, value)),
            ValueKind::Call(call) => self.call(text, call),
            ValueKind::Negation(inner) => self.value(text, inner),
            ValueKind::Math(left, _, right) => {
                self.value(text, left);
                self.value(text, right);
            }
            _ => {}
        }
    }
}
