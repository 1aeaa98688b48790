//! Globs, as regular expressions: `*` and `**` are anything, `?` is one character, `[a-z]`, `[abc]` and `[!…]`
//! are one of a set, `{a,b}` is one of several globs, and a backslash takes the meaning away.

use crate::cost::{Allowance, RecentPatterns};
use crate::ottl::pattern::Pattern;

/// Compiles a glob that has to match a whole text.
///
/// # Errors
/// A set or a choice that is not closed.
pub(super) fn compile(glob: &str, allowance: &mut Allowance) -> Result<Pattern, String> {
    Pattern::new(&translated(glob)?, allowance).map_err(|error| error.to_string())
}

/// A glob that the data brings.
///
/// # Errors
/// As [`compile`]; its limits are far lower.
pub(super) fn brought(glob: &str, recent: &RecentPatterns) -> Result<Pattern, String> {
    Pattern::brought(&translated(glob)?, recent).map_err(|error| error.to_string())
}

/// The glob as a regular expression.
fn translated(glob: &str) -> Result<String, String> {
    let mut out = String::from("(?s)\\A(?:");
    let (mut rest, mut depth) = (glob.chars().peekable(), 0);
    while let Some(c) = rest.next() {
        match c {
            '*' => {
                while rest.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '?' => out.push('.'),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            '[' => {
                set(&mut rest, &mut out).ok_or_else(|| format!("{glob:?} has a set that is not closed"))?;
            }
            '\\' => {
                if let Some(c) = rest.next() {
                    literal(c, &mut out);
                }
            }
            other => literal(other, &mut out),
        }
    }
    if depth > 0 {
        return Err(format!("{glob:?} has a choice that is not closed"));
    }
    out.push_str(")\\z");
    Ok(out)
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

/// A range, or characters, up to the closing bracket.
fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if rest.next_if_eq(&'!').is_some() {
        out.push('^');
    }
    let mut empty = true;
    loop {
        match rest.next()? {
            ']' if !empty => break,
            ']' => return None,
            '\\' => literal(rest.next()?, out),
            '-' if !empty => out.push('-'),
            other => literal(other, out),
        }
        empty = false;
    }
    out.push(']');
    Some(())
}
