//! Decoder from a template's file to a template: everything that can be wrong with it is found here.

use std::time::Duration;

use crate::cost::Allowance;
use crate::yaml::{self, Entry, Fields, Kind, Location, Node, Problem, Problems, keep};

use super::claim::json;
use super::engine::{Engine, is_template, products};
use super::parameter::Pattern;
use super::render::{EACH, EachNode, Work};
use super::value::{MAX_ITEMS, check};
use super::{Claim, Parameter, ParameterKind, Sample, Template};

/// Number of parameters that a template may have.
const MAX_PARAMETERS: usize = 100;

/// Reads a template.
pub(super) fn template(name: &str, text: &str) -> Result<Template, Problems> {
    let root = yaml::read_written(name, text, &[EACH])?;
    let mut problems = Vec::new();
    let template = decode(name, text, &root, &mut problems);
    let template = template.filter(|_| problems.is_empty()).filter(|t| renders(t, &mut problems));
    template.ok_or_else(|| Problems::new(name, text, problems))
}

fn decode(name: &str, text: &str, root: &Node, problems: &mut Vec<Problem>) -> Option<Template> {
    let mut fields = keep(root.map(), problems)?;
    let named = fields.required("name").and_then(|node| named(node, name));
    keep(named, problems);
    let mut words = |key| keep(fields.required(key).and_then(Node::text), problems).map(str::to_owned);
    let (description, audience) = (words("description"), words("for"));
    let claim = fields.take("claim").and_then(|node| Claim::decode(node, problems));
    let declared =
        fields.take("parameters").and_then(|node| keep(node.entries(), problems)).unwrap_or_default();
    if declared.len() > MAX_PARAMETERS {
        problems.push(Problem::new(root.location, format!("more than {MAX_PARAMETERS} parameters")));
    }
    let mut allowance = Allowance::new();
    let declared = declared.iter().take(MAX_PARAMETERS);
    let parameters: Vec<Parameter> =
        declared.filter_map(|entry| parameter(entry, &mut allowance, problems)).collect();
    let samples = fields.take("samples").and_then(|node| keep(node.list(), problems)).unwrap_or_default();
    let samples: Vec<Sample> = samples.iter().filter_map(|node| Sample::decode(node, problems)).collect();
    let config = keep(fields.required("config"), problems);
    fields.finish(problems);
    let names =
        parameters.iter().map(|parameter| (parameter.name.clone(), NameKind::by(&parameter.kind))).collect();
    Expressions { engine: Engine::new(), names, problems }.node(config?);
    let (name, text) = (name.to_owned(), text.to_owned());
    let config = config?.clone();
    Some(Template {
        name,
        text,
        description: description?,
        audience: audience?,
        claim,
        parameters,
        samples,
        config,
    })
}

fn named(node: &Node, name: &str) -> Result<(), Problem> {
    let own = node.text()?;
    let expected =
        || Problem::new(node.location, format!("the template {own:?}")).expected(format!("{name:?}"));
    (own == name).then_some(()).ok_or_else(expected)
}

/// Kind of what a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKind {
    List,
    Number,
    /// A text, a boolean, a duration.
    Other,
}

impl NameKind {
    fn by(kind: &ParameterKind) -> Self {
        match kind {
            ParameterKind::Strings { .. } => Self::List,
            ParameterKind::Integer { .. } | ParameterKind::Number { .. } => Self::Number,
            _ => Self::Other,
        }
    }
}

/// A template that its own samples do not render is none. Without samples, its defaults do.
fn renders(template: &Template, problems: &mut Vec<Problem>) -> bool {
    let defaults = template.parameters.iter().all(|parameter| parameter.default.is_some());
    let defaults = defaults.then(serde_json::Map::new);
    let mut work = Work::default();
    for values in template.samples.iter().map(|sample| &sample.values).chain(&defaults) {
        if let Err(invalid) = template.render_within(values, &mut work) {
            problems.extend(invalid.problems.into_iter().map(|problem| problem.at(Location::START)));
        }
    }
    problems.is_empty()
}

fn parameter(entry: &Entry, allowance: &mut Allowance, problems: &mut Vec<Problem>) -> Option<Parameter> {
    let name = &entry.key.text;
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !["true", "false", "none", "not", "and", "or", "in", "is", "if", "else"].contains(&name.as_str());
    if !valid {
        let problem = Problem::new(entry.key.location, format!("{name:?} is no name of a parameter"));
        problems.push(problem.expected("a small letter, then small letters, digits and underscores"));
    }
    let mut fields = keep(entry.value.map(), problems)?;
    let description = keep(fields.required("description").and_then(Node::text), problems).map(str::to_owned);
    let kind =
        keep(fields.required("type"), problems).and_then(|node| kind(node, &mut fields, allowance, problems));
    let default = fields.take("default");
    fields.finish(problems);
    let mut parameter =
        Parameter { name: name.clone(), description: description?, kind: kind?, default: None };
    if let Some(node) = default {
        let value = json(node);
        keep(check(&parameter, &value).map_err(|problem| problem.at(node.location)), problems);
        parameter.default = Some(value);
    }
    Some(parameter)
}

