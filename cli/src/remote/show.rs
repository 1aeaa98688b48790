//! Answers on the terminal: JSON as it came, or a table of the columns that a person looks at.

use std::io::Write as _;

use anyhow::Context as _;
use comfy_table::{Table, TableStyle};
use serde_json::Value;

use super::Format;
use crate::output;

/// How to show.
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
            for name in reason["names"].as_array().into_iter().flatten().take(10) {
                line(&format!("         {}", cell(Some(name))))?;
            }
        }
        Ok(())
    }
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
