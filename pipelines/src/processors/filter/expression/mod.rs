//! `match_type: expr`: conditions in the small language of before OTTL, asked about each data point.
//!
//! It knows the metric's name and type and the point's labels. Of the language around them this runs literals, `nil`,
//! comparisons, arithmetic, `in`, `matches` and the other words, `? :`, `??`, and the functions of [`Function`]. Values have
//! their types as the data comes: what fails at a point fails the batch, as in the Collector. What could only fail is refused
//! when the config is read.
//! Source: the language definition of expr-lang, version 1.17.

mod function;
mod parse;
mod token;
mod value;

use crate::batch::{MetricKind, PointRow, Value as Attribute};
use crate::ottl::{Failure, Pattern, Row};

use function::Function;
use value::{Kind, Value};

/// An expression of a data point.
#[derive(Debug, Clone)]
pub(in crate::processors::filter) enum Expression {
    Literal(Literal),
    MetricName,
    MetricType,
    Label(Box<Expression>),
    HasLabel(Box<Expression>),
    List(Vec<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    /// All of them, in order.
    Both(Vec<Expression>),
    /// One of them.
    Either(Vec<Expression>),
    /// The first unless it is nil.
    Otherwise(Box<[Expression; 2]>),
    /// Condition, then, else.
    Choice(Box<[Expression; 3]>),
    Binary(Operator, Box<[Expression; 2]>),
    Matches(Box<Expression>, Pattern),
    Call(Function, Vec<Expression>),
}

/// A value that stands in the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// An operator of two values that are both evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

type Evaluated<T> = Result<T, Failure>;

impl Expression {
    /// Tells whether it is true of any point of the row's metric.
    pub(super) fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        let points = row.metric.map(|metric| row.batch.points(metric)).unwrap_or_default();
        for point in points {
            if self.evaluate(row, point)?.bool()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn evaluate<'a>(&'a self, row: &Row<'a>, point: &PointRow) -> Evaluated<Value<'a>> {
        let of = |expression: &'a Self| expression.evaluate(row, point);
        Ok(match self {
            Self::Literal(literal) => literal.value(),
            Self::MetricName => {
                Value::Text(row.metric.map(|metric| row.batch.bytes(metric.name)).unwrap_or_default().into())
            }
            Self::MetricType => {
                Value::Text(row.metric.map_or("", |metric| kind_name(metric.kind)).as_bytes().into())
            }
            Self::Label(key) => match row.batch.attribute(point.attrs, &of(key)?.text()?) {
                Some(Attribute::Text(text)) => Value::Text(text.into()),
                _ => Value::Text(b"".as_slice().into()),
            },
            Self::HasLabel(key) => Value::Bool(row.batch.attribute(point.attrs, &of(key)?.text()?).is_some()),
            Self::List(items) => Value::List(items.iter().map(of).collect::<Evaluated<_>>()?),
            Self::Not(inner) => Value::Bool(!of(inner)?.bool()?),
            Self::Negative(inner) => of(inner)?.negative()?,
            Self::Both(operands) => Value::Bool(ends_with(operands, false, of)?),
            Self::Either(operands) => Value::Bool(ends_with(operands, true, of)?),
            Self::Otherwise(sides) => match of(&sides[0])? {
                Value::Nil => of(&sides[1])?,
                value => value,
            },
            Self::Choice(parts) => of(if of(&parts[0])?.bool()? { &parts[1] } else { &parts[2] })?,
            Self::Binary(operator, sides) => operator.of(&of(&sides[0])?, &of(&sides[1])?)?,
            Self::Matches(text, pattern) => Value::Bool(pattern.is_match(&of(text)?.text()?)),
            Self::Call(function, arguments) => {
                function.call(&arguments.iter().map(of).collect::<Evaluated<Vec<_>>>()?)?
            }
        })
    }

    /// Kind of its value, where the data does not decide it.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Literal(literal) => Some(literal.value().kind()),
            Self::MetricName | Self::MetricType | Self::Label(_) => Some(Kind::Text),
            Self::HasLabel(_) | Self::Not(_) | Self::Both(_) | Self::Either(_) | Self::Matches(..) => {
                Some(Kind::Bool)
            }
            Self::List(_) => Some(Kind::List),
            Self::Negative(inner) => inner.kind(),
            Self::Otherwise(_) => None,
            Self::Choice(parts) => parts[1].kind().filter(|kind| parts[2].kind() == Some(*kind)),
            Self::Binary(operator, sides) => operator.kind([sides[0].kind(), sides[1].kind()]),
            Self::Call(function, _) => function.kind(),
        }
    }
}

