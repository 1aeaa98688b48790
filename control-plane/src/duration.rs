//! Durations in JSON, as people write them: `10s`, `1m 30s`, `250ms`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer, de};

/// Writes one.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// Reads one.
///
/// # Errors
/// A text that is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| de::Error::custom(format!("{text:?} is no duration: {error}")))
}

/// One that may be missing.
pub mod option {
    use super::{Deserializer, Duration, Serializer, de};
    use serde::Deserialize as _;

    /// Writes one.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// A text that is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let read = |text: String| {
            humantime::parse_duration(&text)
                .map_err(|error| de::Error::custom(format!("{text:?} is no duration: {error}")))
        };
        text.map(read).transpose()
    }
}
