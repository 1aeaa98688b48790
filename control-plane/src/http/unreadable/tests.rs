use serde::Deserialize;
use serde_json::{Map, json};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Outer {
    before: Option<Source>,
    name: String,
    role: Role,
    source: Source,
    #[serde(default)]
    weights: Vec<u16>,
    inner: Option<Inner>,
    when: Option<Even>,
    #[serde(default)]
    more: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Inner {
    alpha: f64,
    on: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a name or a number")]
#[expect(dead_code, reason = "only read")]
enum Step {
    Named(Role),
    Number(u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Admin,
    Viewer,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only read")]
enum Source {
    Config(String),
    Template { name: String, version: u32 },
}

/// A number of which no default is one.
#[derive(Deserialize)]
#[serde(try_from = "u32")]
struct Even;

impl TryFrom<u32> for Even {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number == 42 { Ok(Self) } else { Err(format!("{number} is not 42")) }
    }
}

fn found(body: &Value) -> Vec<(String, String, Option<String>, Option<String>)> {
    let all = mistakes::<Outer>(body.to_string().as_bytes());
    all.into_iter()
        .map(|one| (one.field.unwrap_or_default(), one.message, one.expected, one.nearest))
        .collect()
}

fn fields(body: &Value) -> Vec<String> {
    found(body).into_iter().map(|(field, ..)| field).collect()
}

#[test]
fn all_mistakes_are_told_at_once_by_their_paths() {
    let body = json!({
        "nam": "x",
        "role": "admn",
        "source": { "template": { "nme": "a", "version": "new" } },
        "before": { "confg": "x" },
        "weights": [1, 70000, "x"],
        "inner": { "alfa": 1, "on": "yes", "steps": ["admin", {}, 7, []] },
        "when": 7
    });
    let mut all = fields(&body);
    all.sort();
    let expected = [
        "before",
        "inner.alfa",
        "inner.alpha",
        "inner.on",
        "inner.steps[1]",
        "inner.steps[3]",
        "nam",
        "name",
        "role",
        "source.template.name",
        "source.template.version",
        "weights[1]",
        "weights[2]",
        "when",
    ];
    assert_eq!(all, expected, "{:?}", found(&body));
}

#[test]
fn a_mistake_says_what_came_what_was_expected_and_what_was_probably_meant() {
    let right = json!({ "name": "x", "role": "admin", "source": { "config": "" } });
    let with = |field: &str, value: Value| {
        let mut body = right.clone();
        body[field] = value;
        found(&body)
    };
    let one = |field: &str, message: &str, expected: &str, nearest: Option<&str>| {
        vec![(field.to_owned(), message.to_owned(), Some(expected.to_owned()), nearest.map(str::to_owned))]
    };
    assert_eq!(found(&right), []);
    assert_eq!(
        with("role", json!("admn")),
        one("role", "unknown variant `admn`", "`admin` or `viewer`", Some("admin"))
    );
    assert_eq!(
        with("weights", json!([70000])),
        one("weights[0]", "it is 70000", "a whole number from 0 to 65535", None)
    );
    assert_eq!(with("name", json!(7)), one("name", "it is 7", "a text", None));
    assert_eq!(with("name", json!(["a"])), one("name", "it is a list", "a text", None));
    assert_eq!(with("inner", json!("x")), one("inner", "it is the text \"x\"", "an object", None));
    assert_eq!(with("weights", json!(1.5)), one("weights", "it is 1.5", "a list", None));
    assert_eq!(with("when", json!(7)), vec![("when".to_owned(), "7 is not 42".to_owned(), None, None)]);
}

#[test]
fn what_is_missing_of_what_is_missing_is_not_told() {
    assert_eq!(fields(&json!({})), ["name", "role", "source"]);
    let body = json!({ "name": "x", "role": "admin", "source": { "config": "" }, "inner": {} });
    assert_eq!(fields(&body), ["inner.alpha", "inner.on", "inner.steps"]);
}

#[test]
fn a_body_that_is_no_object_is_one_mistake() {
    let refused = refusal::<Outer>(b"[1]", "");
    assert_eq!(refused.mistakes().len(), 1, "{refused:?}");
    let refused = refusal::<Outer>(br#""x""#, "");
    assert_eq!(refused.detail(), "the body: it is the text \"x\" (expected an object)");
}

#[test]
fn work_is_bounded_and_what_is_cut_off_says_so() {
    let unknown: Map<String, Value> = (0..100).map(|n| (format!("f{n}"), json!(n))).collect();
    let refused = refusal::<Outer>(Value::from(unknown).to_string().as_bytes(), "");
    assert_eq!((refused.mistakes().len(), refused.detail()), (MOST, "the body has 20 mistakes or more"));
    let long = json!({ "nam": "x".repeat(WORK), "nme": 1 }).to_string();
    assert_eq!(mistakes::<Outer>(long.as_bytes()).len(), 1);
}

#[test]
fn a_field_that_is_there_twice_is_told_in_serdes_words() {
    let said = "Failed to deserialize the JSON body into the target type: name: duplicate field `name` at line 1 column 9";
    let refused = refusal::<Outer>(br#"{"name":"a","name":"b","role":"admin","source":{"config":""}}"#, said);
    assert_eq!(refused.detail(), "name: duplicate field `name`");
}