impl Literal {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(bit) => Value::Bool(*bit),
            Self::Int(number) => Value::Int(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Text(text) => Value::Text(text.as_bytes().into()),
        }
    }
}

impl Operator {
    fn of<'a>(self, left: &Value<'a>, right: &Value<'a>) -> Evaluated<Value<'a>> {
        Ok(match self {
            Self::Equal => Value::Bool(left.equals(right)),
            Self::NotEqual => Value::Bool(!left.equals(right)),
            Self::Less => Value::Bool(left.compare(right)?.is_some_and(std::cmp::Ordering::is_lt)),
            Self::LessOrEqual => Value::Bool(left.compare(right)?.is_some_and(std::cmp::Ordering::is_le)),
            Self::Greater => Value::Bool(left.compare(right)?.is_some_and(std::cmp::Ordering::is_gt)),
            Self::GreaterOrEqual => Value::Bool(left.compare(right)?.is_some_and(std::cmp::Ordering::is_ge)),
            Self::In => match right {
                Value::List(items) => Value::Bool(items.iter().any(|item| item.equals(left))),
                Value::Nil => Value::Bool(false),
                _ => return Err(Failure("in needs a list on its right")),
            },
            Self::Contains => {
                let (whole, part) = (left.text()?, right.text()?);
                Value::Bool(part.is_empty() || whole.windows(part.len()).any(|window| window == &*part))
            }
            Self::StartsWith => Value::Bool(left.text()?.starts_with(&right.text()?)),
            Self::EndsWith => Value::Bool(left.text()?.ends_with(&right.text()?)),
            _ => left.arithmetic(self, right)?,
        })
    }

    /// Kind of what it gives of values of these kinds.
    fn kind(self, [left, right]: [Option<Kind>; 2]) -> Option<Kind> {
        match self {
            Self::Divide | Self::Power => Some(Kind::Float),
            Self::Remainder => Some(Kind::Int),
            Self::Add | Self::Subtract | Self::Multiply => match (left?, right?) {
                (Kind::Int, Kind::Int) => Some(Kind::Int),
                (Kind::Text, Kind::Text) => Some(Kind::Text),
                _ => Some(Kind::Float),
            },
            _ => Some(Kind::Bool),
        }
    }

    /// Tells whether values of these kinds can be taken.
    fn takes(self, left: Kind, right: Kind) -> bool {
        let numbers = left.is_number() && right.is_number();
        let texts = left == Kind::Text && right == Kind::Text;
        match self {
            Self::Equal | Self::NotEqual => true,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual | Self::Add => {
                numbers || texts
            }
            Self::In => matches!(right, Kind::List | Kind::Nil),
            Self::Contains | Self::StartsWith | Self::EndsWith => texts,
            Self::Remainder => left == Kind::Int && right == Kind::Int,
            Self::Subtract | Self::Multiply | Self::Divide | Self::Power => numbers,
        }
    }
}

/// Evaluates operands until one is `last`, which is then the result.
fn ends_with<'a>(
    operands: &'a [Expression],
    last: bool,
    of: impl Fn(&'a Expression) -> Evaluated<Value<'a>>,
) -> Evaluated<bool> {
    for operand in operands {
        if of(operand)?.bool()? == last {
            return Ok(last);
        }
    }
    Ok(!last)
}

fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::None => "None",
        MetricKind::Gauge => "Gauge",
        MetricKind::Sum => "Sum",
        MetricKind::Histogram => "Histogram",
        MetricKind::ExponentialHistogram => "ExponentialHistogram",
        MetricKind::Summary => "Summary",
    }
}
