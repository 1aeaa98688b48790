//! A batch and a config, chosen by bytes.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any,
};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Words of which everything is made, so that names and values meet.
pub const WORDS: [&str; 6] = ["a", "b", "cpu", "memory", "", "x\"\\y"];

/// Bytes being used up; when there are none left every choice is the first.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    pub fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }

    pub fn word(&mut self) -> String {
        let at = self.below(WORDS.len());
        WORDS[at].to_owned()
    }

    pub fn key(&mut self) -> String {
        ["a", "b", "c"][self.below(3)].to_owned()
    }

    fn any(&mut self) -> AnyValue {
        let value = match self.below(7) {
            0..=2 => Some(Any::StringValue(self.word())),
            3 => Some(Any::IntValue(self.below(5) as i64 - 2)),
            4 => Some(Any::DoubleValue(self.below(5) as f64 / 2.0 - 1.0)),
            5 => Some(Any::BoolValue(self.below(2) == 1)),
            _ => None,
        };
        AnyValue { value }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        let mut attributes = Vec::<KeyValue>::new();
        for key in ["a", "b", "c"] {
            if self.below(2) == 1 {
                attributes.push(KeyValue {
                    key: key.to_owned(),
                    value: Some(self.any()),
                    ..KeyValue::default()
                });
            }
        }
        attributes
    }

    fn point(&mut self) -> NumberDataPoint {
        let value = match self.below(5) {
            0 | 1 => Some(Value::AsInt(self.below(7) as i64 - 3)),
            2 | 3 => Some(Value::AsDouble(self.below(7) as f64 / 2.0 - 1.0)),
            _ => None,
        };
        NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: [0, 0, 7][self.below(3)],
            time_unix_nano: self.below(200) as u64,
            value,
            ..NumberDataPoint::default()
        }
    }

    fn metric(&mut self) -> Metric {
        let data_points = (0..self.below(4)).map(|_| self.point()).collect();
        let data = match self.below(5) {
            0 | 1 => Some(Data::Gauge(Gauge { data_points })),
            2 | 3 => {
                let is_monotonic = self.below(3) > 0;
                let aggregation_temporality = [2, 2, 1][self.below(3)];
                Some(Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }))
            }
            _ => None,
        };
        Metric { name: self.word(), unit: self.key(), data, ..Metric::default() }
    }

    pub fn request(&mut self) -> ExportMetricsServiceRequest {
        let resources = (0..self.below(4)).map(|_| {
            let scopes = (0..self.below(3)).map(|_| ScopeMetrics {
                scope: Some(InstrumentationScope { name: self.word(), ..InstrumentationScope::default() }),
                metrics: (0..self.below(4)).map(|_| self.metric()).collect(),
                ..ScopeMetrics::default()
            });
            let scope_metrics = scopes.collect();
            let resource = Resource { attributes: self.attributes(), ..Resource::default() };
            ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }
        });
        ExportMetricsServiceRequest { resource_metrics: resources.collect() }
    }

    pub fn stages(&mut self) -> Vec<Stage> {
        (0..1 + self.below(4)).map(|_| self.stage()).collect()
    }

    fn stage(&mut self) -> Stage {
        match self.below(11) {
            0 => Stage::Filter((0..1 + self.below(3)).map(|_| self.condition(2)).collect()),
            1 => Stage::Attributes(self.actions()),
            2 => Stage::Resource(self.actions()),
            3 | 4 => Stage::Deltas(["auto", "keep", "drop"][self.below(3)]),
            5 => Stage::Rates((0..1 + self.below(2)).map(|_| self.name()).collect()),
            6 => Stage::Group((0..self.below(3)).map(|_| self.key()).collect()),
            7 => Stage::Metrics((0..1 + self.below(3)).map(|_| self.metric_change()).collect()),
            8 => Stage::Interval,
            9 => Stage::Resources((0..1 + self.below(3)).map(|_| self.resource_condition()).collect()),
            _ => Stage::Transform((0..1 + self.below(3)).map(|_| self.statement()).collect()),
        }
    }

    fn resource_condition(&mut self) -> Condition {
        let is = Condition::Resource(self.key(), self.word());
        if self.below(3) == 0 { Condition::Not(Box::new(is)) } else { is }
    }

    /// A word that is a name: not the empty one.
    fn name(&mut self) -> String {
        ["a", "b", "cpu", "memory"][self.below(4)].to_owned()
    }

    fn metric_change(&mut self) -> MetricChange {
        let (insert, include) = (self.below(3) == 0, self.name());
        let new_name = if insert || self.below(2) == 0 { self.name() } else { String::new() };
        let label = match self.below(4) {
            0 => Some(Label::Add(self.key(), self.name())),
            1 => Some(Label::Change(self.key(), self.word(), self.name())),
            2 => Some(Label::Drop(self.key(), self.word())),
            _ => None,
        };
        MetricChange { insert, include, new_name, label }
    }

    /// Returns the number of seconds pass before the next batch.
    pub fn pause(&mut self) -> u64 {
        self.below(25) as u64
    }

    fn actions(&mut self) -> Vec<Action> {
        let action = |choices: &mut Self| {
            let verb = ["insert", "update", "upsert", "delete"][choices.below(4)];
            Action { verb, key: choices.key(), value: choices.word() }
        };
        (0..1 + self.below(3)).map(|_| action(self)).collect()
    }

    fn statement(&mut self) -> Statement {
        let edit = match self.below(4) {
            0 => Edit::SetPoint(self.key(), self.word()),
            1 => Edit::DeletePoint(self.key()),
            2 => Edit::SetDescription(self.word()),
            _ => Edit::SetResource(self.key(), self.word()),
        };
        Statement { edit, condition: (self.below(3) > 0).then(|| self.condition(1)) }
    }

    fn condition(&mut self, depth: usize) -> Condition {
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0 => Condition::Name(self.word()),
            1 => Condition::Int(["<", "==", ">="][self.below(3)], self.below(5) as i64 - 2),
            2 => Condition::Point(self.key(), self.word()),
            3 => Condition::Resource(self.key(), self.word()),
            4 => Condition::Not(Box::new(self.condition(depth - 1))),
            5 => Condition::And(Box::new([self.condition(depth - 1), self.condition(depth - 1)])),
            _ => Condition::Or(Box::new([self.condition(depth - 1), self.condition(depth - 1)])),
        }
    }
}