fn kind(
    node: &Node,
    fields: &mut Fields<'_>,
    allowance: &mut Allowance,
    problems: &mut Vec<Problem>,
) -> Option<ParameterKind> {
    let types = ["string", "integer", "number", "boolean", "duration", "strings"].map(|word| (word, word));
    let word = keep(node.one_of("type of parameter", &types), problems)?;
    let mut bound = |key| fields.take(key);
    Some(match word {
        "boolean" => ParameterKind::Boolean,
        "integer" => {
            let min = bound("min").and_then(|node| keep(node.int(), problems)).unwrap_or(i64::MIN);
            let max = bound("max").and_then(|node| keep(node.int(), problems)).unwrap_or(i64::MAX);
            ParameterKind::Integer { min, max }
        }
        "number" => {
            let min = bound("min").and_then(|node| keep(node.float(), problems)).unwrap_or(f64::MIN);
            let max = bound("max").and_then(|node| keep(node.float(), problems)).unwrap_or(f64::MAX);
            ParameterKind::Number { min, max }
        }
        "duration" => {
            let min = bound("min").and_then(|node| keep(node.duration(), problems));
            let max = bound("max").and_then(|node| keep(node.duration(), problems));
            ParameterKind::Duration { min: min.unwrap_or(Duration::ZERO), max: max.unwrap_or(Duration::MAX) }
        }
        "string" => {
            let one_of = bound("one_of").map(|node| node.texts(problems)).unwrap_or_default();
            ParameterKind::String { pattern: pattern(bound("pattern"), allowance, problems), one_of }
        }
        _ => {
            let mut count = |key| bound(key).and_then(|node| keep(node.unsigned(), problems));
            let (min, max) =
                (count("min_items").unwrap_or(0), count("max_items").unwrap_or(MAX_ITEMS as u64));
            let (min_items, max_items) = (min as usize, (max as usize).min(MAX_ITEMS));
            ParameterKind::Strings {
                pattern: pattern(bound("pattern"), allowance, problems),
                min_items,
                max_items,
            }
        }
    })
}

fn pattern(node: Option<&Node>, allowance: &mut Allowance, problems: &mut Vec<Problem>) -> Option<Pattern> {
    let node = node?;
    let text = keep(node.text(), problems)?;
    let pattern = Pattern::compile(text, allowance);
    keep(pattern.map_err(|error| Problem::new(node.location, error.to_string())), problems)
}

/// Checks every expression of a config: that it parses, and that it names what there is.
struct Expressions<'p> {
    engine: Engine,
    /// The names in force, and what each stands for.
    names: Vec<(String, NameKind)>,
    problems: &'p mut Vec<Problem>,
}

impl Expressions<'_> {
    fn node(&mut self, node: &Node) {
        match &node.kind {
            _ if node.tag == Some(EACH) => self.each(node),
            Kind::Text(text) if is_template(text.text()) => match self.engine.names(text.text()) {
                Ok(names) => {
                    names.iter().for_each(|name| self.known(name, node.location));
                    products(text.text()).for_each(|product| self.product(product, node.location));
                }
                Err(why) => self.problems.push(Problem::new(node.location, why)),
            },
            Kind::List(items) => items.iter().for_each(|item| self.node(item)),
            Kind::Map(entries) => {
                for entry in entries {
                    if is_template(&entry.key.text) {
                        let problem = Problem::new(entry.key.location, "an expression in a key");
                        self.problems.push(problem.expected("expressions in values alone"));
                    }
                    self.node(&entry.value);
                }
            }
            _ => {}
        }
    }

    /// Numbers alone are multiplied: a text or a list could be, a hundred million times.
    fn product(&mut self, expression: &str, at: Location) {
        let names = self.engine.names(&format!("{{{{ {expression} }}}}")).unwrap_or_default();
        let number =
            |name: &String| self.names.iter().any(|(known, what)| known == name && *what == NameKind::Number);
        if expression.contains(['"', '\'', '[', '{', '|', '~']) || !names.iter().all(number) {
            let problem = Problem::new(at, format!("the multiplication {:?}", expression.trim()));
            self.problems.push(problem.expected("numbers and parameters of type integer or number alone"));
        }
    }

    fn each(&mut self, node: &Node) {
        let Some(each) = EachNode::decode(node, self.problems) else { return };
        let (of, at) = each.of;
        match self.names.iter().find(|(name, _)| name == of) {
            Some((_, NameKind::List)) => {}
            Some(_) => {
                self.problems.push(Problem::new(at, format!("{of:?} is no list")).expected("a list"));
            }
            None => self.known(of, at),
        }
        let (name, at) = each.as_;
        if self.names.iter().any(|(known, _)| known == name) {
            self.problems.push(Problem::new(at, format!("the name {name:?} is taken")));
            return;
        }
        self.names.push((name.to_owned(), NameKind::Other));
        self.node(each.give);
        self.names.pop();
    }

    fn known(&mut self, name: &str, at: Location) {
        if self.names.iter().all(|(known, _)| known != name) {
            let known = self.names.iter().map(|(known, _)| known.as_str());
            self.problems.push(Problem::unknown(at, "parameter", name, known));
        }
    }
}
