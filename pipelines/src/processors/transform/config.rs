//! Config of a `transform`.

use crate::cost::Inspection;
use crate::ottl::{Condition, Context, Statement, Style};
use crate::stage::config::ErrorMode;
use crate::yaml::{Kind, Located, Node, Problem, keep};

use super::{Group, Transform};

/// Keys for other signals: one transform may stand in pipelines of several.
const OTHER_SIGNALS: [&str; 3] = ["trace_statements", "log_statements", "profile_statements"];

impl Transform {
    pub(in crate::processors) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let mode = ErrorMode::decode(&mut fields, problems).unwrap_or(ErrorMode::Ignore);
        fields.refuse_null(&["metric_statements"], problems);
        fields.refuse_null(&OTHER_SIGNALS, problems);
        let written = fields.take("metric_statements");
        for key in OTHER_SIGNALS {
            fields.take(key);
        }
        if let Some(flatten) = fields.take("flatten_data").and_then(|node| keep(node.bool(), problems))
            && flatten
        {
            problems.push(Problem::new(config.location, "flatten_data is for logs"));
        }
        fields.finish(problems);
        let groups = written.map(|node| groups(node, mode, problems)).unwrap_or_default();
        Some(Self::new(groups))
    }
}

/// Statements alone make one group; after groups they may stand too, before them not.
fn groups(node: &Node, mode: ErrorMode, problems: &mut Inspection) -> Vec<Group> {
    let (mut groups, mut flat) = (Vec::new(), Vec::new());
    for item in keep(node.list(), problems).unwrap_or_default() {
        match &item.kind {
            Kind::Text(text) => flat.push(text.clone()),
            Kind::Null => problems.push(Problem::new(item.location, "an empty item").expected("a statement")),
            _ if !flat.is_empty() => {
                let message = "statements and groups of statements cannot stand in one list";
                problems.push(Problem::new(item.location, message));
                return Vec::new();
            }
            _ => groups.extend(explicit(item, mode, problems)),
        }
    }
    if !flat.is_empty() {
        groups.extend(group(&flat, &[], None, mode, problems));
    }
    groups
}

fn explicit(item: &Node, mode: ErrorMode, problems: &mut Inspection) -> Option<Group> {
    let mut fields = keep(item.map(), problems)?;
    let mode = ErrorMode::decode(&mut fields, problems).unwrap_or(mode);
    fields.refuse_null(&["context"], problems);
    let context = fields.take("context").map(|node| context(node, problems));
    let conditions = fields.take("conditions").map(|node| texts(node, problems)).unwrap_or_default();
    let statements = fields.take("statements").map(|node| texts(node, problems)).unwrap_or_default();
    fields.finish(problems);
    let context = match context {
        Some(context) => Some(context?),
        None => None,
    };
    group(&statements, &conditions, context, mode, problems)
}

/// A context's name, in any case.
fn context(node: &Node, problems: &mut Inspection) -> Option<Context> {
    let name = keep(node.text(), problems)?.to_ascii_lowercase();
    let found = Context::STATEMENTS.into_iter().find(|context| context.name() == name);
    if found.is_none() {
        let known = Context::STATEMENTS.map(Context::name);
        problems.push(Problem::unknown(node.location, "context", &name, known));
    }
    found
}

fn group(
    statements: &[Located],
    conditions: &[Located],
    context: Option<Context>,
    error_mode: ErrorMode,
    problems: &mut Inspection,
) -> Option<Group> {
    let (context, style) = match context {
        Some(context) => (context, Style::Either),
        None => match Context::infer_statements(statements, conditions, &mut problems.allowance) {
            Ok(context) => (context, Style::Named),
            Err(wrong) => {
                problems.extend(wrong);
                return None;
            }
        },
    };
    let before = problems.len();
    let mut group = Group { context, error_mode, conditions: Vec::new(), statements: Vec::new() };
    for text in conditions {
        match Condition::compile(text, context, style, &mut problems.allowance) {
            Ok(condition) => group.conditions.push(condition),
            Err(wrong) => problems.extend(wrong),
        }
    }
    for text in statements {
        match Statement::compile(text, context, style, &mut problems.allowance) {
            Ok(statement) => group.statements.push(statement),
            Err(wrong) => problems.extend(wrong),
        }
    }
    (problems.len() == before).then_some(group)
}

fn texts(node: &Node, problems: &mut Inspection) -> Vec<Located> {
    let items = keep(node.items(), problems).unwrap_or_default();
    items.iter().filter_map(|item| keep(item.located_text(), problems)).collect()
}
