//! Form of a value that is kept as JSON: the value and the version of its form.
//!
//! A row says in which form it was written, so that a later release can read it and an earlier one refuses it by name
//! instead of reading half of it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;

/// Version of the forms that this binary writes. Version 1 had neither number nor frame.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<T> {
    version: u32,
    content: T,
}

/// The text of a row of `table`.
///
/// # Errors
/// [`StoreError::Row`] for a value that has no form in JSON.
pub(super) fn write(table: &'static str, content: &impl Serialize) -> Result<String, StoreError> {
    let row = Versioned { version: VERSION, content };
    serde_json::to_string(&row).map_err(|error| StoreError::row(table, error))
}

/// The value of a text of `table`.
///
/// # Errors
/// [`StoreError::Row`] for a text of a later release, and for one that is not understood.
pub(super) fn read<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    let bad = |error: serde_json::Error| StoreError::row(table, error);
    // All that this release writes: read at once, without a tree of its values between.
    if let Ok(Versioned { version: VERSION, content }) = serde_json::from_str(text) {
        return Ok(content);
    }
    let Ok(Versioned::<Value> { version, content }) = serde_json::from_str(text) else {
        return serde_json::from_str(text).map_err(bad);
    };
    if version != VERSION {
        let reason = format!("its form has version {version}; this release knows versions 1 and {VERSION}");
        return Err(StoreError::row(table, reason));
    }
    serde_json::from_value(content).map_err(bad)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_and_as_it_was_before_there_were_versions() {
        let value = vec![json!("pending"), json!({ "version": 3 })];
        let text = write("experiments", &value).unwrap();
        assert_eq!(text, r#"{"version":2,"content":["pending",{"version":3}]}"#);
        assert_eq!(read::<Vec<Value>>("experiments", &text).unwrap(), value);
        assert_eq!(read::<String>("experiments", r#""pending""#).unwrap(), "pending");
    }

    #[test]
    fn a_row_of_a_later_release_is_refused_by_its_version() {
        let refused = read::<String>("experiments", r#"{"version":3,"content":"pending"}"#).unwrap_err();
        let expected = "a row of experiments is not understood: its form has version 3; this release knows versions 1 and 2";
        assert_eq!(refused.to_string(), expected);
    }
}
