//! Places of documents in their files, and what a person is told of a mistake at one.

use client::Error;
use serde_json::Value;

/// Place of a document, and of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its file, for a person.
    pub file: String,
    /// Its number in the file, from 1.
    pub number: usize,
    /// Its first line.
    pub first: u64,
    /// Each field with its line.
    pub lines: Vec<(String, u64)>,
}

impl Place {
    /// Place of a field, or of the field that has it; else of the document.
    pub fn of(&self, field: &str) -> String {
        let field = field.split(['.', '[']).next().unwrap_or_default();
        let line = self.lines.iter().find(|(name, _)| name == field).map_or(self.first, |(_, line)| *line);
        format!("{}:{line}, document {}", self.file, self.number)
    }

    /// Lines about an error that a document met, one for each mistake in it; `what` is the document's name.
    pub fn told(&self, what: &str, error: &anyhow::Error) -> Vec<String> {
        let problem = match error.downcast_ref() {
            Some(Error::Refused { body, .. }) => serde_json::from_slice::<Value>(body).ok(),
            _ => None,
        };
        let mistakes = problem.as_ref().and_then(|problem| problem["errors"].as_array());
        match mistakes.filter(|mistakes| !mistakes.is_empty()) {
            Some(mistakes) => mistakes.iter().map(|mistake| self.mistake(what, mistake)).collect(),
            None => {
                let said = format!("{error:#}");
                let named = if said.starts_with(what) { said } else { format!("{what}: {said}") };
                vec![format!("{}: {named}", self.of("name"))]
            }
        }
    }

    fn mistake(&self, what: &str, mistake: &Value) -> String {
        let text = |name: &str| mistake[name].as_str();
        let field = text("field").unwrap_or_default();
        let mut line = format!("{}: {what}: {field}", self.of(field));
        if let (Some(row), Some(column)) = (mistake["line"].as_u64(), mistake["column"].as_u64()) {
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
        Place { file: "a.yaml".to_owned(), number: 2, first: 3, lines: lines.to_vec() }
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
    fn what_has_no_fields_is_told_at_the_name() {
        assert_eq!(told(json!([])), ["a.yaml:3, document 2: experiment e: it is wrong"]);
        let nameless = json!([{ "message": "no" }]);
        assert_eq!(told(nameless), ["a.yaml:3, document 2: experiment e: no"]);
    }
}
