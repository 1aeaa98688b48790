//! Conditions: from text to something that can be asked about every row.

use crate::yaml::{Located, Location, Problem, nearest};

use super::ast::{Argument, ArgumentValue, Boolean, Call, Path, Segment, Value, ValueKind};
use super::context::{Context, Level, Style};
use super::eval::{Evaluated, Row};
use super::expr::{Expr, Key, Predicate};
use super::functions::{Function, NOT_CALLED, SIGNATURES, Signature, Takes};
use super::{Pattern, parse, paths};

/// A condition that was checked against the context it stands in.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    location: Location,
    predicate: Predicate,
    level: Level,
}

impl Condition {
    /// Checks a condition.
    ///
    /// # Errors
    /// The first syntax error, or every path, function and argument that is wrong, each with its place.
    pub fn compile(text: &Located, context: Context, style: Style) -> Result<Self, Vec<Problem>> {
        let parsed = parse::condition(text.text()).map_err(|error| vec![error.problem(text)])?;
        let mut checker = Checker { text, context, style, problems: Vec::new() };
        let predicate = checker.boolean(&parsed);
        match predicate {
            Some(predicate) if checker.problems.is_empty() => {
                let level = predicate.level();
                Ok(Self { text: text.text().to_owned(), location: text.start(), predicate, level })
            }
            _ => Err(checker.problems),
        }
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it was written.
    pub fn location(&self) -> Location {
        self.location
    }

    /// How often it has to be evaluated.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it holds for a row.
    ///
    /// # Errors
    /// What it asks cannot be answered: arithmetic with text, an index past the end, a division by zero.
    pub fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        self.predicate.holds(row)
    }
}