/// A processor.
#[derive(Debug)]
pub enum Stage {
    Filter(Vec<Condition>),
    Resources(Vec<Condition>),
    Attributes(Vec<Action>),
    Resource(Vec<Action>),
    Transform(Vec<Statement>),
    Deltas(&'static str),
    Rates(Vec<String>),
    Interval,
    Group(Vec<String>),
    Metrics(Vec<MetricChange>),
}

/// A transform of `metricstransform`.
#[derive(Debug)]
pub struct MetricChange {
    pub insert: bool,
    pub include: String,
    pub new_name: String,
    pub label: Option<Label>,
}

/// Its operation: add a label, change a value of one, drop points by one.
#[derive(Debug)]
pub enum Label {
    Add(String, String),
    Change(String, String, String),
    Drop(String, String),
}

#[derive(Debug)]
pub struct Action {
    pub verb: &'static str,
    pub key: String,
    pub value: String,
}

#[derive(Debug)]
pub struct Statement {
    pub edit: Edit,
    pub condition: Option<Condition>,
}

#[derive(Debug)]
pub enum Edit {
    SetPoint(String, String),
    DeletePoint(String),
    SetDescription(String),
    SetResource(String, String),
}

#[derive(Debug)]
pub enum Condition {
    Name(String),
    Int(&'static str, i64),
    Point(String, String),
    Resource(String, String),
    Not(Box<Self>),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
}
