//! A whole text as it may be shown, line by line and in one pass.
//!
//! It hides too much rather than too little: all that stands deeper than a key whose value may be a secret, the users of URLs,
//! and what looks like a key.

use super::secret::{cut, indent};

/// The shortest value of a `key` that is taken for a secret: names of attributes have dots, or are shorter.
const LONG_KEY: usize = 20;

/// What hides the lines behind a key whose value may be a secret.
struct Hidden {
    indent: usize,
    /// True if the value is behind the line, so that a list may stand beside the key.
    is_behind: bool,
    /// Braces that are open still.
    braces: isize,
}

impl Hidden {
    fn holds(&self, line: &str) -> bool {
        let beside = indent(line) == self.indent;
        self.braces > 0
            || indent(line) > self.indent
            || (beside && self.is_behind && line.trim_start().starts_with('-'))
    }
}

/// A text as it may be shown: a line is cut behind the first key whose value may be a secret, and what stands beneath that key is
/// left out.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut hidden: Option<Hidden> = None;
    for line in text.lines() {
        if let Some(above) = &mut hidden {
            if line.trim().is_empty() {
                continue;
            }
            if above.holds(line) {
                above.braces += braces(line);
                continue;
            }
            hidden = None;
        }
        let end = cut(line).or_else(|| long_key(line));
        let part = end.and_then(|end| line.get(..end));
        shown.push_str(&without_users(part.unwrap_or(line)));
        shown.push_str(if part.is_some() { " …\n" } else { "\n" });
        if part.is_some() {
            let is_behind = line.trim_end().ends_with(':');
            hidden = Some(Hidden { indent: indent(line), is_behind, braces: braces(line) });
        }
    }
    shown
}

fn braces(line: &str) -> isize {
    line.chars()
        .map(|letter| match letter {
            '{' | '[' => 1,
            '}' | ']' => -1,
            _ => 0,
        })
        .sum()
}

/// The end of `key:` in a line whose value looks like a secret.
fn long_key(line: &str) -> Option<usize> {
    let (before, value) = line.split_once("key:")?;
    let value = value.trim().trim_matches(['"', '\'']);
    let secret = value.len() >= LONG_KEY && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    secret.then_some(before.len() + "key:".len())
}

/// A line without the user and the password of each URL in it.
fn without_users(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        match after.get(..end).and_then(|authority| authority.rfind('@')) {
            Some(at) => {
                shown.push('…');
                rest = after.get(at..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_left_out_and_the_rest_stays() {
        let text = "exporters:
  otlp: { endpoint: here, headers: { a: hush } }
  other:
    endpoint: https://me:hush@there:4317/path
    headers:
      x-key: hush

      deeper:
        - hush
    compression: none
  vendor:
    api:
      key: 0123456789abcdef0123456789abcdef
processors:
  attributes:
    actions:
      - key: process.pid
        action: delete
service:
  secrets:
  - hush
  headers: {
    flat: hush,
  }
  auth_text: |
    hush
  telemetry: here
";
        let shown = printable(text);
        assert!(!shown.contains("hush") && !shown.contains("0123456789abcdef"), "{shown}");
        for kept in [
            "endpoint: here",
            "@there:4317/path",
            "    compression: none",
            "key: process.pid",
            "telemetry: here",
        ] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
    }
}
