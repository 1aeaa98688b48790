//! Translation of Go's syntax into the crate's.
//!
//! They differ in details: in Go `\d`, `\s`, `\w` and `\b` are ASCII, a brace that begins no repetition is a brace, a
//! bracket inside a class is a bracket, and `\Q…\E` quotes. It takes one pass: nothing looks further ahead than a few
//! characters.

/// Go's limit on the count of a repetition.
const MAX_REPEAT: u32 = 1000;
/// Length of the longest repetition and of the longest name of a class, in bytes: what follows is not looked at.
const AHEAD: usize = 64;

/// Rewrites Go's syntax into the crate's, piece by piece; what both share passes through.
pub(super) struct Translator<'a> {
    rest: &'a str,
    out: String,
    names: Vec<Option<String>>,
}

impl<'a> Translator<'a> {
    pub(super) fn new(pattern: &'a str) -> Self {
        Self { rest: pattern, out: String::with_capacity(pattern.len() + 16), names: Vec::new() }
    }

    pub(super) fn translate(mut self) -> Result<(String, Vec<Option<String>>), String> {
        while let Some(next) = self.next() {
            match next {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '{' if !repeats(self.rest) => self.out.push_str("\\{"),
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
        match self.rest.starts_with(['*', '+', '?']) || self.rest.strip_prefix('{').is_some_and(repeats) {
            true => Err(format!("a repetition of a repetition before {:?}", self.rest)),
            false => Ok(()),
        }
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
                self.out.push_str(&regex_syntax::escape(quoted));
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
                '[' if self.rest.starts_with(':') && ahead(self.rest).contains(":]") => {
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

/// Returns whether what follows an opening brace makes it a repetition.
fn repeats(text: &str) -> bool {
    let Some((inner, _)) = ahead(text).split_once('}') else { return false };
    let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !from.is_empty() && digits(from) && digits(to)
}

/// The first few characters of a text.
fn ahead(text: &str) -> &str {
    &text[..text.floor_char_boundary(AHEAD)]
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
