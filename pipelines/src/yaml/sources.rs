//! Several texts that make one config: later ones go over earlier ones, map by map.
//!
//! As the Collector does with several `--config`: maps are joined, anything else is replaced, also by null. A key of the
//! outermost map that holds `::` stands for maps in maps.

use super::{Entry, Key, Kind, Location, Lookup, Node, Problem, Problems, Unset, expand, read};

/// A text of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, such as a file's.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Names of the texts in the order in which they stand in one, each with the number of its first line there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(Vec<(u32, String)>);

/// The most texts of a config.
const MAX_SOURCES: usize = 64;
/// The most levels that a key with `::` stands for.
const MAX_LEVELS: usize = 16;

impl Parts {
    /// The text of all, one after the other, and where each stands.
    pub(crate) fn join(sources: &[Source]) -> (String, Self) {
        let (mut text, mut parts) = (String::new(), Vec::new());
        for source in sources {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let lines_before = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX - 1);
            parts.push((lines_before + 1, source.name.clone()));
            text.push_str(&source.text);
        }
        (text, Self(parts))
    }

    /// The name of the text in which a line of all stands, and the line there; nothing where there is but one text.
    pub(super) fn find(&self, line: u32) -> Option<(&str, u32)> {
        let (first, name) = self.0.iter().rev().find(|(first, _)| *first <= line)?;
        Some((name.as_str(), line - first + 1))
    }
}

/// Reads texts that make one config, and expands their variables. Returns the uses of those that are not set besides.
///
/// # Errors
/// As [`super::read`], for each of them, and a text that is no map.
pub(crate) fn read_all(sources: &[Source], lookup: Lookup<'_>) -> Result<(Node, Vec<Unset>), Problems> {
    let (text, parts) = Parts::join(sources);
    let mut problems = Vec::new();
    if sources.len() > MAX_SOURCES {
        let message = format!("a config of {} texts", sources.len());
        problems.push(Problem::new(Location::START, message).expected(format!("at most {MAX_SOURCES}")));
    }
    let mut all = Node::null(Location::START);
    for ((first, _), source) in parts.0.iter().zip(sources).take(MAX_SOURCES) {
        // Empty lines before it, so that everything in it has its line in the text of all.
        let lines = "\n".repeat((*first as usize).saturating_sub(1));
        if let Some(node) = read::tree(&format!("{lines}{}", source.text), &[], &mut problems) {
            put_over(&mut all, node, &mut problems);
        }
    }
    let unset = expand::expand(&mut all, lookup, &mut problems);
    if problems.is_empty() { Ok((all, unset)) } else { Err(Problems::new("", &text, problems).within(parts)) }
}

/// Puts the map of a text over what earlier ones say.
fn put_over(all: &mut Node, node: Node, problems: &mut Vec<Problem>) {
    let location = node.location;
    match node.kind {
        Kind::Null => {}
        Kind::Map(entries) => {
            for entry in entries {
                match nested(entry) {
                    Ok(entry) => merge(all, Node::new(location, Kind::Map(vec![entry]))),
                    Err(problem) => problems.push(problem),
                }
            }
            if all.is_null() {
                *all = Node::new(location, Kind::Map(Vec::new()));
            }
        }
        _ => problems.push(Problem::new(location, node.describe()).expected("a map")),
    }
}

/// Merges `above` into `below`: maps are joined, anything else is replaced.
fn merge(below: &mut Node, above: Node) {
    match (&mut below.kind, above.kind) {
        (Kind::Map(entries), Kind::Map(more)) => {
            for entry in more {
                match entries.iter_mut().find(|known| known.key.text == entry.key.text) {
                    Some(known) => merge(&mut known.value, entry.value),
                    None => entries.push(entry),
                }
            }
        }
        (_, kind) => *below = Node { kind, ..above },
    }
}

/// An entry whose key may stand for maps in maps, as `exporters::debug::verbosity` does.
fn nested(entry: Entry) -> Result<Entry, Problem> {
    let Entry { key: Key { text, location }, mut value } = entry;
    let mut levels: Vec<&str> = text.split("::").collect();
    if levels.len() > MAX_LEVELS || levels.len() > 1 && levels.iter().any(|level| level.is_empty()) {
        let problem = Problem::new(location, format!("the key {text:?} leads nowhere"));
        return Err(problem.expected(format!("up to {MAX_LEVELS} names with :: between them")));
    }
    let key = |text: &str| Key { text: text.trim().to_owned(), location };
    let outermost = key(levels.remove(0));
    for level in levels.into_iter().rev() {
        value = Node::new(location, Kind::Map(vec![Entry { key: key(level), value }]));
    }
    Ok(Entry { key: outermost, value })
}
