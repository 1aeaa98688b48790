//! The config of `metricstransform`, checked as the Collector checks it when it builds the processor.

use std::collections::HashMap;

use crate::aggregate::{AGGREGATIONS, Aggregation};
use crate::cost::Inspection;
use crate::ottl::Pattern;
use crate::stage::config::MatchType;
use crate::yaml::{Fields, Node, Problem, keep};

/// The config of a `metricstransform` processor.
#[derive(Debug, Clone)]
pub struct MetricsTransform {
    pub(super) transforms: Vec<Transform>,
    /// Each transform, as a rule that is counted.
    rules: Vec<String>,
}

impl MetricsTransform {
    /// Functions by which it merges points.
    pub(in super::super) fn aggregations(&self) -> impl Iterator<Item = Aggregation> {
        self.transforms.iter().flat_map(|transform| {
            let combines = match &transform.action {
                Action::Combine { aggregation, .. } => Some(*aggregation),
                _ => None,
            };
            let of = |operation: &Operation| match operation {
                Operation::AggregateLabels { by, .. } | Operation::AggregateLabelValues { by, .. } => {
                    Some(*by)
                }
                _ => None,
            };
            combines.into_iter().chain(transform.operations.iter().filter_map(of))
        })
    }
}

/// One transform: which metrics, and what becomes of them.
#[derive(Debug, Clone)]
pub(super) struct Transform {
    pub include: Include,
    pub labels: Vec<(String, Matcher)>,
    pub action: Action,
    pub new_name: String,
    pub operations: Vec<Operation>,
}

/// Names of the metrics that are meant.
#[derive(Debug, Clone)]
pub(super) enum Include {
    Strict(String),
    Regexp(Pattern),
}

/// Values of a label.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Strict(String),
    Regexp(Pattern),
}

impl Matcher {
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Strict(value) => value.as_bytes() == text,
            Self::Regexp(pattern) => pattern.is_match(text),
        }
    }
}

/// Action on the metrics that match.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Changed copies are added.
    Insert,
    /// The metrics are changed.
    Update,
    /// The metrics become one.
    Combine { aggregation: Aggregation, case: Option<Case> },
    /// The metrics move to a resource of their own, with these attributes added.
    Group(Vec<(String, String)>),
}

/// The case of label values that come from groups of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Lower,
    Upper,
}

/// Action on one metric.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    AddLabel { label: String, value: String },
    UpdateLabel { label: String, new_label: String, values: Vec<(String, String)> },
    DeleteLabelValue { label: String, value: String },
    ToggleScalarDataType,
    Scale(f64),
    AggregateLabels { keep: Vec<String>, by: Aggregation },
    AggregateLabelValues { label: String, values: Vec<String>, new_value: String, by: Aggregation },
}

#[derive(Clone, Copy)]
enum Verb {
    Insert,
    Update,
    Combine,
    Group,
}

const VERBS: [(&str, Verb); 4] =
    [("insert", Verb::Insert), ("update", Verb::Update), ("combine", Verb::Combine), ("group", Verb::Group)];

#[derive(Clone, Copy)]
enum Kind {
    Add,
    Update,
    Delete,
    Toggle,
    Scale,
    Labels,
    Values,
}

const KINDS: [(&str, Kind); 7] = [
    ("add_label", Kind::Add),
    ("update_label", Kind::Update),
    ("delete_label_value", Kind::Delete),
    ("toggle_scalar_data_type", Kind::Toggle),
    ("experimental_scale_value", Kind::Scale),
    ("aggregate_labels", Kind::Labels),
    ("aggregate_label_values", Kind::Values),
];

/// `{{version}}` in a value stands for the Collector's version, which is the one that we are like.
const VERSION: &str = "0.158.0";

impl MetricsTransform {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let (mut transforms, mut rules) = (Vec::new(), Vec::new());
        if let Some(list) = fields.take("transforms") {
            for item in keep(list.list(), problems).unwrap_or_default() {
                transforms.extend(transform(item, problems));
                rules.push(item.excerpt(&["include", "match_type", "action", "new_name"]));
            }
        }
        fields.finish(problems);
        Some(Self { transforms, rules })
    }

    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rules
    }
}

fn transform(node: &Node, problems: &mut Inspection) -> Option<Transform> {
    problems.statement(node.location)?;
    let mut fields = keep(node.map(), problems)?;
    let match_type = fields.take("match_type").and_then(|node| keep(MatchType::of(node), problems));
    let match_type = match_type.unwrap_or(MatchType::Strict);
    let include = include(&mut fields, match_type, problems);
    let labels = fields.take("experimental_match_labels");
    let labels = labels.map(|node| matchers(node, match_type, problems)).unwrap_or_default();
    let new_name = text(&mut fields, "new_name", problems);
    let aggregation = aggregation(&mut fields, problems);
    let case = fields.take("submatch_case");
    let cases = [("lower", Case::Lower), ("upper", Case::Upper)];
    let case = case.and_then(|node| keep(node.one_of("submatch_case", &cases), problems));
    let group = fields.take("group_resource_labels").map(|node| pairs(node, problems));
    let verb = keep(fields.required("action").and_then(|node| node.one_of("action", &VERBS)), problems);
    let mut operations = Vec::new();
    if let Some(list) = fields.take("operations") {
        for item in keep(list.list(), problems).unwrap_or_default() {
            operations.extend(operation(item, problems));
        }
    }
    fields.finish(problems);
    let mut missing = |key: &str, action: &str| {
        let problem = Problem::new(node.location, format!("{key:?} is missing"));
        problems.push(problem.expected(format!("{key}, since the action is {action}")));
    };
    let action = match verb? {
        Verb::Insert => {
            if new_name.is_empty() {
                missing("new_name", "insert");
            }
            Action::Insert
        }
        Verb::Update => Action::Update,
        Verb::Combine => {
            if new_name.is_empty() {
                missing("new_name", "combine");
            }
            if aggregation.is_none() {
                missing("aggregation_type", "combine");
            }
            Action::Combine { aggregation: aggregation.unwrap_or(Aggregation::First), case }
        }
        Verb::Group => {
            if group.is_none() {
                missing("group_resource_labels", "group");
            }
            Action::Group(group.unwrap_or_default())
        }
    };
    Some(Transform { include: include?, labels, action, new_name, operations })
}

