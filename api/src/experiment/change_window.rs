//! Times at which something may change by itself: hours of days of the week, in somebody's time zone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stretch of a day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWindow {
    /// The days on which it opens; all, if none is named.
    #[serde(default)]
    pub days: Vec<Day>,
    /// Time at which it opens, `HH:MM`.
    #[schema(example = "09:00")]
    pub from: String,
    /// Time at which it closes, `HH:MM`; at or before `from` it is the next day's.
    #[schema(example = "16:30")]
    pub to: String,
    /// By whose clock: a name of the IANA time zone database.
    #[serde(default = "utc")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are known")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
