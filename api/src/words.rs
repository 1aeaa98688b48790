//! Words on a screen: as they stand in JSON.

use std::fmt;

use serde::Serialize as _;

use crate::{DeliveryState, MaxUses, Outcome, Phase, ResultsBy, Role, SignalKind, Verb, WebhookFormat};

macro_rules! shown_as_in_json {
    ($($word:ty),*) => {
        $(impl fmt::Display for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        })*
    };
}

shown_as_in_json!(DeliveryState, MaxUses, Outcome, Phase, ResultsBy, Role, SignalKind, Verb, WebhookFormat);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_shown_as_it_is_sent() {
        assert_eq!(Outcome::RolledBack.to_string(), "rolled_back");
        assert_eq!(
            (MaxUses::from(Some(7)).to_string(), MaxUses::from(None).to_string()),
            ("7".into(), "unlimited".into())
        );
    }
}
