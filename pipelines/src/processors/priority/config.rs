//! The config of `priority`.
//!
//! ```yaml
//! priority:
//!   attribute: process.priority
//!   by: process.executable.name
//!   classes:                                  # the first that holds
//!     - name: critical
//!       names: [nginx, postgres]
//!       patterns: ['^kube']
//!     - name: large
//!       above: { process.memory.usage: 104857600 }   # a rate a second for counters
//!   default: low
//!   stay: 10m
//! ```

use std::time::Duration;

use crate::cost::Inspection;
use crate::ottl::Pattern;
use crate::stage::unit::PROCESS;
use crate::yaml::{Node, Problem, keep};

/// The config of a `priority` processor.
#[derive(Debug, Clone)]
pub struct Priority {
    pub(super) attribute: String,
    pub(super) by: String,
    pub(super) classes: Vec<Class>,
    pub(super) default: Option<String>,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) unit: Vec<String>,
    pub(super) stay: Duration,
    /// Each class and the default, as rules that are counted.
    rules: Vec<String>,
}

/// A class and what makes it.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub name: String,
    pub names: Vec<String>,
    pub patterns: Vec<Pattern>,
    /// Places among the thresholds.
    pub above: Vec<usize>,
}

/// A value that is reached or not.
#[derive(Debug, Clone)]
pub(super) struct Threshold {
    pub metric: String,
    pub value: f64,
}

/// Number of thresholds that all classes may have.
pub(super) const MAX_THRESHOLDS: usize = 8;

impl Priority {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let mut text = |key| fields.take(key).and_then(|node| keep(node.text(), problems)).map(str::to_owned);
        let (attribute, by, default) = (text("attribute"), text("by"), text("default"));
        let unit = fields.take("unit").map(|node| node.texts(problems));
        let stay = fields.take("stay").and_then(|node| keep(node.duration(), problems));
        let (mut classes, mut thresholds) = (Vec::new(), Vec::new());
        let list = keep(fields.required("classes"), problems);
        for item in list.and_then(|list| keep(list.list(), problems)).unwrap_or_default() {
            classes.extend(class(item, &mut thresholds, problems));
        }
        fields.finish(problems);
        if thresholds.len() > MAX_THRESHOLDS {
            let problem = Problem::new(config.location, format!("{} thresholds", thresholds.len()));
            problems.push(problem.expected(format!("at most {MAX_THRESHOLDS}")));
            return None;
        }
        let names = classes.iter().map(|class: &Class| &class.name).chain(&default);
        let rules = names.map(|name| format!("class {name}")).collect();
        Some(Self {
            rules,
            attribute: attribute.unwrap_or_else(|| "process.priority".to_owned()),
            by: by.unwrap_or_else(|| "process.executable.name".to_owned()),
            classes,
            default,
            thresholds,
            unit: unit.unwrap_or_else(|| PROCESS.map(str::to_owned).to_vec()),
            stay: stay.unwrap_or(Duration::from_secs(600)),
        })
    }

    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Number of scrapes until thresholds on counters can be reached.
    pub(in super::super) fn warm_up(&self) -> u32 {
        if self.thresholds.is_empty() { 0 } else { 2 }
    }
}

fn class(node: &Node, thresholds: &mut Vec<Threshold>, problems: &mut Inspection) -> Option<Class> {
    let mut fields = keep(node.map(), problems)?;
    let name = keep(fields.required("name").and_then(Node::text), problems).map(str::to_owned);
    let names = fields.take("names").map(|node| node.texts(problems)).unwrap_or_default();
    let mut patterns = Vec::new();
    if let Some(list) = fields.take("patterns") {
        for item in keep(list.list(), problems).unwrap_or_default() {
            let text = keep(item.located_text(), problems);
            patterns.extend(text.and_then(|text| problems.pattern(&text)));
        }
    }
    let mut above = Vec::new();
    if let Some(map) = fields.take("above") {
        for entry in keep(map.entries(), problems).unwrap_or_default() {
            if let Some(value) = keep(entry.value.float(), problems) {
                above.push(thresholds.len());
                thresholds.push(Threshold { metric: entry.key.text.clone(), value });
            }
        }
    }
    fields.finish(problems);
    if names.is_empty() && patterns.is_empty() && above.is_empty() {
        let problem = Problem::new(node.location, "a class that nothing makes");
        problems.push(problem.expected("names, patterns or above"));
    }
    Some(Class { name: name?, names, patterns, above })
}
