//! JSON as it is read: no tree, every error with its offset. Spec: RFC 8259.

use std::borrow::Cow;

use super::NotOtlp;

/// Levels of objects and lists: those of a request, twice the depth of a value, and what is skipped.
const MAX_DEPTH: usize = 128;

/// A place in a JSON text.
pub(super) struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Texts that were repaired.
    repairs: u64,
}

/// Kind of the next value, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextValue {
    Object,
    List,
    Text,
    Number,
    True,
    False,
    Null,
}

impl<'a> Json<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, repairs: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Steps over blanks to the next value, which is not taken.
    pub(super) fn next(&mut self) -> Result<NextValue, NotOtlp> {
        self.blanks();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(NextValue::Object),
            Some(b'[') => Ok(NextValue::List),
            Some(b'"') => Ok(NextValue::Text),
            Some(b'-' | b'0'..=b'9') => Ok(NextValue::Number),
            Some(b't') => Ok(NextValue::True),
            Some(b'f') => Ok(NextValue::False),
            Some(b'n') => Ok(NextValue::Null),
            Some(_) => Err(self.error("expected a JSON value")),
            None => Err(self.error("the JSON is cut off")),
        }
    }

    /// Takes an object; `entry` takes the value of each key.
    pub(super) fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, &str, usize) -> Result<(), NotOtlp>,
    ) -> Result<(), NotOtlp> {
        self.open(b'{', "an object")?;
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            let at = self.at;
            let key = self.text()?;
            self.blanks();
            self.expect(b':', "expected ':' after a key")?;
            entry(self, &key, at)?;
            if self.close(b'}') {
                return Ok(());
            }
            self.expect(b',', "expected ',' or '}' in an object")?;
        }
    }

    /// Takes a list; `item` takes each item.
    pub(super) fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), NotOtlp>,
    ) -> Result<(), NotOtlp> {
        self.open(b'[', "a list")?;
        if self.close(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.close(b']') {
                return Ok(());
            }
            self.expect(b',', "expected ',' or ']' in a list")?;
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, NotOtlp> {
        self.expect(b'"', "expected a text")?;
        let start = self.at;
        let rest = &self.bytes[start..];
        let end = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
        self.at += end;
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(self.repaired(start, start + end));
        }
        let mut text = self.repaired(start, start + end).into_owned();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(0..=0x1f) => return Err(self.error("a control character in a text")),
                None => return Err(self.error("a text without its closing quote")),
                Some(_) => {
                    let start = self.at;
                    let rest = &self.bytes[start..];
                    let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
                    self.at += plain.unwrap_or(rest.len());
                    text.push_str(&self.repaired(start, self.at));
                }
            }
        }
    }

    /// Takes a number as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, NotOtlp> {
        let start = self.at;
        let digits = |json: &mut Self| {
            let from = json.at;
            while json.bytes.get(json.at).is_some_and(u8::is_ascii_digit) {
                json.at += 1;
            }
            if json.at == from { Err(json.error("expected a digit")) } else { Ok(json.at - from) }
        };
        self.take(b'-');
        let first = self.at;
        let whole = digits(self)?;
        if whole > 1 && self.bytes.get(first) == Some(&b'0') {
            self.at = first;
            return Err(self.error("a number that begins with 0"));
        }
        if self.take(b'.') {
            digits(self)?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'-') || self.take(b'+');
            digits(self)?;
        }
        self.utf8(start, self.at)
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn word(&mut self, word: &str) -> Result<(), NotOtlp> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("expected a JSON value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes a value and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), NotOtlp> {
        match self.next()? {
            NextValue::Object => self.object(|json, _, _| json.skip()),
            NextValue::List => self.list(Self::skip),
            NextValue::Text => self.text().map(drop),
            NextValue::Number => self.number().map(drop),
            NextValue::True => self.word("true"),
            NextValue::False => self.word("false"),
            NextValue::Null => self.word("null"),
        }
    }

    /// Number of texts that were repaired so far.
    pub(super) fn repairs(&self) -> u64 {
        self.repairs
    }

    #[cold]
    pub(super) fn error(&self, what: impl Into<String>) -> NotOtlp {
        NotOtlp { offset: self.at, what: what.into() }
    }

    fn open(&mut self, bracket: u8, what: &str) -> Result<(), NotOtlp> {
        self.blanks();
        if self.bytes.get(self.at) != Some(&bracket) {
            return Err(self.error(format!("expected {what}")));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} levels of objects and lists")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> bool {
        self.blanks();
        let closed = self.take(bracket);
        self.depth -= usize::from(closed);
        closed
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), NotOtlp> {
        if self.take(byte) { Ok(()) } else { Err(self.error(what)) }
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// A text with U+FFFD for what is not UTF-8 of it.
    fn repaired(&mut self, start: usize, end: usize) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(&self.bytes[start..end]);
        self.repairs += u64::from(matches!(text, Cow::Owned(_)));
        text
    }

    fn utf8(&self, start: usize, end: usize) -> Result<&'a str, NotOtlp> {
        std::str::from_utf8(&self.bytes[start..end]).map_err(|error| NotOtlp {
            offset: start + error.valid_up_to(),
            what: "a text that is not UTF-8".to_owned(),
        })
    }

    fn escape(&mut self) -> Result<char, NotOtlp> {
        let character = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.coded(),
            _ => return Err(self.error("an unknown escape in a text")),
        };
        self.at += 2;
        Ok(character)
    }

    /// `\uXXXX`, or two of them that are one character. Half of a pair is no character: U+FFFD stands for it.
    fn coded(&mut self) -> Result<char, NotOtlp> {
        let unit = |at: usize| {
            let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
            let digits =
                std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.at).ok_or_else(|| self.error("expected four hexadecimal digits after \\u"))?;
        let second = unit(self.at + 6).unwrap_or_default();
        let mut characters = char::decode_utf16([first, second]);
        let Some(Ok(character)) = characters.next() else {
            self.at += 6;
            self.repairs += 1;
            return Ok(char::REPLACEMENT_CHARACTER);
        };
        self.at += if character.len_utf16() == 2 { 12 } else { 6 };
        Ok(character)
    }
}
