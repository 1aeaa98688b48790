//! `/api/v1/enrollment-tokens`: what lets agents in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// The one word that a number of uses can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Any number of agents.
    Unlimited,
}

/// Number of agents that a token lets in: from 1, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum MaxUses {
    /// So many.
    Times(u32),
    /// Any number.
    Word(Word),
}

impl<'de> Deserialize<'de> for MaxUses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value == "unlimited" {
            return Ok(Self::Word(Word::Unlimited));
        }
        let times = value.as_u64().and_then(|times| u32::try_from(times).ok()).filter(|times| *times > 0);
        let wrong =
            || de::Error::custom(format!("max_uses is a number from 1, or \"unlimited\", not {value}"));
        times.map(Self::Times).ok_or_else(wrong)
    }
}

impl From<Option<u32>> for MaxUses {
    fn from(most: Option<u32>) -> Self {
        most.map_or(Self::Word(Word::Unlimited), Self::Times)
    }
}

/// A token to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Labels that it gives to agents; these beat those of an agent's own file.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Time for which it is valid, as `30m`, `24h`, `7d`; a day if not given, a year at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// Number of agents that it lets in; one if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<MaxUses>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrollmentToken {
    /// Its public part.
    pub id: String,
    /// Labels that it gives to agents.
    pub labels: BTreeMap<String, String>,
    /// Number of agents that it lets in.
    pub max_uses: MaxUses,
    /// Number of agents that it has let in.
    pub uses: u32,
    /// Person who made it.
    pub created_by: Uuid,
    /// Time.
    pub created_at: Timestamp,
    /// Time from which on it lets nobody in.
    pub expires_at: Timestamp,
    /// Time at which somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A token just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// Facts about the token.
    #[serde(flatten)]
    pub about: EnrollmentToken,
    /// The whole token, for the agent's `token_file`. It is shown this once.
    pub token: String,
}

/// Without what is secret.
impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("about", &self.about).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_of_uses_is_from_one_or_a_word() {
        for (text, uses) in [(json!(5), MaxUses::Times(5)), (json!("unlimited"), None.into())] {
            assert_eq!(MaxUses::deserialize(&text).unwrap(), uses);
            assert_eq!(serde_json::to_value(uses).unwrap(), text);
        }
        for wrong in [json!(0), json!("many"), json!(-1), json!(1.5), json!(null)] {
            let why = MaxUses::deserialize(&wrong).unwrap_err().to_string();
            assert!(why.ends_with(&format!("a number from 1, or \"unlimited\", not {wrong}")), "{why}");
        }
    }
}
