//! Values that no message shows: they may be secrets.
//!
//! What stands beneath a key of one of these names is not described, and its line is not printed. A message says the
//! place and the key.

use std::cell::OnceCell;

/// Parts of the names of such keys.
const NAMES: [&str; 16] = [
    "headers",
    "auth",
    "tls",
    "token",
    "password",
    "secret",
    "credential",
    "api_key",
    "api-key",
    "apikey",
    "private_key",
    "access_key",
    "passphrase",
    "connection_string",
    "proxy_url",
    "endpoint_params",
];

/// Tells whether what stands beneath this key may be a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    NAMES.iter().any(|name| key.contains(name))
}

/// Lines of a text, as they may be printed.
pub(super) struct PrintedLines<'a> {
    lines: Vec<&'a str>,
    /// For each line, once it was looked for, the end of its first key whose value may be a secret.
    cuts: Vec<OnceCell<Option<usize>>>,
}

impl<'a> PrintedLines<'a> {
    /// Lines of this text.
    pub fn of(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let cuts = vec![OnceCell::new(); lines.len()];
        Self { lines, cuts }
    }

    /// The part of a line that may be printed: up to the first value that may be a secret; nothing of a line that lies
    /// beneath a key of such a value.
    pub fn get(&self, line: usize) -> Option<&'a str> {
        let source = *self.lines.get(line)?;
        let (mut depth, mut closed) = (indent(source), false);
        for (at, above) in self.lines[..line].iter().enumerate().rev() {
            if above.trim().is_empty() {
                continue;
            }
            let beside = indent(above) == depth;
            closed |= beside && above.trim_start().starts_with(['}', ']']);
            if indent(above) < depth || (beside && !closed && holds(above, source)) {
                closed &= beside;
                depth = depth.min(indent(above));
                if self.cut(at).is_some() && !closes(above) {
                    return None;
                }
            }
        }
        Some(self.cut(line).map_or(source, |end| source.get(..end).unwrap_or_default()))
    }

    fn cut(&self, line: usize) -> Option<usize> {
        *self.cuts[line].get_or_init(|| cut(self.lines[line]))
    }
}

pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Tells whether a line holds one that is not deeper: by a brace that it leaves open, or as the key of a list.
fn holds(above: &str, source: &str) -> bool {
    let above = above.trim_end();
    above.ends_with(['{', '[', ',']) || (above.ends_with(':') && source.trim_start().starts_with('-'))
}

/// Tells whether a line closes all the braces that it opens and ends no key.
fn closes(line: &str) -> bool {
    let count = |of: [char; 2]| line.matches(of).count();
    count(['{', '[']) == count(['}', ']']) && !line.trim_end().ends_with(':')
}

/// The end of the first key in a line whose value may be a secret, behind its colon.
pub(super) fn cut(line: &str) -> Option<usize> {
    let mut start = 0;
    for (at, _) in line.match_indices(':') {
        let before = line.get(start..at)?;
        let key = before.rsplit(['{', '[', ',', ' ', '\'', '"']).find(|word| !word.is_empty());
        if key.is_some_and(is_secret) {
            return Some(at + 1);
        }
        start = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printed_up_to_the_first_value_that_may_be_a_secret() {
        let text = "exporters:
  otlp: { endpoint: here, headers: { a: hush } }
  other:
    endpoint: there
    headers:
      x-key: hush
      deeper: { y: hush }
    compression: none
phoenix:
  control_plane: { token: hush, endpoint: there }
  token_file: hush
  headers: {
    flat: hush,
  }
  secrets:
  - hush
  admin: here
";
        let printed = PrintedLines::of(text);
        let lines: Vec<Option<&str>> = (0..text.lines().count()).map(|line| printed.get(line)).collect();
        assert_eq!(lines[1], Some("  otlp: { endpoint: here, headers:"));
        assert_eq!(lines[3], Some("    endpoint: there"));
        assert_eq!(lines[7], Some("    compression: none"));
        assert_eq!(lines[16], Some("  admin: here"));
        for (at, line) in lines.into_iter().enumerate() {
            assert!(!line.is_some_and(|line| line.contains("hush")), "line {at}: {line:?}");
        }
    }
}
