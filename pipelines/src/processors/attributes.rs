//! `attributes`: edits the attributes of data points.

use crate::Batch;
use crate::batch::{Owner, Path};
use crate::cost::Inspection;
use crate::ottl::Context;
use crate::stage::actions::{self, Action, BatchActions};
use crate::stage::config::{MatchType, Names, regexp_options};
use crate::stage::{Effect, PATTERN, Stop, Tallies};
use crate::yaml::{Fields, Node, Problem, keep};

/// The config of an `attributes` processor.
#[derive(Debug, Clone)]
pub struct Attributes {
    actions: Vec<Action>,
    /// All of them, as the one rule that is counted.
    rule: [String; 1],
    include: Option<Names>,
    exclude: Option<Names>,
}

impl Attributes {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let actions = actions::decode(&mut fields, "actions", problems);
        let include = fields.take("include").and_then(|node| selection(node, problems));
        let exclude = fields.take("exclude").and_then(|node| selection(node, problems));
        fields.finish(problems);
        let rule = [actions::rule(config, "actions")];
        Some(Self { actions, rule, include, exclude })
    }

    pub(super) fn rules(&self) -> &[String] {
        &self.rule
    }

    pub(super) fn run(&self, batch: &mut Batch, mut tallies: Tallies<'_>, stop: &Stop<'_>) {
        let units = u32::try_from(self.actions.len()).unwrap_or(u32::MAX).saturating_mul(PATTERN);
        let mut prepared = BatchActions::new(batch, &self.actions);
        for resource in 0..batch.resources().len() {
            for scope in batch.resource_at(resource).scopes.range() {
                for metric in batch.scope_at(scope).metrics.range() {
                    if !self.touches(batch.bytes(batch.metric_at(metric).name)) {
                        continue;
                    }
                    for point in batch.metric_at(metric).points.range() {
                        if stop.before(units) {
                            return;
                        }
                        let path = Path { resource, scope, metric, point };
                        if prepared.run(batch, Owner::Point(path)) {
                            tallies.count(0, Effect::Changed, batch, path, Context::DataPoint);
                        }
                    }
                }
            }
        }
    }

    fn touches(&self, metric: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|names| names.contains(metric))
            && !self.exclude.as_ref().is_some_and(|names| names.contains(metric))
    }
}

/// Metric names. `resources` may stand there, but selects nothing for metrics: so it is in the Collector.
fn selection(node: &Node, problems: &mut Inspection) -> Option<Names> {
    let mut fields = keep(node.map(), problems)?;
    let match_type = MatchType::decode(&mut fields);
    regexp_options(&mut fields, problems);
    let names = fields.take("metric_names");
    let resources = fields.take("resources").map(|node| check_pairs(node, problems));
    fields.finish(problems);
    let match_type = keep(match_type, problems)?;
    let names =
        names.map(|names| Names::decode(names, match_type, problems)).filter(|names| !names.is_empty());
    if names.is_none() && resources.is_none() {
        problems.push(Problem::new(node.location, "it selects nothing").expected("metric_names"));
    }
    names
}

fn check_pairs(node: &Node, problems: &mut Inspection) {
    for item in keep(node.list(), problems).unwrap_or_default() {
        let Some(mut pair) = keep(Node::map(item), problems) else { continue };
        check_pair(&mut pair, problems);
        pair.finish(problems);
    }
}

fn check_pair(pair: &mut Fields<'_>, problems: &mut Inspection) {
    let key = keep(pair.required("key"), problems);
    key.and_then(|key| keep(key.text(), problems));
    pair.take("value");
}
