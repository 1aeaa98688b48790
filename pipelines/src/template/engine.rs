//! The expressions of a scalar: minijinja, strict, without statements and with no filter but ours.
//!
//! A scalar that is one expression becomes what the expression gives, kind and all. In any other, numbers,
//! booleans and durations stand plain, and text only if `|ottl` made a literal of it.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::yaml::{Kind, Located, Location};

use super::literal;
use super::value::Values;

/// Cost of rendering that one scalar may have, in instructions of the engine.
const FUEL: u64 = 100_000;
/// Length that one scalar may reach, in bytes, and what a filter makes.
const MAX_SCALAR: usize = 1 << 17;
/// Length that a scalar with expressions may have itself, in bytes: each of its expressions may be as long as a filter
/// lets it.
const MAX_EXPRESSIONS: usize = 2 << 10;

/// Rendered scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// The engine with its filters.
pub(super) struct Engine(Environment<'static>);

impl Engine {
    pub(super) fn new() -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(20);
        environment.add_filter("ottl", ottl);
        environment.add_filter("alternatives", alternatives);
        environment.set_formatter(|out, _, value| {
            let text = plain(value)?;
            out.write_str(&text.replace('$', "$$")).map_err(Error::from)
        });
        Self(environment)
    }

    /// The names that a scalar uses.
    pub(super) fn names(&self, text: &str) -> Result<Vec<String>, String> {
        if text.contains("{%") {
            return Err("a statement in a template: only expressions in {{ }} are rendered".to_owned());
        }
        if text.len() > MAX_EXPRESSIONS {
            let message =
                format!("a text of {} bytes with expressions, of at most {MAX_EXPRESSIONS}", text.len());
            return Err(message + "; split it, or put what is long into a parameter");
        }
        let template = self.0.template_from_str(text).map_err(|error| say(&error))?;
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.sort();
        Ok(names)
    }

    /// Renders a scalar.
    pub(super) fn render(&self, text: &str, values: &Values) -> Result<Scalar, String> {
        let rendered = match self.expression(text) {
            Some(expression) => {
                expression.eval(Value::from_pairs(values.clone())).and_then(|value| whole(&value))
            }
            None => self
                .0
                .template_from_str(text)
                .and_then(|template| template.render(Value::from_pairs(values.clone())))
                .map(Scalar::Text),
        };
        let rendered = rendered.map_err(|error| say(&error))?;
        match &rendered {
            Scalar::Text(text) if text.len() > MAX_SCALAR => {
                Err(format!("a text of more than {MAX_SCALAR} bytes"))
            }
            _ => Ok(rendered),
        }
    }

    fn expression<'e>(&'e self, text: &'e str) -> Option<minijinja::Expression<'e, 'e>> {
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        self.0.compile_expression(inner.trim()).ok()
    }
}

/// The expressions of a scalar that multiply, asterisks in their texts aside.
pub(super) fn products(text: &str) -> impl Iterator<Item = &str> {
    let expressions = text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or(rest));
    expressions.filter(|expression| multiplies(expression))
}

fn multiplies(expression: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    expression.chars().any(|c| {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) if c == open => quote = None,
            Some(_) => escaped = c == '\\',
            None if c == '"' || c == '\'' => quote = Some(c),
            None => return c == '*',
        }
        false
    })
}

/// Returns whether a scalar has something to render.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Scalar {
    /// Bytes that it takes in the config, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => size_of::<Self>(),
        }
    }

    /// The kind of a node that holds it.
    pub(super) fn into_kind(self, at: Location) -> Kind {
        match self {
            Self::Bool(value) => Kind::Bool(value),
            Self::Int(value) => Kind::Int(value),
            Self::Float(value) => Kind::Float(value),
            Self::Text(text) => Kind::Text(Located::new(text, at)),
        }
    }
}

fn whole(value: &Value) -> Result<Scalar, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(Scalar::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => i64::try_from(value.clone()).map(Scalar::Int),
        ValueKind::Number => finite(value).map(Scalar::Float),
        ValueKind::String => Ok(Scalar::Text(value.as_str().unwrap_or_default().replace('$', "$$"))),
        ValueKind::Seq | ValueKind::Iterable => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a list stands only in an !each node or before |ottl",
        )),
        other => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("{other} is nothing that a config holds")))
        }
    }
}

/// Text of a value within a scalar.
fn plain(value: &Value) -> Result<String, Error> {
    match whole(value)? {
        Scalar::Bool(value) => Ok(value.to_string()),
        Scalar::Int(value) => Ok(value.to_string()),
        Scalar::Float(value) => Ok(literal::double(value)),
        Scalar::Text(_) if value.is_safe() => Ok(value.as_str().unwrap_or_default().to_owned()),
        Scalar::Text(_) => Err(Error::new(
            ErrorKind::InvalidOperation,
            "text within a text: write {{ … | ottl }}, or make it the whole scalar",
        )),
    }
}

fn finite(value: &Value) -> Result<f64, Error> {
    let number = f64::try_from(value.clone())?;
    number
        .is_finite()
        .then_some(number)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "not a finite number"))
}

/// `|ottl`: an OTTL literal of a text, a number, a boolean, or a list of them.
fn ottl(value: &Value) -> Result<Value, Error> {
    short(ottl_literal(value)?).map(Value::from_safe_string)
}

fn ottl_literal(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Seq => {
            let items: Result<Vec<String>, Error> =
                value.try_iter()?.map(|item| ottl_literal(&item)).collect();
            Ok(format!("[{}]", items?.join(", ")))
        }
        ValueKind::String => Ok(literal::string(value.as_str().unwrap_or_default())),
        _ => plain(value),
    }
}

/// `|alternatives`: a regular expression that matches exactly the texts of a list.
fn alternatives(value: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = value.try_iter()?.collect();
    let texts = items.iter().map(|item| {
        item.as_str()
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "|alternatives takes a list of texts"))
    });
    let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
    short(literal::alternatives(texts.into_iter())).map(Value::from)
}

/// The text, unless it is longer than a scalar may be.
fn short(text: String) -> Result<String, Error> {
    if text.len() <= MAX_SCALAR {
        return Ok(text);
    }
    let message = format!("{} bytes, of at most {MAX_SCALAR}; use a shorter list", text.len());
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn say(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}
