//! Text that remembers where its characters stood, through quotes, escapes, folding and variables.

use granit_parser::ScalarStyle;

use super::Location;

/// A text and the places of its parts in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    text: String,
    /// Place of each run of characters that begins at an offset; the first is at offset 0, and within a
    /// run columns advance with characters.
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    offset: usize,
    at: Location,
}

impl Located {
    /// A text that stands at one place, character by character.
    pub fn new(text: impl Into<String>, at: Location) -> Self {
        Self { text: text.into(), runs: vec![Run { offset: 0, at }] }
    }

    /// Pairs the text of a scalar with its source, `raw`, that begins at `start`.
    pub(super) fn scalar(text: String, raw: &str, style: ScalarStyle, start: Location) -> Self {
        let mut walk = Walk { rest: raw, at: start };
        let mut located = Self::new(text, start);
        match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => walk.skip(1),
            ScalarStyle::Literal | ScalarStyle::Folded if raw.starts_with(['|', '>']) => walk.skip_line(),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {}
        }
        let mut runs = Vec::new();
        for (offset, wanted) in located.text.char_indices() {
            let Some(at) = walk.find(wanted, style) else { break };
            push(&mut runs, &located.text, Run { offset, at });
        }
        if !runs.is_empty() {
            located.runs = runs;
        }
        located
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Place in the source of the character at byte `offset`.
    pub fn at(&self, offset: usize) -> Location {
        let index = self.runs.partition_point(|run| run.offset <= offset).saturating_sub(1);
        let Some(run) = self.runs.get(index) else { return Location::START };
        advance(run.at, self.text.get(run.offset..offset.min(self.text.len())).unwrap_or_default())
    }

    /// Place at which the text begins.
    pub fn start(&self) -> Location {
        self.at(0)
    }

    /// Puts `with` in place of a range; all of it then stands where the range began.
    pub(super) fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        let (begin, end) = (self.at(range.start), self.at(range.end));
        let shift = |offset: usize| offset - range.end + range.start + with.len();
        let tail: Vec<Run> = self.runs.iter().filter(|run| run.offset > range.end).copied().collect();
        self.runs.retain(|run| run.offset < range.start);
        if !with.is_empty() {
            self.runs.push(Run { offset: range.start, at: begin });
        }
        self.runs.push(Run { offset: shift(range.end), at: end });
        self.runs.extend(tail.into_iter().map(|run| Run { offset: shift(run.offset), ..run }));
        self.text.replace_range(range, with);
    }
}

fn advance(at: Location, over: &str) -> Location {
    let columns = u32::try_from(over.chars().count()).unwrap_or(u32::MAX);
    Location { column: at.column.saturating_add(columns), ..at }
}

fn push(runs: &mut Vec<Run>, text: &str, run: Run) {
    let continues = runs.last().is_some_and(|last: &Run| {
        last.at.line == run.at.line && advance(last.at, &text[last.offset..run.offset]) == run.at
    });
    if !continues {
        runs.push(run);
    }
}

/// Walks a scalar's source in step with its text.
struct Walk<'a> {
    rest: &'a str,
    at: Location,
}

impl Walk<'_> {
    /// Takes the source of one character of text and says where it began.
    fn find(&mut self, wanted: char, style: ScalarStyle) -> Option<Location> {
        loop {
            let next = self.rest.chars().next()?;
            let at = self.at;
            if style == ScalarStyle::DoubleQuoted && next == '\\' {
                if self.escape() {
                    return Some(at);
                }
                continue;
            }
            if style == ScalarStyle::SingleQuoted && self.rest.starts_with("''") {
                self.skip(2);
                return Some(at);
            }
            self.skip(1);
            let folded = wanted.is_whitespace() && next.is_whitespace();
            match next == wanted || folded {
                true => return Some(at),
                // Indentation, and what folding swallows.
                false if next.is_whitespace() => {}
                false => return None,
            }
        }
    }

    /// Takes an escape sequence; false if it stands for nothing, as an escaped line break does.
    fn escape(&mut self) -> bool {
        let length = match self.rest.chars().nth(1) {
            Some('x') => 4,
            Some('u') => 6,
            Some('U') => 10,
            Some('\n' | '\r') => {
                self.skip(2);
                return false;
            }
            _ => 2,
        };
        self.skip(length);
        true
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            let mut rest = self.rest.chars();
            match rest.next() {
                Some('\n') => self.at = Location { line: self.at.line + 1, column: 1 },
                Some(_) => self.at.column += 1,
                None => return,
            }
            self.rest = rest.as_str();
        }
    }

    fn skip_line(&mut self) {
        let header = self.rest.chars().take_while(|c| *c != '\n').count();
        self.skip(header + 1);
    }
}
