//! Places of documents in their files, and what a person is told of a mistake at one.

use std::path::Path;

use client::Error;
use serde_json::Value;

/// Place of a document, and of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its file, for a person.
    pub file: String,
    /// Its number in the file, from 1; 0 for a file that is sent as it is.
    pub number: usize,
    /// Its first line.
    pub first: u64,
    /// Each field with its line.
    pub lines: Vec<(String, u64)>,
    /// Text that a file has, or that stands in the document.
    pub text: Option<Included>,
}

/// Text in which a mistake has a line and a column of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Included {
    /// The text of a file beside the document.
    File(String),
    /// A block of the document: the line before its first one, and the columns by which it is indented.
    Block(u64, u64),
}

impl Place {
    /// Place of a field, or of the field that has it; else of the document.
    pub fn of(&self, field: &str) -> String {
        if self.number == 0 {
            return self.file.clone();
        }
        let field = field.split(['.', '[']).next().unwrap_or_default();
        let line = self.lines.iter().find(|(name, _)| name == field).map_or(self.first, |(_, line)| *line);
        format!("{}:{line}, document {}", self.file, self.number)
    }

    /// Place of a file that is sent as it is.
    pub fn of_text(file: &Path) -> Self {
        let file = file.display().to_string();
        Self { file: file.clone(), number: 0, first: 1, lines: Vec::new(), text: Some(Included::File(file)) }
    }

    /// Lines about an error that a document met, one for each mistake in it; `what` is the document's name.
    pub fn told(&self, what: &str, error: &anyhow::Error) -> Vec<String> {
        self.told_of_fields(what, error).unwrap_or_else(|| {
            let said = format!("{error:#}");
            let named = if said.starts_with(what) { said } else { format!("{what}: {said}") };
            vec![format!("{}: {named}", self.of("name"))]
        })
    }

    /// Lines about the mistakes of a refusal; nothing if it names none.
    pub fn told_of_fields(&self, what: &str, error: &anyhow::Error) -> Option<Vec<String>> {
        let problem = match error.downcast_ref() {
            Some(Error::Refused { body, .. }) => serde_json::from_slice::<Value>(body).ok(),
            _ => None,
        };
        let mistakes = problem.as_ref().and_then(|problem| problem["errors"].as_array());
        let mistakes = mistakes.filter(|mistakes| !mistakes.is_empty())?;
        Some(mistakes.iter().map(|mistake| self.mistake(what, mistake)).collect())
    }

    /// Place of a mistake in the text of a field, as file, line and column; nothing where that is not known.
    fn within(&self, field: &str, [row, column]: [u64; 2]) -> Option<String> {
        if !["text", "candidate", "candidate.config"].contains(&field) {
            return None;
        }
        Some(match self.text.as_ref()? {
            Included::File(file) => format!("{file}:{row}:{column}"),
            Included::Block(before, indent) => {
                format!("{}:{}:{}, document {}", self.file, before + row, indent + column, self.number)
            }
        })
    }

    fn mistake(&self, what: &str, mistake: &Value) -> String {
        let text = |name: &str| mistake[name].as_str();
        let field = text("field").unwrap_or_default();
        let at = mistake["line"].as_u64().zip(mistake["column"].as_u64());
        let mut line = match at.and_then(|(row, column)| self.within(field, [row, column])) {
            Some(place) => format!("{place}: {what}: {field}"),
            None => format!("{}: {what}: {field}", self.of(field)),
        };
        if let Some((row, column)) = at.filter(|_| self.text.is_none()) {
            line += &format!(" {row}:{column}");
        }
        line += if line.ends_with(": ") { "" } else { ": " };
        line += text("message").unwrap_or_default();
        if let Some(expected) = text("expected") {
            line += &format!(" (expected {expected})");
        }
        if let Some(nearest) = text("nearest") {
            line += &format!("; did you mean {nearest:?}?");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        let lines =
            [("name", 3), ("policy", 7), ("candidate", 5)].map(|(name, line)| (name.to_owned(), line));
        Place { file: "a.yaml".to_owned(), number: 2, first: 3, lines: lines.to_vec(), text: None }
    }

    fn told(errors: Value) -> Vec<String> {
        let body = json!({ "detail": "it is wrong", "errors": errors }).to_string().into_bytes();
        let error = anyhow::Error::from(Error::Refused { status: 422, body }).context("experiment e");
        place().told("experiment e", &error)
    }

    #[test]
    fn each_mistake_of_a_refusal_has_the_line_of_its_field() {
        let errors = json!([
            { "field": "policy.max_unseen", "message": "3", "expected": "a share from 0 to 1" },
            { "field": "candidate", "line": 4, "column": 2, "message": "there is no processor", "nearest": "filter" },
            { "field": "weights_bp", "message": "the last weight is 5" },
        ]);
        let expected = [
            "a.yaml:7, document 2: experiment e: policy.max_unseen: 3 (expected a share from 0 to 1)",
            "a.yaml:5, document 2: experiment e: candidate 4:2: there is no processor; did you mean \"filter\"?",
            "a.yaml:3, document 2: experiment e: weights_bp: the last weight is 5",
        ];
        assert_eq!(told(errors), expected);
    }

    #[test]
    fn a_mistake_in_a_text_has_the_line_and_column_of_its_file() {
        let told = |text| {
            let errors = json!([{ "field": "text", "line": 3, "column": 1, "message": "no such key" }]);
            let body = json!({ "errors": errors }).to_string().into_bytes();
            let error = anyhow::Error::from(Error::Refused { status: 422, body });
            Place { text, ..place() }.told("template t", &error).remove(0)
        };
        assert_eq!(told(Some(Included::File("t.yaml".into()))), "t.yaml:3:1: template t: text: no such key");
        assert_eq!(
            told(Some(Included::Block(9, 4))),
            "a.yaml:12:5, document 2: template t: text: no such key"
        );
        let sent = Place::of_text(Path::new("t.yaml"));
        assert_eq!((sent.of("text"), sent.of("")), ("t.yaml".to_owned(), "t.yaml".to_owned()));
        assert_eq!(told(None), "a.yaml:3, document 2: template t: text 3:1: no such key");
    }

    #[test]
    fn what_has_no_fields_is_told_at_the_name() {
        assert_eq!(told(json!([])), ["a.yaml:3, document 2: experiment e: it is wrong"]);
        let nameless = json!([{ "message": "no" }]);
        assert_eq!(told(nameless), ["a.yaml:3, document 2: experiment e: no"]);
    }
}
