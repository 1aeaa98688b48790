//! The config of `cumulativetodelta`.

use std::time::Duration;

use crate::Batch;
use crate::batch::{MetricKind, MetricRow};
use crate::cost::Inspection;
use crate::stage::config::{MatchType, Names, regexp_options};
use crate::yaml::{Fields, Node, Problem, keep};

/// The config of a `cumulativetodelta` processor.
#[derive(Debug, Clone)]
pub struct CumulativeToDelta {
    include: Match,
    exclude: Match,
    pub(super) max_staleness: Duration,
    pub(super) initial: Initial,
    /// Description of what is converted, as the one rule that is counted.
    rule: [String; 1],
}

/// Treatment of a series' first point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Initial {
    /// Sent if it began no earlier than the pipeline and not at its own time.
    Auto,
    /// Sent.
    Keep,
    /// Not sent.
    Drop,
}

/// Choice of metrics; what is not said restricts nothing.
#[derive(Debug, Clone, Default)]
struct Match {
    names: Option<Names>,
    kinds: Vec<MetricKind>,
}

/// The kinds that can be named, in the Collector's spelling. Case does not count.
const KINDS: [(&str, MetricKind); 3] = [
    ("sum", MetricKind::Sum),
    ("histogram", MetricKind::Histogram),
    ("exponentialhistogram", MetricKind::ExponentialHistogram),
];

impl CumulativeToDelta {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let staleness = fields.take("max_staleness").and_then(|node| keep(node.duration(), problems));
        let words = [("auto", Initial::Auto), ("keep", Initial::Keep), ("drop", Initial::Drop)];
        let initial = fields.take("initial_value");
        let initial = initial.and_then(|node| keep(node.one_of("initial_value", &words), problems));
        let mut part = |key| fields.take(key).map(|node| Match::decode(node, problems)).unwrap_or_default();
        let (include, exclude) = (part("include"), part("exclude"));
        fields.finish(problems);
        let (max_staleness, initial) = (staleness.unwrap_or_default(), initial.unwrap_or(Initial::Auto));
        let said = config.excerpt(&["include", "exclude"]);
        let every = || "every cumulative monotonic sum and histogram".to_owned();
        let rule = [Some(said).filter(|said| !said.is_empty()).unwrap_or_else(every)];
        Some(Self { include, exclude, max_staleness, initial, rule })
    }

    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rule
    }

    /// Returns whether a metric is converted, points or not.
    pub(super) fn converts(&self, batch: &Batch, metric: &MetricRow) -> bool {
        let kind = match metric.kind {
            MetricKind::Sum => metric.monotonic,
            MetricKind::Histogram | MetricKind::ExponentialHistogram => !metric.points.is_empty(),
            MetricKind::None | MetricKind::Gauge | MetricKind::Summary => false,
        };
        kind && metric.temporality == 2 && self.selects(batch.bytes(metric.name), metric.kind)
    }

    fn selects(&self, name: &[u8], kind: MetricKind) -> bool {
        let Self { include, exclude, .. } = self;
        include.names.as_ref().is_none_or(|names| names.contains(name))
            && !exclude.names.as_ref().is_some_and(|names| names.contains(name))
            && (include.kinds.is_empty() || include.kinds.contains(&kind))
            && !exclude.kinds.contains(&kind)
    }
}

impl Match {
    fn decode(node: &Node, problems: &mut Inspection) -> Self {
        let Some(mut fields) = keep(node.map(), problems) else { return Self::default() };
        let kinds = fields.take("metric_types").map(|node| kinds(node, problems)).unwrap_or_default();
        let names = names(&mut fields, node, problems);
        fields.finish(problems);
        Self { names, kinds }
    }
}

fn names(fields: &mut Fields<'_>, at: &Node, problems: &mut Inspection) -> Option<Names> {
    let match_type = fields.take("match_type");
    let metrics = fields.take("metrics").filter(|node| node.items().map_or(true, |list| !list.is_empty()));
    regexp_options(fields, problems);
    match (match_type, metrics) {
        (Some(match_type), Some(metrics)) => {
            let match_type = keep(MatchType::of(match_type), problems)?;
            Some(Names::decode(metrics, match_type, problems))
        }
        (None, None) => None,
        (match_type, _) => {
            let missing = if match_type.is_some() { "metrics" } else { "match_type" };
            let problem = Problem::new(at.location, format!("{missing:?} is missing"));
            problems.push(problem.expected("match_type and metrics together"));
            None
        }
    }
}

fn kinds(node: &Node, problems: &mut Inspection) -> Vec<MetricKind> {
    let mut kinds = Vec::new();
    for item in keep(node.items(), problems).unwrap_or_default().iter() {
        let Some(text) = keep(item.text(), problems) else { continue };
        let lower = text.to_lowercase();
        match KINDS.iter().find(|(name, _)| *name == lower) {
            Some((_, kind)) => kinds.push(*kind),
            None => {
                let known = KINDS.iter().map(|(name, _)| *name);
                problems.push(Problem::unknown(item.location, "metric type", text, known));
            }
        }
    }
    kinds
}
