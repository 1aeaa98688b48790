//! Variables: `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`, and `$$` for a dollar sign.
//!
//! Expansion follows the Collector's: innermost first, again in what was put in, in values and not in
//! keys. A variable that is the whole scalar brings its own kind; it may not bring a list or a map, so
//! that an environment cannot make structure.

use super::{Kind, Location, Lookup, Node, Problem, read};

/// Length to which a text may grow by variables.
const MAX_TEXT: usize = 1 << 20;
/// Number of times that one text is gone through; a variable that holds itself never ends.
const MAX_ROUNDS: usize = 1000;

/// Expands every scalar of the tree.
pub(super) fn expand(node: &mut Node, lookup: Lookup<'_>, problems: &mut Vec<Problem>) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| expand(item, lookup, problems)),
        Kind::Map(entries) => {
            entries.iter_mut().for_each(|entry| expand(&mut entry.value, lookup, problems));
        }
        Kind::Text(text) if text.text().contains('$') => {
            if let Err(problem) = scalar(node, lookup) {
                problems.push(problem);
            }
        }
        _ => {}
    }
}

fn scalar(node: &mut Node, lookup: Lookup<'_>) -> Result<(), Problem> {
    for _ in 0..MAX_ROUNDS {
        let Kind::Text(text) = &mut node.kind else { return Ok(()) };
        let Some(range) = find(text.text()) else {
            unescape(node);
            return Ok(());
        };
        let at = text.at(range.start);
        let reference = text.text()[range.clone()].to_owned();
        let value = resolve(&reference, at, lookup)?;
        node.expanded = true;
        if range == (0..text.text().len()) {
            whole(node, &value, at)?;
            continue;
        }
        // Every occurrence, as the Collector does, though only one was looked at.
        let places: Vec<usize> = text.text().match_indices(&reference).map(|(place, _)| place).collect();
        if text.text().len() + places.len() * value.len() > MAX_TEXT {
            return Err(Problem::new(at, format!("{reference} makes the text longer than {MAX_TEXT} bytes")));
        }
        for place in places.into_iter().rev() {
            text.replace(place..place + reference.len(), &value);
        }
    }
    Err(Problem::new(node.location, "a variable that holds itself"))
}

/// The first reference that nothing escapes and that holds no other.
fn find(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    loop {
        let close = from + text[from..].find('}')?;
        if let Some(open) = text[from..close].rfind("${").map(|open| from + open) {
            let dollars = text[from..open].bytes().rev().take_while(|b| *b == b'$').count();
            if dollars % 2 == 0 {
                return Some(open..close + 1);
            }
        }
        from = close + 1;
    }
}

/// The value of `${…}`; unset without a default is empty, as in the Collector.
fn resolve(reference: &str, at: Location, lookup: Lookup<'_>) -> Result<String, Problem> {
    let inner = &reference[2..reference.len() - 1];
    let (scheme, rest) = match inner.split_once(':') {
        Some((scheme, rest)) => (scheme, rest),
        None => ("env", inner),
    };
    if scheme != "env" {
        let message = format!("{reference}: nothing is read from {scheme:?}");
        return Err(Problem::new(at, message).expected("${env:NAME}, ${NAME} or ${env:NAME:-default}"));
    }
    let (name, default) = match rest.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (rest, None),
    };
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') || rest.contains('$') {
        let message = format!("{reference}: {name:?} is no name of a variable");
        return Err(
            Problem::new(at, message).expected("letters, digits and underscores; $$ for a dollar sign")
        );
    }
    Ok(lookup(name).or_else(|| default.map(str::to_owned)).unwrap_or_default())
}

/// Makes the node what the value is in YAML; text is taken as it is, quotes and all.
fn whole(node: &mut Node, value: &str, at: Location) -> Result<(), Problem> {
    let read = read::tree(value, &[], &mut Vec::new());
    match read.map(|read| read.kind) {
        Some(Kind::List(_) | Kind::Map(_)) => {
            Err(Problem::new(at, "a variable that holds a list or a map").expected("a single value"))
        }
        None | Some(Kind::Text(_)) => {
            if let Kind::Text(text) = &mut node.kind {
                text.replace(0..text.text().len(), value);
            }
            Ok(())
        }
        Some(kind) => {
            node.kind = kind;
            node.spelling = Some(value.to_owned());
            Ok(())
        }
    }
}

fn unescape(node: &mut Node) {
    let Kind::Text(text) = &mut node.kind else { return };
    let places: Vec<usize> = text.text().match_indices("$$").map(|(place, _)| place).collect();
    for place in places.into_iter().rev() {
        text.replace(place..place + 2, "$");
    }
}
