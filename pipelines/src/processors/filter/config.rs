//! Config of a `filter`.

use crate::cost::Inspection;
use crate::ottl::{Condition, Context, Style};
use crate::stage::config::{ErrorMode, regexp_options};
use crate::yaml::{Kind, Located, Node, Problem, keep};

use super::legacy;
use super::pass::{Pass, Rule};
use super::{EmptyRows, Filter};

/// Keys for other signals: one filter may stand in pipelines of several.
const OTHER_SIGNALS: [&str; 7] =
    ["spans", "traces", "logs", "profiles", "trace_conditions", "log_conditions", "profile_conditions"];

impl Filter {
    pub(in crate::processors) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let mode = ErrorMode::decode(&mut fields, problems).unwrap_or(ErrorMode::Ignore);
        fields.refuse_null(&["metric_conditions"], problems);
        let (lists, groups) = (fields.take("metrics"), fields.take("metric_conditions"));
        for key in OTHER_SIGNALS {
            fields.take(key);
        }
        fields.finish(problems);
        if let (Some(lists), Some(_)) = (lists, groups) {
            let message = "metrics and metric_conditions cannot stand in one filter";
            problems.push(Problem::new(lists.location, message));
        }
        let passes = match (lists, groups) {
            (_, Some(groups)) => inferred(groups, mode, problems),
            (Some(lists), None) => listed(lists, mode, problems),
            (None, None) => Vec::new(),
        };
        Some(Self::new(passes))
    }
}

/// `metrics:` with a list for each context, or with include and exclude.
fn listed(node: &Node, mode: ErrorMode, problems: &mut Inspection) -> Vec<Pass> {
    let Some(mut fields) = keep(node.map(), problems) else { return Vec::new() };
    let mut passes = Vec::new();
    for (key, context) in
        [("resource", Context::Resource), ("metric", Context::Metric), ("datapoint", Context::DataPoint)]
    {
        let conditions = fields.take(key).map(|node| texts(node, problems)).unwrap_or_default();
        if !conditions.is_empty() {
            passes.push(pass(&conditions, context, Style::Either, mode, problems));
        }
    }
    let (include, exclude) = (fields.take("include"), fields.take("exclude"));
    regexp_options(&mut fields, problems);
    fields.finish(problems);
    if let (Some(old), false) = (include.or(exclude), passes.is_empty()) {
        let message = "include and exclude cannot stand beside lists of conditions";
        problems.push(Problem::new(old.location, message));
    }
    if passes.is_empty() {
        return legacy::passes(include, exclude, problems);
    }
    // Alone, resource conditions leave empty scopes be.
    let alone = passes.iter().all(|pass| pass.context == Context::Resource);
    for pass in &mut passes {
        pass.empty = if alone { EmptyRows::Resources } else { EmptyRows::Scopes };
    }
    passes
}

/// `metric_conditions:`, flat or in groups. Passes run from resource to data point, whatever their order.
fn inferred(node: &Node, mode: ErrorMode, problems: &mut Inspection) -> Vec<Pass> {
    let items = keep(node.list(), problems).unwrap_or_default();
    let is_flat = |item: &Node| matches!(item.kind, Kind::Text(_));
    if items.iter().any(is_flat) && !items.iter().all(is_flat) {
        let message = "conditions and groups of conditions cannot stand in one list";
        problems.push(Problem::new(node.location, message));
        return Vec::new();
    }
    let mut passes = Vec::new();
    for item in items {
        passes.extend(match item.located_text() {
            Ok(condition) if is_flat(item) => group(&[condition], None, mode, problems),
            _ => explicit(item, mode, problems),
        });
    }
    passes.sort_by_key(|pass| pass.context);
    passes
}

fn explicit(item: &Node, mode: ErrorMode, problems: &mut Inspection) -> Option<Pass> {
    let mut fields = keep(item.map(), problems)?;
    let mode = ErrorMode::decode(&mut fields, problems).unwrap_or(mode);
    let contexts = Context::ALL.map(|context| (context.name(), context));
    let context = fields.take("context").map(|node| keep(node.one_of("context", &contexts), problems));
    let conditions = keep(fields.required("conditions"), problems).map(|node| texts(node, problems));
    fields.finish(problems);
    let context = match context {
        Some(context) => Some(context?),
        None => None,
    };
    group(&conditions.filter(|conditions| !conditions.is_empty())?, context, mode, problems)
}

fn group(
    conditions: &[Located],
    context: Option<Context>,
    mode: ErrorMode,
    problems: &mut Inspection,
) -> Option<Pass> {
    let (context, style) = match context {
        Some(context) => (context, Style::Either),
        None => match Context::infer(conditions, &mut problems.allowance) {
            Ok(context) => (context, Style::Named),
            Err(wrong) => {
                problems.extend(wrong);
                return None;
            }
        },
    };
    Some(pass(conditions, context, style, mode, problems))
}

fn pass(
    conditions: &[Located],
    context: Context,
    style: Style,
    error_mode: ErrorMode,
    problems: &mut Inspection,
) -> Pass {
    let mut rules = Vec::new();
    for condition in conditions {
        match Condition::compile(condition, context, style, &mut problems.allowance) {
            Ok(condition) => rules.push(Rule::Condition(condition)),
            Err(wrong) => problems.extend(wrong),
        }
    }
    let empty = match context {
        Context::Resource => EmptyRows::Stays,
        Context::Scope => EmptyRows::Resources,
        Context::Metric | Context::DataPoint | Context::Exemplar => EmptyRows::Scopes,
    };
    Pass { context, error_mode, rules, empty }
}

fn texts(node: &Node, problems: &mut Inspection) -> Vec<Located> {
    let items = keep(node.items(), problems).unwrap_or_default();
    items.iter().filter_map(|item| keep(item.located_text(), problems)).collect()
}
