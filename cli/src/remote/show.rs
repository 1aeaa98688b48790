//! Answers on the terminal: JSON as it came, or a table of the columns that a person looks at.

use std::io::Write as _;

use anyhow::Context as _;
use comfy_table::{Table, TableStyle};
use serde_json::Value;

use super::Format;
use crate::output;
use crate::report::numbers::error;

/// Printer of answers.
#[derive(Clone, Copy)]
pub struct Show(pub Format);

impl Show {
    /// A list, by these columns: header, and where in an item it stands.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn list(self, answer: &Value, columns: &[(&str, &str)]) -> anyhow::Result<()> {
        if self.0 == Format::Json {
            return output::say(answer);
        }
        let mut table = Table::new();
        table.load_style(TableStyle::new()).set_header(columns.iter().map(|(header, _)| *header));
        for item in answer["items"].as_array().into_iter().flatten() {
            table.add_row(columns.iter().map(|(_, pointer)| cell(item.pointer(pointer))));
        }
        line(&table.to_string())
    }

    /// One thing, by these columns.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn one(self, answer: &Value, columns: &[(&str, &str)]) -> anyhow::Result<()> {
        if self.0 == Format::Json {
            return output::say(answer);
        }
        let width = columns.iter().map(|(header, _)| header.len()).max().unwrap_or(0);
        for (header, pointer) in columns {
            let value = cell(answer.pointer(pointer));
            if !value.is_empty() {
                line(&format!("{header:width$}  {value}"))?;
            }
        }
        Ok(())
    }

    /// Reasons, a line each; nothing as JSON, where they are part of the answer.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn reasons(self, reasons: &Value) -> anyhow::Result<()> {
        if self.0 == Format::Json {
            return Ok(());
        }
        for reason in reasons.as_array().into_iter().flatten() {
            line(&format!("  [{}] {}", cell(reason.get("layer")), cell(reason.get("sentence"))))?;
            for more in details(reason) {
                line(&format!("         {more}"))?;
            }
        }
        Ok(())
    }
}

/// The most names of a reason that are shown.
const NAMED: usize = 10;

/// Figure and limit of a reason, and its subject, besides its sentence.
fn details(reason: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let [Some(low), Some(high)] = [0, 1].map(|end| reason["interval"][end].as_f64()) {
        let [low, high] = [low, high].map(|share| error(Some(share)));
        let agents = cell(reason.get("n"));
        lines.push(format!("the mean of the hosts' errors lies from {low} to {high}, on {agents} agents"));
    }
    for about in ["groups", "hosts"] {
        let names: Vec<String> = listed(&reason[about]).collect();
        if !names.is_empty() {
            lines.push(format!("{about}: {}", names.join(", ")));
        }
    }
    lines.extend(listed(&reason["names"]));
    lines
}

fn listed(names: &Value) -> impl Iterator<Item = String> {
    names.as_array().into_iter().flatten().take(NAMED).map(|name| cell(Some(name)))
}

/// A value in a cell.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", cell(Some(value))))
            .collect::<Vec<_>>()
            .join(","),
        Some(other) => other.to_string(),
    }
}

/// A line on standard output.
///
/// # Errors
/// When it is gone.
pub fn line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::details;

    #[test]
    fn a_reason_says_its_interval_and_what_it_is_about() {
        let reason = json!({
            "n": 20, "interval": [-0.012, 0.0005], "groups": ["java"], "hosts": ["web-1", "web-2"], "names": ["sshd"]
        });
        let expected = [
            "the mean of the hosts' errors lies from -1.2 % to +0.050 %, on 20 agents",
            "groups: java",
            "hosts: web-1, web-2",
            "sshd",
        ];
        assert_eq!(details(&reason), expected);
        assert!(details(&json!({ "interval": null, "names": [] })).is_empty());
    }
}
