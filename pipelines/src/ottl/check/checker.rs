//! Checker from syntax to expressions: names resolved, literals tried, each mistake with its place.

use crate::cost::Allowance;
use crate::ottl::context::{Context, Place, Style};
use crate::ottl::syntax::ast::{Boolean, Path, Segment, Value, ValueKind};
use crate::yaml::{Located, Problem, nearest};

use super::call::Target;
use super::expr::{Expr, Key, Predicate};
use super::paths::{self, Field};

/// Checks syntax trees of one text.
pub(crate) struct Checker<'t> {
    pub text: &'t Located,
    pub allowance: &'t mut Allowance,
    pub context: Context,
    pub style: Style,
    pub place: Place,
    pub problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(crate) fn problem<T>(&mut self, offset: usize, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(self.text.at(offset), message));
        None
    }

    pub(crate) fn boolean(&mut self, boolean: &Boolean) -> Option<Predicate> {
        Some(match boolean {
            Boolean::Literal(value) => Predicate::Constant(*value),
            Boolean::Not(inner) => self.boolean(inner)?.negated(),
            Boolean::And(operands) => Predicate::and(self.booleans(operands)?),
            Boolean::Or(operands) => Predicate::or(self.booleans(operands)?),
            Boolean::Call(call) => Predicate::Holds(self.converter(call)?),
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

    pub(crate) fn value(&mut self, value: &Value) -> Option<Expr> {
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
            ValueKind::Call(call) => return self.converter(call),
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

    pub(crate) fn keys(&mut self, keys: &[Value]) -> Option<Vec<Key>> {
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
        let (field, keys) = self.field(path)?;
        Some(Expr::Field(field, keys))
    }

    /// A path that is written.
    pub(crate) fn target(&mut self, path: &Path) -> Option<Target> {
        let (field, keys) = self.field(path)?;
        Some(Target { field, keys })
    }

    fn field(&mut self, path: &Path) -> Option<(Field, Vec<Key>)> {
        let (owner, segments) = self.owner(path)?;
        let name = segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
        let found = paths::fields(owner).iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
        let field = match found {
            Some(field) => field,
            None if name == "cache" && owner == self.context => Field::Cache,
            None if name == "cache" => {
                let message =
                    format!("statements here have no cache of the {}, only their own", owner.name());
                return self.problem(path.offset, message);
            }
            None => return self.unknown_path(path, owner, segments),
        };
        for (place, segment) in segments.iter().enumerate() {
            if let Some(key) = segment.keys.first().filter(|_| place + 1 < segments.len() || !field.is_map())
            {
                return self.problem(key.offset, format!("{:?} cannot be indexed", segment.name));
            }
        }
        let keys = segments.last().map(|segment| segment.keys.as_slice()).unwrap_or_default();
        Some((field, self.keys(keys)?))
    }

    /// Returns the context whose field a path names, and its names without that of the context.
    fn owner<'p>(&mut self, path: &'p Path) -> Option<(Context, &'p [Segment])> {
        let first = path.segments.first()?;
        let named = Context::from_name(&first.name).filter(|_| first.keys.is_empty());
        let rest = path.segments.get(1..).unwrap_or_default();
        let own = self.context.name();
        match named {
            Some(Context::Scope) if self.context == Context::Scope && first.name != "scope" => {
                let message = format!("{:?} is no path where the context is the scope", first.name);
                let problem = Problem::new(self.text.at(first.offset), message).expected("scope");
                self.problems.push(problem);
                None
            }
            Some(context) if context > self.context => {
                let message = format!("from a {own} no {} is seen", context.name());
                self.problem(first.offset, message)
            }
            Some(context) => Some((context, rest)),
            None if self.style == Style::Named => {
                let message = format!("the path {:?} does not begin with the name of a context", first.name);
                let names = "resource, scope, metric or datapoint, as in metric.name";
                let near = nearest(&first.name, Context::STATEMENTS.map(Context::name));
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
        let prefixed = segments.len() < path.segments.len();
        let known: Vec<String> = paths::fields(owner)
            .iter()
            .map(|(name, _)| if prefixed { format!("{}.{name}", owner.name()) } else { (*name).to_owned() })
            .collect();
        self.problems.push(Problem::unknown(at, "path", &whole, known.iter().map(String::as_str)));
        None
    }
}
