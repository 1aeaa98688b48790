//! Text and numbers as OTTL writes them.

use std::fmt::Write as _;

/// A string literal that OTTL reads as exactly this text.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                literal.push('\\');
                literal.push(c);
            }
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            // Also what a YAML reader takes for a line break.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(literal, "\\u{:04x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// A double, never with an exponent and always with a point: OTTL would take it for an integer.
pub(super) fn double(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') || !value.is_finite() { text } else { format!("{text}.0") }
}

/// A pattern that matches exactly these texts.
pub(super) fn alternatives<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let escaped: Vec<String> = texts.map(regex_syntax::escape).collect();
    // No text matches what no text is to match: an empty class.
    if escaped.is_empty() { "[^\\s\\S]".to_owned() } else { format!("^(?:{})$", escaped.join("|")) }
}
