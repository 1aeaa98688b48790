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
        let (mut runs, mut next) = (Vec::new(), None);
        for (offset, wanted) in located.text.char_indices() {
            let Some(at) = walk.find(wanted, style) else { break };
            if next != Some(at) {
                runs.push(Run { offset, at });
            }
            next = Some(Location { column: at.column.saturating_add(1), ..at });
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

    /// What stands between commas, each part with its places; an empty text has none.
    pub(super) fn between_commas(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut offset = 0;
        for text in self.text.split(',').filter(|_| !self.text.is_empty()) {
            let end = offset + text.len();
            let within = self.runs.iter().filter(|run| run.offset > offset && run.offset < end);
            let mut runs = vec![Run { offset: 0, at: self.at(offset) }];
            runs.extend(within.map(|run| Run { offset: run.offset - offset, at: run.at }));
            parts.push(Self { text: text.to_owned(), runs });
            offset = end + 1;
        }
        parts
    }

    /// Place at which the text begins.
    pub fn start(&self) -> Location {
        self.at(0)
    }

    /// Puts `with` in place of `length` bytes at each of these places, which are in order and do not overlap; all of it
    /// then stands where those bytes began. In one pass, however many places there are.
    pub(super) fn replace_all(&mut self, places: &[usize], length: usize, with: &str) {
        let mut copy =
            Rewrite { from: self, run: 0, at: 0, place: self.start(), out: String::new(), runs: Vec::new() };
        for place in places {
            copy.upto(*place, true);
            copy.put(with);
            copy.upto(place + length, false);
            copy.runs.push(Run { offset: copy.out.len(), at: copy.place });
        }
        copy.upto(self.text.len(), true);
        (self.text, self.runs) = (copy.out, copy.runs);
    }
}

fn advance(at: Location, over: &str) -> Location {
    let columns = u32::try_from(over.chars().count()).unwrap_or(u32::MAX);
    Location { column: at.column.saturating_add(columns), ..at }
}

/// A text on its way into a copy of itself in which some of it is replaced.
struct Rewrite<'a> {
    from: &'a Located,
    /// The next run.
    run: usize,
    at: usize,
    /// Place in the source of what stands at `at`.
    place: Location,
    out: String,
    runs: Vec<Run>,
}

impl Rewrite<'_> {
    /// Goes on to an offset; what lies between is kept or left out.
    fn upto(&mut self, end: usize, kept: bool) {
        let text = &self.from.text;
        while let Some(run) = self.from.runs.get(self.run).filter(|run| run.offset <= end) {
            if kept {
                self.out.push_str(&text[self.at..run.offset]);
                if run.offset < end || end == text.len() {
                    self.runs.push(Run { offset: self.out.len(), at: run.at });
                }
            }
            (self.at, self.place, self.run) = (run.offset, run.at, self.run + 1);
        }
        let between = &text[self.at..end];
        if kept {
            self.out.push_str(between);
        }
        (self.at, self.place) = (end, advance(self.place, between));
    }

    fn put(&mut self, with: &str) {
        if !with.is_empty() {
            self.runs.push(Run { offset: self.out.len(), at: self.place });
            self.out.push_str(with);
        }
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
