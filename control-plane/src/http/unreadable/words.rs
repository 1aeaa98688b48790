//! serde's words for values and types, as a person writes them in JSON or YAML.

/// Words for what came, which stands after `invalid type: ` and its like.
pub fn came(said: &str) -> String {
    let Some(value) = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "))
    else {
        return said.to_owned();
    };
    let value = match value {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit variant" => "a name alone".to_owned(),
        other => match other.split_once(' ') {
            Some(("string", text)) => format!("the text {text}"),
            Some(("boolean" | "integer", value)) => value.trim_matches('`').to_owned(),
            Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
            _ => other.to_owned(),
        },
    };
    format!("it is {value}")
}

/// Words for what was expected.
pub fn expected(said: &str) -> String {
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match said {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" | "string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" | "map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other if other.starts_with("string or map") || other.starts_with("enum ") => {
            "a name, or an object with one field".to_owned()
        }
        other if other.starts_with("newtype variant") || other.starts_with("struct variant") => {
            "an object with one field".to_owned()
        }
        other => other.to_owned(),
    }
}

/// The first mistake of a body, without how a Rust program calls it and where it ended to read.
pub fn first(said: &str) -> String {
    let said = said.split_once("target type: ").map_or(said, |(_, said)| said);
    said.rsplit_once(" at line ").map_or(said, |(said, _)| said).to_owned()
}
