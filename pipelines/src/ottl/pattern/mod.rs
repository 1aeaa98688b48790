//! Regular expressions as the Collector means them: Go's RE2 syntax, matched with the engine of the `regex` crate.
//!
//! Both guarantee linear time. What a pattern may compile to is bounded by the allowance of its pipeline ([`crate::cost`]).

mod translate;

use std::sync::Arc;

use regex_automata::meta::Regex;
use regex_automata::util::captures;

use crate::cost::{Allowance, Dialect, PatternError, RecentPatterns, compile};
use crate::yaml::{Located, Problem};

use translate::Translator;

/// A compiled regular expression. It matches bytes, since texts in a batch are known to be UTF-8 already.
#[derive(Debug)]
pub struct Pattern {
    regex: Arc<Regex>,
    /// The names of the groups; Go lets several have one.
    names: Vec<Option<String>>,
}

/// A copy has caches of its own, for another thread.
impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { regex: Arc::new(Regex::clone(&self.regex)), names: self.names.clone() }
    }
}

/// A match and its groups.
#[derive(Debug)]
pub struct Captures<'t> {
    text: &'t [u8],
    found: captures::Captures,
}

impl<'t> Captures<'t> {
    /// Text that a group matched; none if it took no part. Group 0 is the whole match.
    pub fn get(&self, group: usize) -> Option<&'t [u8]> {
        self.found.get_group(group).map(|span| &self.text[span.range()])
    }

    /// Place of the whole match.
    pub(crate) fn whole(&self) -> std::ops::Range<usize> {
        self.found.get_group(0).map_or(0..0, |span| span.range())
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Says what Go's `regexp` would not take, or which limit the pattern passes.
    pub fn new(pattern: &str, allowance: &mut Allowance) -> Result<Self, PatternError> {
        let (translated, names) = Translator::new(pattern).translate().map_err(PatternError::Syntax)?;
        let regex = compile(&translated, Dialect::Bytes, allowance)?;
        Ok(Self { regex: Arc::new(regex), names })
    }

    /// A pattern that the data brings.
    ///
    /// # Errors
    /// As [`Pattern::new`]; its limits are far lower.
    pub(crate) fn brought(pattern: &str, recent: &RecentPatterns) -> Result<Self, PatternError> {
        let (translated, names) = Translator::new(pattern).translate().map_err(PatternError::Syntax)?;
        Ok(Self { regex: recent.compile(&translated)?, names })
    }

    /// Compiles a pattern of a config.
    ///
    /// # Errors
    /// As [`Pattern::new`], with the place.
    pub fn located(text: &Located, allowance: &mut Allowance) -> Result<Self, Problem> {
        Self::new(text.text(), allowance).map_err(|error| {
            let problem = Problem::new(text.start(), error.to_string());
            match error {
                PatternError::Syntax(_) => problem.expected("RE2 syntax"),
                PatternError::Cost(_) => problem,
            }
        })
    }

    /// Returns whether the pattern matches anywhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match and its groups.
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Captures<'t>> {
        let mut found = self.regex.create_captures();
        self.regex.captures(text, &mut found);
        found.is_match().then_some(Captures { text, found })
    }

    /// The names of the groups, in order, without the whole match.
    pub fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.names.iter().map(Option::as_deref)
    }
}

/// Replacement of a match, with `$1`, `${name}` and `$$` told apart once.
#[derive(Debug, Clone)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(Vec<u8>),
    /// A group by its place; one that there is not is empty.
    Group(usize),
    /// Groups of one name, of which the first that took part counts.
    Groups(Vec<usize>),
}

impl Pattern {
    /// Reads a replacement as Go does: `$1x` is the group called `1x`.
    pub(crate) fn replacement(&self, template: &[u8]) -> Replacement {
        let (mut parts, mut rest) = (Vec::new(), template);
        while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
            parts.push(Part::Text(rest[..dollar].to_vec()));
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix(b"$") {
                parts.push(Part::Text(b"$".to_vec()));
                rest = after;
                continue;
            }
            match group_name(rest) {
                Some((name, after)) => {
                    parts.push(self.group(name));
                    rest = after;
                }
                None => parts.push(Part::Text(b"$".to_vec())),
            }
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_vec()));
        }
        Replacement(parts)
    }

    fn group(&self, name: &[u8]) -> Part {
        let text = std::str::from_utf8(name).unwrap_or_default();
        if text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) {
            return Part::Group(text.parse().unwrap_or(usize::MAX));
        }
        let named = self.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(text));
        Part::Groups(named.map(|(place, _)| place + 1).collect())
    }

    /// Appends `text` with every match replaced.
    pub(crate) fn replace_all(&self, text: &[u8], with: &Replacement, out: &mut Vec<u8>) {
        if let Some(fixed) = with.fixed() {
            let mut from = 0;
            for found in self.matches(text) {
                out.extend_from_slice(&text[from..found.0]);
                out.extend_from_slice(fixed);
                from = found.1;
            }
            out.extend_from_slice(&text[from..]);
            return;
        }
        let mut from = 0;
        for captures in self.captured(text) {
            let whole = captures.whole();
            if whole.is_empty() && !splits(text, whole.start) {
                continue;
            }
            out.extend_from_slice(&text[from..whole.start]);
            with.expand(&captures, out);
            from = whole.end;
        }
        out.extend_from_slice(&text[from..]);
    }

    /// Every match: where it begins and ends.
    pub(crate) fn matches<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = (usize, usize)> + 't {
        let found = self.regex.find_iter(text).map(|found| (found.start(), found.end()));
        // Nothing is not matched inside of a character.
        found.filter(|(start, end)| start < end || splits(text, *start))
    }

    /// Every match with its groups.
    pub(crate) fn captured<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Captures<'t>> + 't {
        self.regex.captures_iter(text).map(move |found| Captures { text, found })
    }
}

/// Returns whether a place in a text is between two characters.
fn splits(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

impl Replacement {
    /// The replacement where it is one text.
    fn fixed(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the replacement of one match.
    pub(crate) fn expand(&self, captures: &Captures<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Group(place) => {
                    if let Some(group) = captures.get(*place) {
                        out.extend_from_slice(group);
                    }
                }
                Part::Groups(places) => {
                    if let Some(group) = places.iter().find_map(|place| captures.get(*place)) {
                        out.extend_from_slice(group);
                    }
                }
            }
        }
    }
}

/// The name after a dollar sign, in braces or not, and what follows it.
fn group_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let word = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
    };
    match text.strip_prefix(b"{") {
        Some(inner) => {
            let end = word(inner).min(inner.len());
            (end > 0 && inner.get(end) == Some(&b'}')).then(|| (&inner[..end], &inner[end + 1..]))
        }
        None => {
            let end = word(text).min(text.len());
            (end > 0).then(|| text.split_at(end))
        }
    }
}
