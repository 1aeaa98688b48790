//! Regular expressions as the Collector means them: Go's RE2 syntax, matched with the `regex` crate.
//!
//! Both guarantee linear time. The syntaxes differ in details, which are translated: in Go `\d`, `\s`, `\w`
//! and `\b` are ASCII, a brace that begins no repetition is a brace, a bracket inside a class is a bracket,
//! and `\Q…\E` quotes.

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::yaml::{Located, Problem};

/// Limit of the size of a compiled pattern, in bytes.
const MAX_COMPILED: usize = 4 << 20;
/// Go's limit on the count of a repetition.
const MAX_REPEAT: u32 = 1000;

/// A compiled regular expression. It matches bytes, since texts in a batch are known to be UTF-8 already.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    /// The names of the groups; Go lets several have one.
    names: Vec<Option<String>>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Says what Go's `regexp` would not take, or that the pattern compiles to too much.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let (translated, names) = Translator::new(pattern).translate()?;
        let built = RegexBuilder::new(&translated).size_limit(MAX_COMPILED).build();
        built.map(|regex| Self { regex, names }).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!("{pattern:?} compiles to too much"),
            _ => {
                let reason = error.to_string();
                let reason =
                    reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("{pattern:?} is no regular expression: {reason}")
            }
        })
    }

    /// Compiles a pattern of a config.
    ///
    /// # Errors
    /// As [`Pattern::new`], with the place.
    pub fn located(text: &Located) -> Result<Self, Problem> {
        Self::new(text.text()).map_err(|message| Problem::new(text.start(), message).expected("RE2 syntax"))
    }

    /// Returns whether the pattern matches anywhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match and its groups.
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Captures<'t>> {
        self.regex.captures(text)
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
        for captures in self.regex.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            if whole.is_empty() && !splits(text, whole.start()) {
                continue;
            }
            out.extend_from_slice(&text[from..whole.start()]);
            with.expand(&captures, out);
            from = whole.end();
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
        self.regex.captures_iter(text)
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
                        out.extend_from_slice(group.as_bytes());
                    }
                }
                Part::Groups(places) => {
                    if let Some(group) = places.iter().find_map(|place| captures.get(*place)) {
                        out.extend_from_slice(group.as_bytes());
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

/// Rewrites Go's syntax into the crate's, piece by piece; what both share passes through.
struct Translator<'a> {
    rest: &'a str,
    out: String,
    names: Vec<Option<String>>,
}

impl<'a> Translator<'a> {
    fn new(pattern: &'a str) -> Self {
        Self { rest: pattern, out: String::with_capacity(pattern.len() + 16), names: Vec::new() }
    }

    fn translate(mut self) -> Result<(String, Vec<Option<String>>), String> {
        while let Some(next) = self.next() {
            match next {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '{' if !self.begins_repetition() => self.out.push_str("\\{"),
                '{' => self.repetition()?,
                '}' => self.out.push_str("\\}"),
                '(' => {
                    self.out.push('(');
                    self.flags()?;
                }
                // Possessive and doubled quantifiers are errors in Go.
                '*' | '+' | '?' => {
                    self.out.push(next);
                    self.quantified()?;
                }
                other => self.out.push(other),
            }
        }
        Ok((self.out, self.names))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn quantified(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            self.out.push('?');
        }
        match self.rest.starts_with(['*', '+', '?']) || self.rest.starts_with('{') && self.repeats(self.rest)
        {
            true => Err(format!("a repetition of a repetition before {:?}", self.rest)),
            false => Ok(()),
        }
    }

    /// Returns whether what follows an opening brace makes it a repetition.
    fn begins_repetition(&self) -> bool {
        self.repeats(&format!("{{{}", self.rest))
    }

    fn repeats(&self, text: &str) -> bool {
        let Some((inner, _)) = text[1..].split_once('}') else { return false };
        let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        !from.is_empty() && digits(from) && digits(to)
    }

    fn repetition(&mut self) -> Result<(), String> {
        let (inner, rest) = self.rest.split_once('}').unwrap_or((self.rest, ""));
        let over = inner.split(',').any(|n| !n.is_empty() && n.parse().map_or(true, |n: u32| n > MAX_REPEAT));
        if over {
            return Err(format!("more than {MAX_REPEAT} repetitions: {{{inner}}}"));
        }
        self.rest = rest;
        self.out.push_str(&format!("{{{inner}}}"));
        self.quantified()
    }

    /// Reads what follows an opening parenthesis. Go knows the flags i, m, s and U alone; names are kept apart.
    fn flags(&mut self) -> Result<(), String> {
        let Some(group) = self.rest.strip_prefix('?') else {
            self.names.push(None);
            return Ok(());
        };
        if let Some(named) = group.strip_prefix("P<").or_else(|| group.strip_prefix('<')) {
            let (name, rest) = named.split_once('>').ok_or("a group's name without its end")?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(format!("{name:?} is no name of a group"));
            }
            self.names.push(Some(name.to_owned()));
            self.rest = rest;
            return Ok(());
        }
        let flags: String = group.chars().take_while(|c| *c != ':' && *c != ')').collect();
        match flags.chars().find(|c| !"imsU-".contains(*c)) {
            Some(_) => Err(format!("unknown group (?{flags}")),
            None => Ok(()),
        }
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(next) = self.next() else { return Err("a backslash at the end".to_owned()) };
        match next {
            'd' | 's' | 'w' | 'D' | 'S' | 'W' => self.out.push_str(perl_class(next, in_class)),
            'b' if !in_class => self.out.push_str("(?-u:\\b)"),
            'B' if !in_class => self.out.push_str("(?-u:\\B)"),
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                self.out.push_str(&regex::escape(quoted));
            }
            'p' | 'P' if self.rest.starts_with("{^") => {
                self.rest = &self.rest[2..];
                self.out.push_str(if next == 'p' { "\\P{" } else { "\\p{" });
                self.property();
            }
            'p' | 'P' if self.rest.starts_with('{') => {
                self.rest = &self.rest[1..];
                self.out.extend(['\\', next, '{']);
                self.property();
            }
            'p' | 'P' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => self.out.extend(['\\', next]),
            'A' | 'z' if !in_class => self.out.extend(['\\', next]),
            'x' => self.hexadecimal(),
            '0'..='7' => return self.octal(next),
            // Go takes an escape of any ASCII punctuation, and of nothing else.
            other if other.is_ascii_punctuation() => self.out.push_str(&format!("\\x{{{:x}}}", other as u32)),
            other => return Err(format!("unknown escape \\{other}")),
        }
        Ok(())
    }

    fn property(&mut self) {
        let (name, rest) = self.rest.split_once('}').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.out.push_str(name);
        self.out.push('}');
    }

    fn hexadecimal(&mut self) {
        self.out.push_str("\\x");
        if let Some((digits, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            self.out.push_str(&format!("{{{digits}}}"));
            self.rest = rest;
        }
    }

    fn octal(&mut self, first: char) -> Result<(), String> {
        let more: String = self.rest.chars().take(2).take_while(|c| ('0'..='7').contains(c)).collect();
        if first != '0' && more.is_empty() {
            return Err(format!("a reference to group {first}, which RE2 does not have"));
        }
        self.rest = &self.rest[more.len()..];
        let code = u32::from_str_radix(&format!("{first}{more}"), 8).unwrap_or_default();
        self.out.push_str(&format!("\\x{{{code:x}}}"));
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(next) = self.next() else { return Err("a class that is not closed".to_owned()) };
            match next {
                ']' if !first => break,
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => {
                    let end = self.rest.find(":]").map_or(0, |end| end + 2);
                    self.out.push('[');
                    self.out.push_str(&self.rest[..end]);
                    self.rest = &self.rest[end..];
                }
                '\\' => self.escape(true)?,
                // Brackets and the crate's set operators are themselves here.
                '[' | ']' | '&' | '~' => self.out.extend(['\\', next]),
                '-' if self.rest.starts_with('-') => self.out.push_str("\\-"),
                other => self.out.push(other),
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }
}

fn perl_class(letter: char, in_class: bool) -> &'static str {
    match (letter, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('s', true) => "\\t\\n\\f\\r ",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('D', _) => "[^0-9]",
        ('S', _) => "[^\\t\\n\\f\\r ]",
        _ => "[^0-9A-Za-z_]",
    }
}
