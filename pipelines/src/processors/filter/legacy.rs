//! `include` and `exclude`: the form before OTTL.

use crate::batch::Value;
use crate::cost::Inspection;
use crate::ottl::{CompareOp, Context, Failure, Level, Pattern, Row, compare};
use crate::stage::config::{Constant, ErrorMode, MatchType, Names, regexp_options};
use crate::yaml::{Located, Node, Problem, keep};

use super::EmptyRows;
use super::expression::Expression;
use super::pass::{Pass, Rule};

/// Properties that a row has or lacks.
#[derive(Debug, Clone)]
pub(super) enum Properties {
    /// The metric's name is one of these.
    Names(Names),
    /// One of these is true of one of its points.
    Expressions(Vec<Expression>),
    /// The resource has all of these.
    Attributes(Vec<(String, ValueMatch)>),
}

/// Condition on the value of an attribute.
#[derive(Debug, Clone)]
pub(super) enum ValueMatch {
    /// Anything: the attribute has to be there.
    Anything,
    /// Equal, kind included.
    Equal(Constant),
    /// Matched, as text.
    Matched(Pattern),
}

impl Properties {
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Names(_) | Self::Expressions(_) => Level::Metric,
            Self::Attributes(_) => Level::Resource,
        }
    }

    /// Tells whether a row has them.
    ///
    /// # Errors
    /// An expression that fails at a point.
    pub(super) fn hold(&self, row: &Row<'_>) -> Result<bool, Failure> {
        Ok(match self {
            Self::Names(names) => {
                row.metric.is_some_and(|metric| names.contains(row.batch.bytes(metric.name)))
            }
            Self::Expressions(expressions) => {
                for expression in expressions {
                    if expression.holds(row)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Attributes(attributes) => attributes.iter().all(|(key, wanted)| {
                let value = row.batch.attribute(row.resource.attrs, key.as_bytes());
                value.is_some_and(|value| wanted.is(value))
            }),
        })
    }
}

impl ValueMatch {
    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Anything, _) => true,
            (Self::Equal(Constant::Text(a)), Value::Text(b)) => a.as_bytes() == b,
            (Self::Equal(Constant::Bool(a)), Value::Bool(b)) => *a == b,
            (Self::Equal(Constant::Int(a)), Value::Int(b)) => *a == b,
            (Self::Equal(Constant::Double(a)), Value::Double(b)) => *a == b,
            (Self::Equal(Constant::List(a)), Value::List(_)) => same(Value::List(a), value),
            (Self::Equal(Constant::Map(a)), Value::Map(_)) => same(Value::Map(a), value),
            (Self::Equal(_), _) => false,
            (Self::Matched(pattern), Value::Text(text)) => pattern.is_match(text),
            (Self::Matched(pattern), Value::Bool(bit)) => pattern.is_match(bit.to_string().as_bytes()),
            (Self::Matched(pattern), Value::Int(number)) => pattern.is_match(number.to_string().as_bytes()),
            (Self::Matched(pattern), Value::Double(number)) => {
                pattern.is_match(number.to_string().as_bytes())
            }
            (Self::Matched(_), _) => false,
        }
    }
}

/// Tells whether lists or maps have the same content, in which kinds count and the order of a map's keys does not.
fn same(left: Value<'_>, right: Value<'_>) -> bool {
    compare(&left.into(), CompareOp::Eq, &right.into())
}

/// Choice of metrics by one `include` or `exclude`.
#[derive(Debug, Default)]
struct Selection {
    names: Option<Names>,
    expressions: Vec<Expression>,
    attributes: Vec<(String, ValueMatch)>,
}

/// The passes of `metrics.include` and `metrics.exclude`.
pub(super) fn passes(include: Option<&Node>, exclude: Option<&Node>, problems: &mut Inspection) -> Vec<Pass> {
    let (mut resources, mut metrics) = (Vec::new(), Vec::new());
    for (name, node, drop_if) in [("metrics.include", include, false), ("metrics.exclude", exclude, true)] {
        let Some(side) = node.and_then(|node| side(node, problems)) else { continue };
        let push = |rules: &mut Vec<Rule>, what: &str, properties| {
            rules.push(Rule::Properties { name: format!("{name}.{what}"), drop_if, properties });
        };
        if !side.attributes.is_empty() {
            push(&mut resources, "resource_attributes", Properties::Attributes(side.attributes));
        }
        if let Some(names) = side.names {
            push(&mut metrics, "metric_names", Properties::Names(names));
        }
        if !side.expressions.is_empty() {
            push(&mut metrics, "expressions", Properties::Expressions(side.expressions));
        }
    }
    let empty = if metrics.is_empty() { EmptyRows::Resources } else { EmptyRows::Scopes };
    let pass = |context, rules| Pass { context, error_mode: ErrorMode::Propagate, rules, empty };
    let passes = [pass(Context::Resource, resources), pass(Context::Metric, metrics)];
    passes.into_iter().filter(|pass| !pass.rules.is_empty()).collect()
}

fn side(node: &Node, problems: &mut Inspection) -> Option<Selection> {
    if node.entries().is_ok_and(<[_]>::is_empty) {
        return None;
    }
    let mut fields = keep(node.map(), problems)?;
    let match_type = keep(fields.required("match_type"), problems);
    regexp_options(&mut fields, problems);
    let (names, attributes) = (fields.take("metric_names"), fields.take("resource_attributes"));
    let expressions = fields.take("expressions");
    fields.finish(problems);
    let match_type = match_type?;
    let mut side = Selection::default();
    if match_type.text() == Ok("expr") {
        if let Some(attributes) = attributes {
            let message =
                "Phoenix compares resource_attributes strictly or by regexp, not with match_type expr";
            problems.push(Problem::new(attributes.location, message));
        }
        for item in expressions.and_then(|node| keep(node.items(), problems)).unwrap_or_default().iter() {
            let text = keep(item.located_text(), problems);
            side.expressions.extend(
                text.and_then(|text| keep(Expression::compile(&text, &mut problems.allowance), problems)),
            );
        }
        return Some(side);
    }
    let match_type = keep(MatchType::of(match_type), problems)?;
    let names = names.map(|names| Names::decode(names, match_type, problems));
    side.names = names.filter(|names| !names.is_empty());
    for item in attributes.and_then(|node| keep(node.list(), problems)).unwrap_or_default() {
        side.attributes.extend(attribute(item, match_type, problems));
    }
    Some(side)
}

fn attribute(item: &Node, match_type: MatchType, problems: &mut Inspection) -> Option<(String, ValueMatch)> {
    let mut fields = keep(item.map(), problems)?;
    let key = keep(fields.required("key").and_then(Node::text), problems).map(str::to_owned);
    let value = fields.take("value");
    fields.finish(problems);
    let wanted = match (value, match_type) {
        (None, _) => ValueMatch::Anything,
        (Some(value), MatchType::Regexp) => {
            let text: Located = keep(value.located_text(), problems)?;
            ValueMatch::Matched(problems.pattern(&text)?)
        }
        (Some(value), MatchType::Strict) => ValueMatch::Equal(Constant::decode(value, problems)),
    };
    Some((key?, wanted))
}
