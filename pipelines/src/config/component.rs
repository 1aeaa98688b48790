//! Components: what a file's sections define and its pipelines refer to.

use std::fmt;

use serde::Serialize;

use crate::yaml::{Key, Location, Node, Problem};

/// A section that defines components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `receivers:`
    Receivers,
    /// `processors:`
    Processors,
    /// `exporters:`
    Exporters,
    /// `extensions:`
    Extensions,
    /// `connectors:`
    Connectors,
}

impl Section {
    /// Returns the word for one of its components.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Receivers => "receiver",
            Self::Processors => "processor",
            Self::Exporters => "exporter",
            Self::Extensions => "extension",
            Self::Connectors => "connector",
        }
    }
}

/// Tells whether the Collector has a character in names: neither blanks nor control characters nor symbols of ASCII.
fn may_name(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && !"$+<=>^`|~".contains(character)
}

/// `type` or `type/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId {
    text: String,
    kind_end: usize,
}

impl ComponentId {
    /// Reads an id as the Collector does; blanks around its parts do not count.
    ///
    /// # Errors
    /// A type that is not a letter followed by letters, digits and underscores; an empty name after a slash.
    pub fn parse(text: &str, at: Location) -> Result<Self, Problem> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind.trim(), Some(name.trim())),
            None => (text.trim(), None),
        };
        let valid = kind.starts_with(|c: char| c.is_ascii_alphabetic())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && kind.len() <= 63
            && name.is_none_or(|name| !name.is_empty() && name.len() <= 1024 && name.chars().all(may_name));
        if !valid {
            let problem = Problem::new(at, format!("{text:?} is no id of a component"));
            return Err(problem.expected("type or type/name, such as filter or filter/small"));
        }
        let text = name.map_or_else(|| kind.to_owned(), |name| format!("{kind}/{name}"));
        Ok(Self { text, kind_end: kind.len() })
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type: what stands before the slash.
    pub fn kind(&self) -> &str {
        &self.text[..self.kind_end]
    }

    /// The name: what stands after the slash; empty if there is none.
    pub fn name(&self) -> &str {
        self.text.get(self.kind_end + 1..).unwrap_or_default()
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ComponentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// One component of a section, not decoded.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its id.
    pub id: ComponentId,
    /// Location of the id.
    pub location: Location,
    /// Its config; null where nothing stands.
    pub config: Node,
}

/// A component named by a pipeline or by `service.extensions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Id of the component that is referred to.
    pub id: ComponentId,
    /// Location of the reference.
    pub location: Location,
}

impl Reference {
    pub(super) fn parse(node: &Node) -> Result<Self, Problem> {
        let id = ComponentId::parse(node.text()?, node.location)?;
        Ok(Self { id, location: node.location })
    }
}

impl Component {
    pub(super) fn parse(key: &Key, config: &Node) -> Result<Self, Problem> {
        let id = ComponentId::parse(&key.text, key.location)?;
        Ok(Self { id, location: key.location, config: config.clone() })
    }
}
