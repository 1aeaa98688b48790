//! Actions as they are written.

use crate::cost::Inspection;
use crate::ottl::Pattern;
use crate::stage::config::Constant;
use crate::yaml::{Fields, Located, Node, Problem, keep};

/// One edit of a list of attributes.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Gives `key` a value, depending on whether it has one.
    Put { key: String, when: PutCondition, value: Source },
    /// Removes the attribute called `key` and those whose name `pattern` matches.
    Delete { key: Option<String>, pattern: Option<Pattern> },
    /// Replaces values by their SHA-256, selected as by `Delete`.
    Hash { key: Option<String>, pattern: Option<Pattern> },
    /// Writes the groups of `pattern`, matched with the text of `key`, to attributes of their names.
    Extract { key: String, pattern: Pattern, names: Vec<String> },
    /// Converts the value of `key` if it converts.
    Convert { key: String, to: Target },
}

/// Attributes that `Put` touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutCondition {
    /// `insert`
    Missing,
    /// `update`
    Present,
    /// `upsert`
    Always,
}

/// Source of a value.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The config.
    Constant(Constant),
    /// Another attribute of the same list, or the default if it is missing.
    Attribute { key: String, default: Option<Constant> },
    /// Facts about the request: none, as where a receiver of the Collector is not told to keep them.
    Nowhere,
}

/// Type that `convert` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A text.
    Text,
    /// An integer.
    Int,
    /// A double.
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Put(PutCondition),
    Delete,
    Hash,
    Extract,
    Convert,
}

const VERBS: [(&str, Verb); 7] = [
    ("insert", Verb::Put(PutCondition::Missing)),
    ("update", Verb::Put(PutCondition::Present)),
    ("upsert", Verb::Put(PutCondition::Always)),
    ("delete", Verb::Delete),
    ("hash", Verb::Hash),
    ("extract", Verb::Extract),
    ("convert", Verb::Convert),
];

/// Everything that an action may say; which of it a verb uses is checked afterward.
struct ActionFields<'a> {
    at: &'a Node,
    verb: &'static str,
    key: Option<String>,
    pattern: Option<(Located, Pattern)>,
    value: Option<&'a Node>,
    from_attribute: Option<&'a Node>,
    /// `from_context`
    context: Option<String>,
    default: Option<&'a Node>,
    converted_type: Option<&'a Node>,
}

