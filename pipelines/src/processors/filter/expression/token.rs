//! Tokens of expressions.

use crate::yaml::{Located, Problem};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    Sign(&'static str),
    End,
}

/// Longer signs come before their beginnings.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "**", "<", ">", "!", "(", ")", "[", "]", ",", "?", ":", "+",
    "-", "*", "/", "%", "^",
];

/// Tokens of a text, each with its offset; the last is the end.
pub(super) fn tokens(text: &Located) -> Result<Vec<(usize, Token)>, Problem> {
    let whole = text.text();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(first) = whole[at..].chars().next() {
        let rest = &whole[at..];
        if let Some(length) = blank(rest, first) {
            at += length.ok_or_else(|| problem(text, at, "a comment that does not end"))?;
            continue;
        }
        let (token, length) = if matches!(first, '"' | '\'' | '`') {
            literal(rest, first)
                .ok_or_else(|| problem(text, at, "a text that does not end, or an escape unknown here"))?
        } else if first.is_ascii_digit() {
            number(rest).ok_or_else(|| problem(text, at, "a number that is none"))?
        } else if first.is_alphabetic() || matches!(first, '_' | '$') {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1);
            (Token::Word(rest[..end].to_owned()), end)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign =
                sign.ok_or_else(|| problem(text, at, &format!("Phoenix runs no {first:?} in expressions")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((at, Token::End));
    Ok(tokens)
}

/// Length of a blank or a comment that begins here, which is none where the comment does not end.
fn blank(rest: &str, first: char) -> Option<Option<usize>> {
    if rest.starts_with("//") {
        return Some(Some(rest.find('\n').unwrap_or(rest.len())));
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        return Some(comment.find("*/").map(|end| end + 4));
    }
    first.is_whitespace().then_some(Some(first.len_utf8()))
}

/// A number and the length of what it is written with. Underscores between digits do not count.
fn number(rest: &str) -> Option<(Token, usize)> {
    let mut end = 0;
    let mut before = ' ';
    for c in rest.chars() {
        let exponent_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || exponent_sign) {
            break;
        }
        before = c;
        end += 1;
    }
    let digits = rest[..end].replace('_', "");
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| digits.starts_with(prefix));
    let token = match radix {
        Some((prefix, radix)) => Token::Int(i64::from_str_radix(&digits[prefix.len()..], radix).ok()?),
        None => match digits.parse() {
            Ok(number) => Token::Int(number),
            Err(_) => Token::Float(digits.parse().ok().filter(|number: &f64| number.is_finite())?),
        },
    };
    Some((token, end))
}

/// A quoted text and the length of what it is written with.
fn literal(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((Token::Text(out), at + 1)),
            '\\' if quote != '`' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '"' | '\'') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    None
}

pub(super) fn problem(text: &Located, at: usize, message: &str) -> Problem {
    Problem::new(text.at(at), message.to_owned())
}
