//! Mistakes in a body of JSON, as serde words them, made fields of a problem: which field, what was expected, and the known
//! name nearest to one that is not.

use pipelines::yaml::nearest;

use crate::refusal::Mistake;

/// The mistake that a refused body has.
pub fn mistake(said: &str) -> Option<Mistake> {
    let said = said.split_once("target type: ").map_or(said, |(_, said)| said);
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    let (path, said) = match said.split_once(": ") {
        Some((path, said)) if !path.contains([' ', '`']) => (Some(path), said),
        _ => (None, said),
    };
    let (message, expected) = match said.split_once(", expected ") {
        Some((message, expected)) => (message, Some(expected)),
        None => (said, None),
    };
    let quoted = message.split('`').nth(1);
    let is = |kind: &str| message.starts_with(kind);
    let field = match (path, quoted) {
        // The path ends with the unknown name, which is no field of anything that is known.
        (Some(path), Some(_)) if is("unknown field") => Some(path.to_owned()),
        (None | Some("."), Some(name)) if is("unknown field") || is("missing field") => Some(name.to_owned()),
        (Some(path), Some(name)) if is("missing field") => Some(format!("{path}.{name}")),
        (path, _) => path.map(str::to_owned),
    };
    let known = expected.unwrap_or_default().split('`').skip(1).step_by(2);
    let near = quoted.filter(|_| is("unknown")).and_then(|name| nearest(name, known));
    Some(Mistake {
        place: None,
        field: Some(field?),
        message: message.to_owned(),
        expected: expected.map(str::to_owned),
        nearest: near.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_its_field_and_the_nearest_known_one() {
        let said = "Failed to deserialize the JSON body into the target type: policy.alfa: unknown field `alfa`, expected one \
                    of `alpha`, `max_missing` at line 1 column 20";
        let found = mistake(said).unwrap();
        assert_eq!(found.field.as_deref(), Some("policy.alfa"));
        assert_eq!(
            (found.message.as_str(), found.nearest.as_deref()),
            ("unknown field `alfa`", Some("alpha"))
        );
        assert_eq!(found.expected.as_deref(), Some("one of `alpha`, `max_missing`"));
        let found = mistake(
            "target type: role: unknown variant `admn`, expected `admin` or `viewer` at line 1 column 2",
        );
        let found = found.unwrap();
        assert_eq!((found.field.as_deref(), found.nearest.as_deref()), (Some("role"), Some("admin")));
    }

    #[test]
    fn what_is_missing_and_of_another_type_is_told_with_its_field() {
        let of = |said: &str| mistake(said).and_then(|found| found.field);
        assert_eq!(of("target type: missing field `name` at line 1 column 2").as_deref(), Some("name"));
        assert_eq!(of("target type: a.b: missing field `c` at line 1 column 2").as_deref(), Some("a.b.c"));
        let found = mistake(
            "target type: weights_bp[0]: invalid value: integer `70000`, expected u16 at line 1 column 9",
        );
        let found = found.unwrap();
        assert_eq!((found.field.as_deref(), found.expected.as_deref()), (Some("weights_bp[0]"), Some("u16")));
        assert_eq!(mistake("invalid type: sequence, expected struct X"), None);
    }
}
