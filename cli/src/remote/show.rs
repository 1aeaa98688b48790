//! Answers on the terminal: JSON as it came, or a table of the columns that a person looks at.

use std::fmt::Display;
use std::io::Write as _;

use anyhow::Context as _;
use api::{Page, Reason};
use comfy_table::{Table, TableStyle};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Format;
use crate::output;

/// Column of a table: its header, and the cell of an item.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// Printer of answers.
#[derive(Clone, Copy)]
pub struct Show(pub Format);

impl Show {
    /// Tells whether a program reads it.
    pub fn is_json(self) -> bool {
        matches!(self.0, Format::Json)
    }

    /// Prints an answer as JSON, or reads it for a person.
    ///
    /// # Errors
    /// An answer of another shape; standard output is gone.
    pub fn read<T: DeserializeOwned>(self, answer: &Value) -> anyhow::Result<Option<T>> {
        match self.0 {
            Format::Json => output::say(answer).map(|()| None),
            Format::Text => T::deserialize(answer).map(Some).context("the answer is not as expected"),
        }
    }

    /// A list, by these columns.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn list<T: DeserializeOwned>(self, answer: &Value, columns: &[Column<T>]) -> anyhow::Result<()> {
        match self.read::<Page<T>>(answer)? {
            Some(page) => table(&page.items, columns),
            None => Ok(()),
        }
    }

    /// One thing, by these columns.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn one<T: DeserializeOwned>(self, answer: &Value, columns: &[Column<T>]) -> anyhow::Result<()> {
        match self.read(answer)? {
            Some(item) => fields(&item, columns),
            None => Ok(()),
        }
    }
}

/// A table, a row for each item.
///
/// # Errors
/// When standard output is gone.
pub fn table<T>(items: &[T], columns: &[Column<T>]) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(columns.iter().map(|(header, _)| *header));
    for item in items {
        table.add_row(columns.iter().map(|(_, cell)| cell(item)));
    }
    line(&table.to_string())
}

/// One thing, a line for each column that it has something in.
///
/// # Errors
/// When standard output is gone.
pub fn fields<T>(item: &T, columns: &[Column<T>]) -> anyhow::Result<()> {
    let width = columns.iter().map(|(header, _)| header.len()).max().unwrap_or(0);
    for (header, cell) in columns {
        let value = cell(item);
        if !value.is_empty() {
            line(&format!("{header:width$}  {value}"))?;
        }
    }
    Ok(())
}

/// Reasons, a line each, with what they are about.
///
/// # Errors
/// When standard output is gone.
pub fn reasons(reasons: &[Reason]) -> anyhow::Result<()> {
    for reason in reasons {
        line(&format!("  [{}] {}", reason.layer, reason.sentence))?;
        for more in details(reason) {
            line(&format!("         {more}"))?;
        }
    }
    Ok(())
}

/// The most names of a reason that are shown.
const NAMED: usize = 10;

/// Subject of a reason, besides its sentence.
pub fn details(reason: &Reason) -> Vec<String> {
    let mut lines = Vec::new();
    for (about, names) in [("groups", &reason.groups), ("hosts", &reason.hosts)] {
        if !names.is_empty() {
            lines.push(format!("{about}: {}", names[..names.len().min(NAMED)].join(", ")));
        }
    }
    lines.extend(reason.names.iter().take(NAMED).cloned());
    lines
}

/// Cell of a value that may be missing.
pub fn cell(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Cell of labels: `key=value,key=value`.
pub fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
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
    use super::*;

    #[test]
    fn a_reason_says_what_it_is_about() {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let reason = Reason {
            groups: owned(&["java"]),
            hosts: owned(&["web-1", "web-2"]),
            names: owned(&["sshd"]),
            ..Reason::default()
        };
        let expected = ["groups: java", "hosts: web-1, web-2", "sshd"];
        assert_eq!(details(&reason), expected);
        assert!(details(&Reason::default()).is_empty());
    }
}
