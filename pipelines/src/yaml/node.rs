//! The tree.

use super::{Located, Location};

/// One value of a document and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Place at which the value begins. What came by an alias or a merge key stands where it was written.
    pub location: Location,
    /// Kind.
    pub kind: Kind,
    /// Spelling of a number, boolean or null by a variable, for those who want it as text all the same.
    pub(super) spelling: Option<String>,
    /// True if a variable had a part in it, or it stands beneath a key of secrets; then no message shows it.
    pub(super) expanded: bool,
    /// The tag that stands before it, if it is one that the reader was told of; [`super::TIMESTAMP`] of a date.
    pub(crate) tag: Option<&'static str>,
}

/// Kind of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, an exponent, or `.inf` and `.nan`.
    Float(f64),
    /// Text, quoted or not.
    Text(Located),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the source.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Its place.
    pub location: Location,
}

impl Node {
    pub(crate) fn new(location: Location, kind: Kind) -> Self {
        Self { location, kind, spelling: None, expanded: false, tag: None }
    }

    /// A node that says nothing, such as what a missing section stands for.
    pub fn null(location: Location) -> Self {
        Self::new(location, Kind::Null)
    }

    /// Returns whether the value is missing or null.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Share of the limit on a document that this tree takes: its values, and long texts for several.
    pub(crate) fn weight(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Self::weight).sum::<usize>(),
            Kind::Map(entries) => {
                1 + entries.iter().map(|e| 1 + e.key.text.len() / 64 + e.value.weight()).sum::<usize>()
            }
            Kind::Text(text) => 1 + text.text().len() / 64,
            _ => 1,
        }
    }

    /// Levels of lists and maps in this tree; a scalar has none.
    pub(super) fn depth(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The value on one line, for people; what a variable brought is not shown, since it may be a secret.
    pub fn flow(&self) -> String {
        let listed = |items: Vec<String>| items.join(", ");
        match &self.kind {
            _ if self.expanded => "…".to_owned(),
            Kind::Null => "null".to_owned(),
            Kind::Bool(value) => value.to_string(),
            Kind::Int(value) => value.to_string(),
            Kind::Float(value) => value.to_string(),
            Kind::Text(text) => text.text().to_owned(),
            Kind::List(items) => format!("[{}]", listed(items.iter().map(Self::flow).collect())),
            Kind::Map(entries) => {
                let entry = |entry: &Entry| format!("{}: {}", entry.key.text, entry.value.flow());
                format!("{{{}}}", listed(entries.iter().map(entry).collect()))
            }
        }
    }

    /// Those of a map's entries that have one of these keys, on one line.
    pub(crate) fn excerpt(&self, keys: &[&str]) -> String {
        let entries = self.entries().unwrap_or_default();
        let wanted = entries.iter().filter(|entry| keys.contains(&entry.key.text.as_str()));
        let words = wanted.map(|entry| format!("{}: {}", entry.key.text, entry.value.flow()));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Hides it, and all beneath it, from messages.
    pub(super) fn hide(&mut self) {
        self.expanded = true;
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(Self::hide),
            Kind::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.hide()),
            _ => {}
        }
    }

    /// Its text in quotes, or that it is not shown.
    pub fn quoted(&self) -> String {
        match &self.kind {
            Kind::Text(text) if !self.expanded => format!("{:?}", text.text()),
            _ => self.describe(),
        }
    }

    /// Describes in a word or two what stands here, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) if self.expanded => {
                "a value that is not shown".to_owned()
            }
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Int(value) => format!("the integer {value}"),
            Kind::Float(value) => format!("the number {value}"),
            Kind::Text(text) => {
                let short: String = text.text().chars().take(40).collect();
                format!("the text {short:?}")
            }
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}
