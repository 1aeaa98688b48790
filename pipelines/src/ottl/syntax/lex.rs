//! Words, numbers, texts and signs, each with its byte offset.

use crate::ottl::SyntaxError;

use super::ast::{CompareOp, MathOp};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// Letters, digits and underscores, beginning with a letter; keywords among them.
    Word(String),
    /// Digits.
    Int(i64),
    /// Digits and a point.
    Double(f64),
    /// A text, unescaped.
    Text(Vec<u8>),
    /// `0x` and digits.
    Bytes(Vec<u8>),
    /// A comparison.
    Compare(CompareOp),
    /// An operation.
    Math(MathOp),
    /// One of `( ) [ ] { } , . : =`.
    Sign(char),
    /// The end.
    End,
}

impl Token {
    /// The token as it is named in messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("{word:?}"),
            Self::Int(_) | Self::Double(_) => "a number".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Compare(_) => "a comparison".to_owned(),
            Self::Math(_) => "an arithmetic operator".to_owned(),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Splits a text into tokens; the last is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let offset = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((offset, token));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes characters while they are of a kind.
    fn skip(&mut self, of_kind: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !of_kind(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { offset: self.at, message: message.into(), expected: None }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let second = rest[first.len_utf8()..].chars().next();
        let two_signs = match (first, second) {
            ('=', Some('=')) => Some(CompareOp::Eq),
            ('!', Some('=')) => Some(CompareOp::Ne),
            ('<', Some('=')) => Some(CompareOp::Le),
            ('>', Some('=')) => Some(CompareOp::Ge),
            ('=', Some('>')) => {
                return Err(self.error("lambdas are switched off, as they are in the Collector"));
            }
            _ => None,
        };
        if let Some(op) = two_signs {
            self.at += 2;
            return Ok(Token::Compare(op));
        }
        let one = match first {
            '<' => Token::Compare(CompareOp::Lt),
            '>' => Token::Compare(CompareOp::Gt),
            '+' => Token::Math(MathOp::Add),
            '-' => Token::Math(MathOp::Sub),
            '*' => Token::Math(MathOp::Mul),
            '/' => Token::Math(MathOp::Div),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => return self.number(),
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' | ':' | '=' => Token::Sign(first),
            '"' => return self.quoted(),
            '0' if second == Some('x') => return self.bytes(),
            '0'..='9' => return self.number(),
            'a'..='z' | 'A'..='Z' => {
                return Ok(Token::Word(self.skip(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()));
            }
            '\'' => return Err(self.error("a text stands in double quotes")),
            other => return Err(self.error(format!("unexpected {other:?}"))),
        };
        self.at += 1;
        Ok(one)
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let digits = |c: char| c.is_ascii_digit();
        self.skip(digits);
        if !self.rest().starts_with('.') {
            let whole = &self.text[start..self.at];
            return whole.parse().map(Token::Int).map_err(|_| SyntaxError {
                offset: start,
                message: format!("{whole} does not fit a 64-bit integer"),
                expected: None,
            });
        }
        self.at += 1;
        self.skip(digits);
        let mut exponent = Self { text: self.text, at: self.at };
        if exponent.skip(|c| c == 'e' || c == 'E').len() == 1 {
            if exponent.rest().starts_with(['-', '+']) {
                exponent.at += 1;
            }
            if !exponent.skip(digits).is_empty() {
                self.at = exponent.at;
            }
        }
        let number = &self.text[start..self.at];
        number.parse().map(Token::Double).map_err(|_| self.error(format!("{number:?} is no number")))
    }

    fn bytes(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 2;
        let digits = self.skip(|c| c.is_ascii_hexdigit()).as_bytes();
        if digits.is_empty() || !digits.len().is_multiple_of(2) {
            self.at = start;
            return Err(self.error("bytes are written as 0x and pairs of hexadecimal digits"));
        }
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or_default() as u8;
        Ok(Token::Bytes(digits.chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()))
    }

    /// A text with the escapes of Go's string literals.
    fn quoted(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let Some(next) = self.rest().chars().next() else {
                self.at = start;
                return Err(self.error("a text without its closing quote"));
            };
            match next {
                '"' => break,
                '\n' => return Err(self.error("a line break in a text; write \\n")),
                '\\' => self.escape(&mut text)?,
                other => {
                    text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    self.at += other.len_utf8();
                }
            }
        }
        self.at += 1;
        Ok(Token::Text(text))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let letter = self.rest().chars().nth(1).unwrap_or(' ');
        let single = match letter {
            'a' => 7,
            'b' => 8,
            't' => b'\t',
            'n' => b'\n',
            'v' => 11,
            'f' => 12,
            'r' => b'\r',
            '\\' => b'\\',
            '"' => b'"',
            'x' => return self.coded(text, 2, 2, 16),
            'u' => return self.coded(text, 2, 4, 16),
            'U' => return self.coded(text, 2, 8, 16),
            '0'..='7' => return self.coded(text, 1, 3, 8),
            other => {
                let error = self.error(format!("unknown escape \\{other}"));
                let expected = "a backslash is written twice, as in \"\\\\.\"".to_owned();
                return Err(SyntaxError { expected: Some(expected), ..error });
            }
        };
        text.push(single);
        self.at += 2;
        Ok(())
    }

    /// An escape of `digits` digits that begin `skip` bytes after the backslash.
    fn coded(
        &mut self,
        text: &mut Vec<u8>,
        skip: usize,
        digits: usize,
        radix: u32,
    ) -> Result<(), SyntaxError> {
        let written = self.rest().get(skip..skip + digits).filter(|d| d.chars().all(|c| c.is_digit(radix)));
        let code = written.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        match (code, digits) {
            (Some(code @ 0..=255), 2 | 3) => text.push(code as u8),
            (Some(code), 4 | 8) if char::from_u32(code).is_some() => {
                let character = char::from_u32(code).unwrap_or_default();
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(self.error("an escape that stands for no character")),
        }
        self.at += skip + digits;
        Ok(())
    }
}
