//! Problems of a config: what is wrong, where, what was expected, and what was probably meant.

use std::fmt;

use serde::Serialize;

use super::expand::Unset;
use super::secret::PrintedLines;
use super::sources::Parts;

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Location {
    /// The start of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// Problems of one file that are told: who mends those sees the others.
pub(crate) const MAX_PROBLEMS: usize = 100;
/// Length of a message, in bytes.
const MAX_MESSAGE: usize = 1 << 10;
/// Length of a name that is still compared with the known ones, in bytes.
const MAX_NAME: usize = 64;

/// One mistake in a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its place.
    pub location: Location,
    /// Mistake.
    pub message: String,
    /// Expected value, if that can be said shortly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The known name nearest to the unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem with nothing but a message, of which a long one is cut: it may quote what the config says.
    pub fn new(location: Location, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            message.push('…');
        }
        Self { location, message, expected: None, suggestion: None }
    }

    /// A name that is not one of `known`: the nearest is suggested, and all are listed if they are few.
    pub fn unknown<'a>(
        location: Location,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let problem = Self::new(location, format!("unknown {what} {name:?}"));
        let listed = match known.as_slice() {
            [] => None,
            [only] => Some((*only).to_owned()),
            few if few.len() <= 16 => Some(format!("one of {}", few.join(", "))),
            _ => None,
        };
        Self { expected: listed, suggestion: nearest(name, known).map(str::to_owned), ..problem }
    }

    /// Adds what would have been right.
    #[must_use]
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// Adds what was probably meant.
    #[must_use]
    pub fn suggest(self, suggestion: Option<&str>) -> Self {
        Self { suggestion: suggestion.map(str::to_owned), ..self }
    }
}

/// Keeps what is right and reports what is wrong, so that decoding goes on to the next mistake.
pub fn keep<T>(result: Result<T, Problem>, problems: &mut impl Extend<Problem>) -> Option<T> {
    result.map_err(|problem| problems.extend([problem])).ok()
}

/// The known name that is most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let lower = name.to_lowercase();
    // A third of the letters wrong is a typing mistake; more is another word.
    let allowed = |candidate: &str| candidate.chars().count().max(lower.chars().count()).div_ceil(3);
    // Words that differ so much in length need not be compared.
    let alike = known.into_iter().filter(|known| {
        known.len() <= MAX_NAME && known.len().abs_diff(name.len()) <= 1 + known.len().max(name.len()) / 2
    });
    let distance = |candidate: &str| strsim::osa_distance(&lower, &candidate.to_lowercase());
    let (best, candidate) = alike.map(|known| (distance(known), known)).min()?;
    (best <= allowed(candidate)).then_some(candidate)
}

/// Everything that is wrong with one file. Displays as `file:line:column: message`, each with the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The file's text; not serialized, since a config may hold secrets.
    #[serde(skip)]
    pub text: String,
    /// Where each text stands, if several make the config.
    #[serde(skip)]
    pub parts: Parts,
    /// The mistakes, by place.
    pub problems: Vec<Problem>,
    /// Uses of variables that are not set, which may be the reason.
    #[serde(skip)]
    pub unset: Vec<Unset>,
}

impl Problems {
    /// Puts the problems in the order of the text, each once; of many the first.
    pub fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.location, &a.message).cmp(&(b.location, &b.message)));
        problems.dedup();
        let left_out = problems.len().saturating_sub(MAX_PROBLEMS);
        if let Some(first) =
            problems.get(MAX_PROBLEMS).map(|problem| problem.location).filter(|_| left_out > 0)
        {
            problems.truncate(MAX_PROBLEMS);
            problems.push(Problem::new(first, format!("and {left_out} more problems from here on")));
        }
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            parts: Parts::default(),
            problems,
            unset: Vec::new(),
        }
    }

    /// The same beside the variables that are not set.
    #[must_use]
    pub fn beside(self, unset: Vec<Unset>) -> Self {
        Self { unset, ..self }
    }

    /// The same of a text that is made of several.
    #[must_use]
    pub fn within(self, parts: Parts) -> Self {
        Self { parts, ..self }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = PrintedLines::of(&self.text);
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let Location { line, column } = problem.location;
            let (file, in_file) = self.parts.find(line).unwrap_or((&self.file, line));
            write!(f, "{file}:{in_file}:{column}: {}", problem.message)?;
            if let Some(source) = printed.get(line as usize - 1) {
                underline(f, source, Location { line: in_file, column })?;
            }
            if let Some(expected) = &problem.expected {
                write!(f, "\n  expected: {expected}")?;
            }
            if let Some(suggestion) = &problem.suggestion {
                write!(f, "\n  did you mean {suggestion:?}?")?;
            }
        }
        for Unset { location: Location { line, column }, reference } in &self.unset {
            let (file, line) = self.parts.find(*line).unwrap_or((&self.file, *line));
            write!(f, "\n{file}:{line}:{column}: {reference} is not set and stands for nothing")?;
        }
        Ok(())
    }
}

/// Characters of a long line that are shown on either side of the mistake.
const SHOWN: usize = 60;

fn underline(f: &mut fmt::Formatter<'_>, source: &str, at: Location) -> fmt::Result {
    let column = at.column as usize - 1;
    if column > source.chars().count() {
        return Ok(());
    }
    let skipped = column.saturating_sub(SHOWN);
    let shown: String =
        source.chars().skip(skipped).take(2 * SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let word =
        shown.chars().skip(column - skipped).take_while(|c| c.is_alphanumeric() || "_./-".contains(*c));
    let number = at.line.to_string();
    let (margin, carets) = (" ".repeat(number.len()), "^".repeat(word.count().max(1)));
    write!(f, "\n {number} | {}\n {margin} | {}{carets}", shown.trim_end(), " ".repeat(column - skipped))
}