/// A list of actions as a rule that is counted: what each does, and to which attribute.
pub(crate) fn rule(config: &Node, key: &str) -> String {
    let entry = |node: &Node, key: &str| {
        let entries = node.entries().unwrap_or_default();
        entries.iter().find(|entry| entry.key.text == key).map(|entry| entry.value.clone())
    };
    let word = |action: &Node, key: &str| Some(entry(action, key)?.text().ok()?.to_owned());
    let actions = entry(config, key);
    let actions = actions.as_ref().and_then(|actions| actions.list().ok()).unwrap_or_default();
    let words = actions.iter().map(|action| {
        let target = word(action, "key").or_else(|| word(action, "pattern")).unwrap_or_default();
        format!("{} {target}", word(action, "action").unwrap_or_default())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Decodes a list of actions, which must not be empty.
pub(crate) fn decode(fields: &mut Fields<'_>, key: &'static str, problems: &mut Inspection) -> Vec<Action> {
    let Some(node) = keep(fields.required(key), problems) else { return Vec::new() };
    let items = keep(node.list(), problems).unwrap_or_default();
    if items.is_empty() && node.list().is_ok() {
        problems
            .push(Problem::new(node.location, format!("{key:?} is empty")).expected("at least one action"));
    }
    items.iter().filter_map(|item| action(item, problems)).collect()
}

fn action(node: &Node, problems: &mut Inspection) -> Option<Action> {
    problems.statement(node.location)?;
    let mut fields = keep(node.map(), problems)?;
    let verb = keep(fields.required("action"), problems);
    let key = fields.take("key").and_then(|key| keep(key.text(), problems)).filter(|key| !key.is_empty());
    let pattern = fields.take("pattern").and_then(|pattern| keep(pattern.located_text(), problems));
    let pattern = pattern.filter(|pattern| !pattern.text().is_empty());
    let (value, from_attribute) = (fields.take("value"), fields.take("from_attribute"));
    let (default, converted_type) = (fields.take("default_value"), fields.take("converted_type"));
    let from_attribute = from_attribute.filter(|node| !node.text().is_ok_and(str::is_empty));
    let context = fields.take("from_context").and_then(|node| keep(node.text(), problems));
    let context = context.filter(|name| !name.is_empty()).map(str::to_owned);
    fields.finish(problems);
    let verb = verb?;
    // The Collector takes verbs in any case.
    let lower = keep(verb.text(), problems)?.to_ascii_lowercase();
    let Some((name, verb)) = VERBS.into_iter().find(|(name, _)| *name == lower) else {
        let known = VERBS.iter().map(|(name, _)| *name);
        problems.push(Problem::unknown(verb.location, "action", &lower, known));
        return None;
    };
    let pattern = match pattern {
        Some(text) => Some((text.clone(), problems.pattern(&text)?)),
        None => None,
    };
    let written = ActionFields {
        at: node,
        verb: name,
        key: key.map(str::to_owned),
        pattern,
        value,
        from_attribute,
        context,
        default,
        converted_type,
    };
    keep(written.action(verb, problems), problems)
}

impl ActionFields<'_> {
    fn action(self, verb: Verb, problems: &mut Inspection) -> Result<Action, Problem> {
        match verb {
            Verb::Put(_) => self.unused(&[("pattern", self.pattern.is_some()), self.has_type()])?,
            Verb::Delete | Verb::Hash => self.unused(&[self.has_value(), self.has_type()])?,
            Verb::Extract => self.unused(&[self.has_value(), self.has_type()])?,
            Verb::Convert => self.unused(&[("pattern", self.pattern.is_some()), self.has_value()])?,
        }
        if matches!(verb, Verb::Delete | Verb::Hash) {
            if self.key.is_none() && self.pattern.is_none() {
                return Err(self.problem("\"key\" or \"pattern\" is missing"));
            }
            let (key, pattern) = (self.key, self.pattern.map(|(_, pattern)| pattern));
            return Ok(match verb {
                Verb::Delete => Action::Delete { key, pattern },
                _ => Action::Hash { key, pattern },
            });
        }
        let key = self.key.clone().ok_or_else(|| self.problem("\"key\" is missing"))?;
        Ok(match verb {
            Verb::Put(when) => Action::Put { key, when, value: self.source(problems)? },
            Verb::Convert => Action::Convert { key, to: self.target()? },
            _ => {
                let Some((text, pattern)) = self.pattern else {
                    return Err(self.problem("\"pattern\" is missing"));
                };
                let names = names(&text, &pattern)?;
                Action::Extract { key, pattern, names }
            }
        })
    }

    fn problem(&self, message: &str) -> Problem {
        Problem::new(self.at.location, format!("the action {}: {message}", self.verb))
    }

    fn has_value(&self) -> (&'static str, bool) {
        ("value or from_attribute", self.value.or(self.from_attribute).is_some())
    }

    fn has_type(&self) -> (&'static str, bool) {
        ("converted_type", self.converted_type.is_some())
    }

    fn unused(&self, keys: &[(&str, bool)]) -> Result<(), Problem> {
        match keys.iter().find(|(_, present)| *present) {
            Some((key, _)) => Err(self.problem(&format!("it does not use {key}"))),
            None => Ok(()),
        }
    }

    fn source(&self, problems: &mut Inspection) -> Result<Source, Problem> {
        let mut constant = |node: &Node| Constant::decode(node, problems);
        match (self.value, self.from_attribute, &self.context) {
            (Some(value), None, None) => Ok(Source::Constant(constant(value))),
            (None, Some(from), None) => {
                Ok(Source::Attribute { key: from.text()?.to_owned(), default: self.default.map(constant) })
            }
            (None, None, Some(context)) => Ok(match self.default {
                // Only the address is there whatever the receiver keeps; it is not known, and so it is empty.
                _ if context == "client.address" => Source::Constant(Constant::Text(String::new())),
                Some(default) => Source::Constant(constant(default)),
                None => Source::Nowhere,
            }),
            (None, None, None) => match self.default {
                Some(default) => Ok(Source::Constant(constant(default))),
                None => Err(self.problem("\"value\" or \"from_attribute\" is missing")),
            },
            _ => Err(self.problem("it has several values").expected("value, from_attribute or from_context")),
        }
    }

    fn target(&self) -> Result<Target, Problem> {
        let node = self.converted_type.ok_or_else(|| self.problem("\"converted_type\" is missing"))?;
        let targets = [("string", Target::Text), ("int", Target::Int), ("double", Target::Double)];
        node.one_of("type", &targets)
    }
}

/// The names of all groups; the Collector refuses those without one.
fn names(text: &Located, pattern: &Pattern) -> Result<Vec<String>, Problem> {
    let names: Option<Vec<String>> = pattern.group_names().map(|name| name.map(str::to_owned)).collect();
    let named = names.filter(|names| !names.is_empty());
    named.ok_or_else(|| {
        let problem = Problem::new(text.start(), "extract: the pattern has no group, or one without a name");
        problem.expected("groups written (?P<name>…)")
    })
}
