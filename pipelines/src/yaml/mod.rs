//! YAML with a place for everything: a tree whose every node knows its line and column.
//!
//! A config is read by people who have to find their mistakes, so nothing here drops a position or
//! stops at the first problem. What always holds: a tree is bounded (bytes, depth, nodes after aliases),
//! a key stands in a map once, anchors and merge keys are resolved, and reading never panics.
//! Scalars mean what they mean to the Collector's YAML library, `$$` and `${env:NAME}` included.

mod access;
mod draft;
mod duration;
mod expand;
mod fields;
mod node;
mod printable;
mod problem;
mod read;
mod scalar;
mod secret;
mod site;
mod sources;
mod text;

pub use duration::parse as parse_duration;
pub use expand::Unset;
pub use fields::Fields;
pub use node::{Entry, Key, Kind, Node};
pub use printable::printable;
pub use problem::{Location, Problem, Problems, keep, nearest};
pub use sources::{Parts, Source};
pub use text::Located;

pub(crate) use draft::{Draft, entry};
pub(crate) use problem::MAX_PROBLEMS;
pub(crate) use read::TIMESTAMP;
pub(crate) use site::{Form, Site, sites};
pub(crate) use sources::read_all;

/// Looks up a variable of the environment, or with `file:` before it the text of a file; the caller decides what those are.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads one YAML document and expands its variables.
///
/// # Errors
/// Every syntax error, duplicate key, passed limit or variable that cannot be expanded.
pub fn read(file: &str, source: &str, lookup: Lookup<'_>) -> Result<Node, Problems> {
    read_telling(file, source, lookup).map(|(node, _)| node)
}

/// As [`read`], with the uses of variables that are not set.
pub(crate) fn read_telling(
    file: &str,
    source: &str,
    lookup: Lookup<'_>,
) -> Result<(Node, Vec<Unset>), Problems> {
    let mut problems = Vec::new();
    let node = read::tree(source, &[], &mut problems).map(|mut node| {
        let unset = expand::expand(&mut node, lookup, &mut problems);
        (node, unset)
    });
    match node {
        Some(node) if problems.is_empty() => Ok(node),
        _ => Err(Problems::new(file, source, problems)),
    }
}

/// Reads one YAML document as it is written: no variable is expanded, and `tags` stay on their nodes.
///
/// # Errors
/// Every syntax error, duplicate key and passed limit.
pub(crate) fn read_written(
    file: &str,
    source: &str,
    tags: &'static [&'static str],
) -> Result<Node, Problems> {
    let mut problems = Vec::new();
    match read::tree(source, tags, &mut problems) {
        Some(node) if problems.is_empty() => Ok(node),
        _ => Err(Problems::new(file, source, problems)),
    }
}

/// Returns whether a text that stands unquoted is still text.
pub(crate) fn is_plain_text(text: &str) -> bool {
    scalar::plain(text).is_none()
}

#[cfg(test)]
mod tests;