struct Checker<'t> {
    text: &'t Located,
    context: Context,
    style: Style,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem<T>(&mut self, offset: usize, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(self.text.at(offset), message));
        None
    }

    fn boolean(&mut self, boolean: &Boolean) -> Option<Predicate> {
        Some(match boolean {
            Boolean::Literal(value) => Predicate::Constant(*value),
            Boolean::Not(inner) => self.boolean(inner)?.negated(),
            Boolean::And(operands) => Predicate::and(self.booleans(operands)?),
            Boolean::Or(operands) => Predicate::or(self.booleans(operands)?),
            Boolean::Call(call) => Predicate::Holds(self.call(call)?),
            Boolean::Comparison(comparison) => {
                let (left, right) = (self.value(&comparison.left), self.value(&comparison.right));
                Predicate::Compare(left?, comparison.op, right?)
            }
        })
    }

    fn booleans(&mut self, operands: &[Boolean]) -> Option<Vec<Predicate>> {
        let checked: Vec<_> = operands.iter().map(|operand| self.boolean(operand)).collect();
        checked.into_iter().collect()
    }

    fn value(&mut self, value: &Value) -> Option<Expr> {
        Some(match &value.kind {
            ValueKind::Nil => Expr::Nil,
            ValueKind::Bool(bit) => Expr::Bool(*bit),
            ValueKind::Int(number) => Expr::Int(*number),
            ValueKind::Double(number) => Expr::Double(*number),
            ValueKind::Text(text) => Expr::Text(text.as_slice().into()),
            ValueKind::Bytes(bytes) => Expr::Bytes(bytes.as_slice().into()),
            ValueKind::Enum(name) => return self.enumeration(value.offset, name),
            ValueKind::Path(path) => return self.path(path),
            ValueKind::List(items) => Expr::List(self.values(items)?),
            ValueKind::Map(entries) => {
                let values: Vec<_> = entries.iter().map(|(_, value)| self.value(value)).collect();
                let keys = entries.iter().map(|(key, _)| key.as_slice().into());
                Expr::Map(keys.zip(values).map(|(key, value)| Some((key, value?))).collect::<Option<_>>()?)
            }
            ValueKind::Call(call) => return self.call(call),
            ValueKind::Negation(inner) => Expr::Negation(Box::new(self.value(inner)?)),
            ValueKind::Math(left, op, right) => {
                let (left, right) = (self.value(left), self.value(right));
                Expr::Math(Box::new(left?), *op, Box::new(right?))
            }
        })
    }

    fn values(&mut self, values: &[Value]) -> Option<Vec<Expr>> {
        let checked: Vec<_> = values.iter().map(|value| self.value(value)).collect();
        checked.into_iter().collect()
    }

    fn keys(&mut self, keys: &[Value]) -> Option<Vec<Key>> {
        let checked = self.values(keys)?.into_iter().map(|key| match key {
            Expr::Text(text) => Key::Text(text),
            Expr::Int(index) => Key::Index(index),
            other => Key::Computed(other),
        });
        Some(checked.collect())
    }

    fn enumeration(&mut self, offset: usize, name: &str) -> Option<Expr> {
        if let Some((_, number)) = paths::enums(self.context).find(|(known, _)| *known == name) {
            return Some(Expr::Int(*number));
        }
        let known = paths::enums(self.context).map(|(known, _)| *known);
        self.problems.push(Problem::unknown(self.text.at(offset), "enum", name, known));
        None
    }

    fn path(&mut self, path: &Path) -> Option<Expr> {
        let (owner, segments) = self.owner(path)?;
        let name = segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
        let Some((_, field)) = paths::fields(owner).iter().find(|(known, _)| *known == name) else {
            return self.unknown_path(path, owner, segments);
        };
        for (place, segment) in segments.iter().enumerate() {
            if let Some(key) = segment.keys.first().filter(|_| place + 1 < segments.len() || !field.is_map())
            {
                return self.problem(key.offset, format!("{:?} cannot be indexed", segment.name));
            }
        }
        let keys = segments.last().map(|segment| segment.keys.as_slice()).unwrap_or_default();
        Some(Expr::Field(*field, self.keys(keys)?))
    }

    /// Whose field a path names, and its names without that of the context.
    fn owner<'p>(&mut self, path: &'p Path) -> Option<(Context, &'p [Segment])> {
        let first = path.segments.first()?;
        let named = Context::from_name(&first.name).filter(|_| first.keys.is_empty());
        let rest = path.segments.get(1..).unwrap_or_default();
        let own = self.context.name();
        match named {
            Some(context) if context > self.context => {
                let message = format!("a condition on a {own} does not see a {}", context.name());
                self.problem(first.offset, message)
            }
            Some(context) if context == self.context && self.style == Style::Bare => {
                let message =
                    format!("in a list of {own} conditions a {own}'s own path stands without {own:?}");
                let rest: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
                let problem = Problem::new(self.text.at(first.offset), message).expected(rest.join("."));
                self.problems.push(problem);
                None
            }
            Some(context) => Some((context, rest)),
            None if self.style == Style::Named => {
                let message = format!("the path {:?} does not begin with the name of a context", first.name);
                let names = "resource, scope, metric or datapoint, as in metric.name";
                let near = nearest(&first.name, Context::ALL.map(Context::name));
                let problem = Problem::new(self.text.at(first.offset), message).expected(names).suggest(near);
                self.problems.push(problem);
                None
            }
            None => Some((self.context, &path.segments)),
        }
    }

    fn unknown_path<T>(&mut self, path: &Path, owner: Context, segments: &[Segment]) -> Option<T> {
        let whole = path.segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
        let at = self.text.at(segments.first().map_or(path.offset, |segment| segment.offset));
        if segments.first().is_some_and(|first| paths::is_not_read(owner, &first.name)) {
            let message = format!("the path {whole:?} is OTTL, but conditions here do not read it");
            self.problems.push(Problem::new(at, message));
            return None;
        }
        let prefixed = segments.len() < path.segments.len();
        let known: Vec<String> = paths::fields(owner)
            .iter()
            .map(|(name, _)| if prefixed { format!("{}.{name}", owner.name()) } else { (*name).to_owned() })
            .collect();
        self.problems.push(Problem::unknown(at, "path", &whole, known.iter().map(String::as_str)));
        None
    }

    fn call(&mut self, call: &Call) -> Option<Expr> {
        let signature = self.signature(call)?;
        let arguments = self.bind(call, signature)?;
        let keys = self.keys(&call.keys)?;
        let (function, arguments) = self.build(call, signature, arguments)?;
        Some(Expr::Call(Box::new(function), arguments, keys))
    }

    fn signature(&mut self, call: &Call) -> Option<&'static Signature> {
        let here = |signature: &&Signature| signature.only_in.is_none_or(|context| context == self.context);
        let found = SIGNATURES.iter().find(|signature| signature.name == call.name);
        if let Some(signature) = found.filter(|signature| here(signature)) {
            return Some(signature);
        }
        let at = self.text.at(call.offset);
        self.problems.push(if found.is_some() {
            Problem::new(at, format!("{} is no function of a {} condition", call.name, self.context.name()))
        } else if NOT_CALLED.contains(&call.name.as_str()) {
            let known: Vec<&str> = SIGNATURES.iter().filter(here).map(|signature| signature.name).collect();
            let message = format!("the function {} is OTTL, but conditions here do not call it", call.name);
            Problem::new(at, message).expected(format!("one of {}", known.join(", ")))
        } else {
            let known = SIGNATURES.iter().filter(here).map(|signature| signature.name);
            Problem::unknown(at, "function", &call.name, known)
        });
        None
    }

    /// The arguments in the order of the parameters.
    fn bind<'c>(&mut self, call: &'c Call, signature: &Signature) -> Option<Vec<&'c Value>> {
        let mut bound: Vec<Option<&Value>> = vec![None; signature.parameters.len()];
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
            let ArgumentValue::Value(value) = &argument.value else {
                return self.problem(argument.offset, format!("{} takes no function", call.name));
            };
            match bound.get_mut(place) {
                Some(slot) if slot.is_none() => *slot = Some(value),
                Some(_) => return self.problem(argument.offset, "an argument that is given twice"),
                None => return self.count(call, signature),
            }
        }
        let all: Option<Vec<&Value>> = bound.into_iter().collect();
        all.or_else(|| self.count(call, signature))
    }

    fn parameter(&mut self, argument: &Argument, name: &str, signature: &Signature) -> Option<usize> {
        let place = signature.parameters.iter().position(|(known, _)| *known == name);
        if place.is_none() {
            let known = signature.parameters.iter().map(|(known, _)| *known);
            self.problems.push(Problem::unknown(self.text.at(argument.offset), "argument", name, known));
        }
        place
    }

    fn count<T>(&mut self, call: &Call, signature: &Signature) -> Option<T> {
        let names: Vec<&str> = signature.parameters.iter().map(|(name, _)| *name).collect();
        let message = format!("{} was given {} arguments", call.name, call.arguments.len());
        let expected = format!("{}({})", call.name, names.join(", "));
        self.problems.push(Problem::new(self.text.at(call.offset), message).expected(expected));
        None
    }

    /// Checks each argument against its parameter and fixes those that stand in the config.
    fn build(
        &mut self,
        call: &Call,
        signature: &Signature,
        values: Vec<&Value>,
    ) -> Option<(Function, Vec<Expr>)> {
        let (mut literals, mut arguments) = (Vec::new(), Vec::new());
        for ((name, takes), value) in signature.parameters.iter().zip(&values) {
            let expr = self.value(value)?;
            if !accepts(*takes, &expr) {
                let message = format!("the argument {name:?} of {} must be {}", call.name, wanted(*takes));
                return self.problem(value.offset, message);
            }
            match (takes, expr) {
                (Takes::Literal, Expr::Text(text)) => literals.push((text, value.offset)),
                (_, expr) => arguments.push(expr),
            }
        }
        let mut literals = literals.into_iter();
        let mut literal = || literals.next().unwrap_or_default();
        let function = match (signature.function, signature.name) {
            (Some(plain), _) => Function::Plain(plain),
            (None, "IsMatch") => {
                let (pattern, offset) = literal();
                match Pattern::new(&String::from_utf8_lossy(&pattern)) {
                    Ok(pattern) => Function::IsMatch(pattern),
                    Err(message) => return self.problem(offset, message),
                }
            }
            (None, "Concat") => Function::Concat(literal().0),
            (None, "Split") => Function::Split(literal().0),
            (None, "HasAttrKeyOnDatapoint") => Function::HasAttrKeyOnDatapoint(literal().0),
            (None, _) => Function::HasAttrOnDatapoint(literal().0, literal().0),
        };
        Some((function, arguments))
    }
}

/// Whether a parameter takes an expression. A literal of the wrong kind is refused when the config is read,
/// what is only known at run time is not.
fn accepts(takes: Takes, expr: &Expr) -> bool {
    let computed = matches!(expr, Expr::Field(..) | Expr::Call(..) | Expr::Math(..) | Expr::Negation(_));
    match takes {
        Takes::Any => true,
        Takes::Text => computed || matches!(expr, Expr::Text(_)),
        Takes::Int => computed || matches!(expr, Expr::Int(_)),
        Takes::DoubleLike => match expr {
            Expr::Text(text) => std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok()),
            Expr::List(_) | Expr::Map(_) | Expr::Bytes(_) => false,
            _ => true,
        },
        Takes::Literal => matches!(expr, Expr::Text(_)),
        Takes::List => matches!(expr, Expr::List(_)),
    }
}

fn wanted(takes: Takes) -> &'static str {
    match takes {
        Takes::Any => "a value",
        Takes::Text => "a text",
        Takes::Int => "an integer",
        Takes::DoubleLike => "a number",
        Takes::Literal => "a text in quotes",
        Takes::List => "a list in brackets",
    }
}
