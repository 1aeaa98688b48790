//! Answers on the terminal: JSON as it came, or a table of the columns that a person looks at.

use std::collections::BTreeSet;
use std::fmt::Display;

use anyhow::Context as _;
use api::{Page, Reason};
use comfy_table::{Table, TableStyle};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Format;
use crate::output;

/// Column of a table: its header, and the cell of an item.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// Printer of answers.
#[derive(Clone, Copy)]
pub struct Show(pub Format);

impl Show {
    /// Tells whether a program reads it.
    pub fn is_for_programs(self) -> bool {
        !matches!(self.0, Format::Table | Format::Wide)
    }

    /// Prints an answer for a program.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn say(self, answer: &Value) -> anyhow::Result<()> {
        match self.0 {
            Format::Name => names(answer).iter().try_for_each(|name| line(name)),
            Format::Yaml => {
                let text = serde_saphyr::to_string(answer).context("the answer cannot be written as YAML")?;
                line(text.trim_end())
            }
            Format::Json | Format::Table | Format::Wide => output::say(answer),
        }
    }

    /// Prints an answer for a program, or with every field, or reads it for a person.
    ///
    /// # Errors
    /// An answer of another shape; standard output is gone.
    pub fn read<T: DeserializeOwned>(self, answer: &Value) -> anyhow::Result<Option<T>> {
        if self.0 == Format::Wide {
            return wide(answer).map(|()| None);
        }
        if self.is_for_programs() {
            return self.say(answer).map(|()| None);
        }
        T::deserialize(answer).map(Some).context("the answer is not as expected")
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

/// Names of what is in an answer, or what each thing is called by where it has none.
fn names(answer: &Value) -> Vec<String> {
    let one = std::slice::from_ref(answer);
    let all = answer["items"].as_array().map_or(one, Vec::as_slice);
    let name = |item: &Value| {
        let known = ["name", "email", "uid", "id", "seq"].into_iter().map(|key| &item[key]);
        known.into_iter().find_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    all.iter().filter_map(name).collect()
}

/// A list as a table of every field that one of its items has, one thing as a line for each field.
fn wide(answer: &Value) -> anyhow::Result<()> {
    let Some(items) = answer["items"].as_array() else {
        let fields = answer.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let width = fields.clone().map(|(key, _)| key.len()).max().unwrap_or(0);
        return fields.into_iter().try_for_each(|(key, value)| line(&field(&header(key), value, width)));
    };
    let keys: BTreeSet<&String> = items.iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(keys.iter().map(|key| header(key)));
    for item in items {
        table.add_row(keys.iter().map(|key| cut(&plain(&item[key.as_str()]))));
    }
    line(&table.to_string())
}

/// A field of one thing: beside its name, or below it if it has lines.
fn field(name: &str, value: &Value, width: usize) -> String {
    let text = plain(value);
    let text = text.trim_end();
    if text.contains('\n') {
        format!("{name}:\n  {}", text.replace('\n', "\n  "))
    } else {
        format!("{name:width$}  {text}")
    }
}

/// The most characters of a cell.
const CELL: usize = 60;

/// A cell of a list: a line, and not a long one. What is cut off says so.
fn cut(text: &str) -> String {
    let lines = text.trim_end().lines().count();
    let first = text.lines().next().unwrap_or_default();
    let short: String = first.chars().take(CELL).collect();
    if lines > 1 {
        format!("{short} … ({lines} lines)")
    } else if short.len() < first.len() {
        format!("{short}…")
    } else {
        short
    }
}

fn header(key: &str) -> String {
    key.replace('_', " ")
}

/// A field as text: nothing for none, and JSON for what has parts.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
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
    output::line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_called_by_their_names_or_by_what_else_they_are_known_by() {
        let all =
            serde_json::json!({ "items": [{ "id": "1", "name": "a" }, { "uid": "u" }, { "seq": 7 }, {}] });
        assert_eq!(names(&all), ["a", "u", "7"]);
        assert_eq!(names(&serde_json::json!({ "id": "1", "email": "a@b" })), ["a@b"]);
    }

    #[test]
    fn a_field_is_shown_as_it_is_and_what_has_parts_as_json() {
        let values = serde_json::json!([null, "a", 7, { "env": "test" }, ["x"]]);
        let shown: Vec<String> = values.as_array().expect("values").iter().map(plain).collect();
        assert_eq!(shown, ["", "a", "7", r#"{"env":"test"}"#, r#"["x"]"#]);
        assert_eq!(header("last_seen"), "last seen");
    }

    #[test]
    fn a_cell_is_a_short_line_and_a_field_of_one_thing_is_whole() {
        let yaml = "processors:\n  batch:\nservice: {}\n";
        assert_eq!(cut(yaml), "processors: … (3 lines)");
        assert_eq!(cut(&"ä".repeat(60)), "ä".repeat(60));
        assert_eq!(cut(&"ä".repeat(61)), format!("{}…", "ä".repeat(60)));
        assert_eq!((cut(""), cut("a\n")), (String::new(), "a".to_owned()));
        assert_eq!(field("config", &yaml.into(), 8), "config:\n  processors:\n    batch:\n  service: {}");
        assert_eq!(field("name", &"a".into(), 8), "name      a");
    }

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
