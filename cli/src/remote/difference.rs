//! Difference of two documents of the control plane, as lines for a person.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// The most lines that are shown.
const MOST: usize = 200;

/// Lines that tell what is another in `after` than in `before`, of these fields: `path: old → new`, and of a text of several
/// lines each line that goes (`-`) or comes (`+`).
pub fn of_fields(before: &Value, after: &Value, fields: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for field in fields {
        compare(field, &before[*field], &after[*field], &mut lines);
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let (old, new) = (old.get(key), new.get(key));
                let [old, new] = [old, new].map(|value| value.unwrap_or(&Value::Null));
                compare(&format!("{path}.{key}"), old, new, lines);
            }
        }
        (Value::String(old), Value::String(new)) if old.contains('\n') || new.contains('\n') => {
            lines.push(format!("{path}:"));
            let changes = TextDiff::from_lines(old.as_str(), new.as_str());
            let changed = changes.iter_all_changes().filter_map(|change| {
                let sign = match change.tag() {
                    ChangeTag::Equal => return None,
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                Some(format!("{sign} {}", change.value().trim_end()))
            });
            lines.extend(changed);
        }
        (old, new) => lines.push(format!("{path}: {} → {}", shown(old), shown(new))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_differs_is_told_by_its_path() {
        let before =
            json!({ "spec": { "window": "10s", "aa": false }, "candidate": "a\nb\n", "phase": "pending" });
        let after =
            json!({ "spec": { "window": "5s", "aa": false, "price": { "x": 1 } }, "candidate": "a\nc\n" });
        let lines = of_fields(&before, &after, &["spec", "candidate"]);
        let expected =
            ["spec.window: \"10s\" → \"5s\"", "spec.price: nothing → {\"x\":1}", "candidate:", "- b", "+ c"];
        assert_eq!(lines, expected);
        assert!(of_fields(&before, &before, &["spec", "candidate", "phase"]).is_empty());
    }

    #[test]
    fn more_than_a_screen_is_cut_and_said_so() {
        let text = |of: &str| (0..300).map(|at| format!("{of}{at}\n")).collect::<String>();
        let lines = of_fields(&json!({ "text": text("a") }), &json!({ "text": text("b") }), &["text"]);
        assert_eq!((lines.len(), lines[MOST].as_str()), (MOST + 1, "… and 401 lines more"));
    }
}