fn include(fields: &mut Fields<'_>, match_type: MatchType, problems: &mut Inspection) -> Option<Include> {
    let node = keep(fields.required("include"), problems)?;
    let text = keep(node.located_text(), problems)?;
    if text.text().is_empty() {
        problems.push(Problem::new(node.location, "\"include\" is empty").expected("the name of a metric"));
        return None;
    }
    match match_type {
        MatchType::Strict => Some(Include::Strict(text.text().to_owned())),
        MatchType::Regexp => problems.pattern(&text).map(Include::Regexp),
    }
}

fn matchers(node: &Node, match_type: MatchType, problems: &mut Inspection) -> Vec<(String, Matcher)> {
    let mut matchers = Vec::new();
    for entry in keep(node.entries(), problems).unwrap_or_default() {
        let Some(text) = keep(entry.value.located_text(), problems) else { continue };
        let matcher = match match_type {
            MatchType::Strict => Some(Matcher::Strict(text.text().to_owned())),
            MatchType::Regexp => problems.pattern(&text).map(Matcher::Regexp),
        };
        matchers.extend(matcher.map(|matcher| (entry.key.text.clone(), matcher)));
    }
    matchers
}

fn pairs(node: &Node, problems: &mut Inspection) -> Vec<(String, String)> {
    let entries = keep(node.entries(), problems).unwrap_or_default();
    let pair = |entry: &crate::yaml::Entry| {
        keep(entry.value.text(), problems).map(|value| (entry.key.text.clone(), value.to_owned()))
    };
    entries.iter().filter_map(pair).collect()
}

fn text(fields: &mut Fields<'_>, key: &'static str, problems: &mut Inspection) -> String {
    let text = fields.take(key).and_then(|node| keep(node.text(), problems));
    text.unwrap_or_default().to_owned()
}

/// Aggregation of a group; without one it is its first point.
/// The aggregation; nothing where none is said.
fn aggregation(fields: &mut Fields<'_>, problems: &mut Inspection) -> Option<Aggregation> {
    let node = fields.take("aggregation_type").filter(|node| node.text().ok() != Some(""))?;
    Some(keep(node.one_of("aggregation_type", &AGGREGATIONS), problems).unwrap_or(Aggregation::First))
}

fn operation(node: &Node, problems: &mut Inspection) -> Option<Operation> {
    problems.statement(node.location)?;
    let mut fields = keep(node.map(), problems)?;
    let kind = keep(fields.required("action").and_then(|node| node.one_of("operation", &KINDS)), problems);
    let [label, new_label, new_value, label_value] =
        ["label", "new_label", "new_value", "label_value"].map(|key| text(&mut fields, key, problems));
    let new_value = new_value.replace("{{version}}", VERSION);
    let mut texts = |key| fields.take(key).map(|node| node.texts(problems)).unwrap_or_default();
    let (keep_labels, aggregated) = (texts("label_set"), texts("aggregated_values"));
    let scale = fields.take("experimental_scale").and_then(|node| keep(node.float(), problems));
    let by = aggregation(&mut fields, problems).unwrap_or(Aggregation::First);
    let values = fields.take("value_actions").map(|node| value_actions(node, problems)).unwrap_or_default();
    fields.finish(problems);
    let kind = kind?;
    let missing = match kind {
        Kind::Update if label.is_empty() => Some("label"),
        Kind::Add if new_label.is_empty() => Some("new_label"),
        Kind::Add if new_value.is_empty() => Some("new_value"),
        Kind::Scale if scale.unwrap_or(0.0) == 0.0 => Some("experimental_scale"),
        _ => None,
    };
    if let Some(key) = missing {
        problems.push(Problem::new(node.location, format!("{key:?} is missing")));
        return None;
    }
    Some(match kind {
        Kind::Add => Operation::AddLabel { label: new_label, value: new_value },
        Kind::Update => Operation::UpdateLabel { label, new_label, values },
        Kind::Delete => Operation::DeleteLabelValue { label, value: label_value },
        Kind::Toggle => Operation::ToggleScalarDataType,
        Kind::Scale => Operation::Scale(scale.unwrap_or(1.0)),
        Kind::Labels => Operation::AggregateLabels { keep: keep_labels, by },
        Kind::Values => Operation::AggregateLabelValues { label, values: aggregated, new_value, by },
    })
}

/// Old and new values; of two for one value the later holds.
fn value_actions(node: &Node, problems: &mut Inspection) -> Vec<(String, String)> {
    let (mut actions, mut places) = (Vec::<(String, String)>::new(), HashMap::new());
    for item in keep(node.list(), problems).unwrap_or_default() {
        let Some(mut fields) = keep(item.map(), problems) else { continue };
        let value = text(&mut fields, "value", problems);
        let new_value = text(&mut fields, "new_value", problems).replace("{{version}}", VERSION);
        fields.finish(problems);
        match places.get(&value) {
            Some(place) => actions[*place] = (value, new_value),
            None => {
                places.insert(value.clone(), actions.len());
                actions.push((value, new_value));
            }
        }
    }
    actions
}
