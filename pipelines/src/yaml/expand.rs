//! Variables: `${env:NAME}`, `${NAME}`, `${env:NAME:-default}`, `${file:PATH}`, `${yaml:VALUE}`, and `$$` for a dollar sign.
//!
//! Expansion follows the Collector's: innermost first, again in what was put in, in values and not in
//! keys. A variable that is the whole scalar brings its own kind; it may not bring a list or a map, so
//! that an environment cannot make structure.

use super::{Kind, Location, Lookup, Node, Problem, read};

/// Length to which a text may grow by variables, and by which all of a file's may grow together.
const MAX_TEXT: usize = 1 << 20;
/// Number of times that one text is gone through; a variable that holds itself never ends.
const MAX_ROUNDS: usize = 1000;
/// Bytes that are gone through while a file's variables are expanded, one after another.
const MAX_WORK: usize = 64 << 20;

/// The most uses of variables that are not set, of which is told.
const MAX_UNSET: usize = 20;

/// Use of a variable that is not set and has no default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// Its place.
    pub location: Location,
    /// The use, such as `${env:NAME}`.
    pub reference: String,
}

/// Expands every scalar of the tree. Returns uses of variables that are not set, which stand for nothing.
pub(super) fn expand(node: &mut Node, lookup: Lookup<'_>, problems: &mut Vec<Problem>) -> Vec<Unset> {
    let mut expansion = Expansion { lookup, grown: 0, work: 0, unset: Vec::new(), problems };
    expansion.node(node);
    expansion.unset
}

struct Expansion<'a> {
    lookup: Lookup<'a>,
    /// Bytes that variables have added to the file.
    grown: usize,
    /// Bytes that were gone through.
    work: usize,
    unset: Vec<Unset>,
    problems: &'a mut Vec<Problem>,
}

impl Expansion<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Kind::Map(entries) => entries.iter_mut().for_each(|entry| self.node(&mut entry.value)),
            Kind::Text(text) if text.text().contains('$') => {
                if let Err(problem) = self.scalar(node) {
                    self.problems.push(problem);
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, node: &mut Node) -> Result<(), Problem> {
        for _ in 0..MAX_ROUNDS {
            let Kind::Text(text) = &mut node.kind else { return Ok(()) };
            let Some(range) = find(text.text()) else {
                unescape(node);
                return Ok(());
            };
            let at = text.at(range.start);
            self.work += text.text().len();
            if self.work > MAX_WORK {
                let message = format!("variables for which more than {MAX_WORK} bytes are gone through");
                return Err(Problem::new(at, message).expected("fewer variables in one text"));
            }
            let reference = text.text()[range.clone()].to_owned();
            let value = resolve(&reference, at, self.lookup)?;
            if value.is_none() && self.unset.len() < MAX_UNSET {
                self.unset.push(Unset { location: at, reference: reference.clone() });
            }
            let value = value.unwrap_or_default();
            node.expanded = true;
            // Every occurrence, as the Collector does, though only one was looked at.
            let places: Vec<usize> = text.text().match_indices(&reference).map(|(place, _)| place).collect();
            self.grown += places.len() * value.len();
            if self.grown > MAX_TEXT {
                let message = format!("{reference} makes the texts of the file longer than {MAX_TEXT} bytes");
                return Err(Problem::new(at, message).expected("shorter values, or fewer uses of them"));
            }
            if range == (0..text.text().len()) {
                whole(node, &value, at)?;
            } else {
                text.replace_all(&places, reference.len(), &value);
            }
        }
        Err(Problem::new(node.location, "a variable that holds itself"))
    }
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

/// The value of `${…}`; nothing where it is unset without a default, which stands for no text, as in the Collector.
fn resolve(reference: &str, at: Location, lookup: Lookup<'_>) -> Result<Option<String>, Problem> {
    let inner = &reference[2..reference.len() - 1];
    let (scheme, rest) = match inner.split_once(':') {
        Some((scheme, rest)) => (scheme, rest),
        None => ("env", inner),
    };
    match scheme {
        "env" => {}
        "yaml" => return Ok(Some(rest.to_owned())),
        "file" => {
            let message = format!("{reference}: the file cannot be read here");
            let missing = || Problem::new(at, message).expected("a file with one value");
            return lookup(inner).map(Some).ok_or_else(missing);
        }
        _ => {
            let message = format!("{reference}: nothing is read from {scheme:?}");
            let expected = "${env:NAME}, ${NAME}, ${env:NAME:-default}, ${file:PATH} or ${yaml:VALUE}";
            return Err(Problem::new(at, message).expected(expected));
        }
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
    Ok(lookup(name).or_else(|| default.map(str::to_owned)))
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
                text.replace_all(&[0], text.text().len(), value);
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
    text.replace_all(&places, 2, "$");
}
