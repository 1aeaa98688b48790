//! Quarantine between an agent and its control plane: how a refusal says that it is one, how one is lifted.
//!
//! Three contracts. The error of an OpAMP status that begins with [`QUARANTINED`] is about a content that killed the
//! agent. The sub-component [`COMPONENT`] of an agent's health has a part for each content in quarantine, by its id. A
//! custom message of [`CAPABILITY`] and kind [`LIFT`] lifts those whose ids it names, a line each.

use crate::opamp::CustomMessage;

/// Begin of the error of what is refused because it is in quarantine.
pub const QUARANTINED: &str = "quarantined: ";
/// The sub-component of an agent's health.
pub const COMPONENT: &str = "quarantine";
/// The capability of an agent whose quarantines can be lifted.
pub const CAPABILITY: &str = "io.phoenix.quarantine";
/// Kind of the message that lifts some.
pub const LIFT: &str = "lift";
/// The most ids that are looked at.
const MAX_IDS: usize = 64;

/// The message that lifts the quarantines with these ids.
#[must_use]
pub fn lift(ids: &[String]) -> CustomMessage {
    CustomMessage { capability: CAPABILITY.into(), r#type: LIFT.into(), data: ids.join("\n").into_bytes() }
}

/// Ids of the quarantines that a message lifts; nothing if it is another message.
#[must_use]
pub fn lifted(message: &CustomMessage) -> Option<Vec<String>> {
    if message.capability != CAPABILITY || message.r#type != LIFT {
        return None;
    }
    let text = std::str::from_utf8(&message.data).ok()?;
    Some(text.lines().take(MAX_IDS).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_lifted_are_read_as_they_were_written_and_other_messages_lift_nothing() {
        let ids = vec!["00".to_owned(), "ff".to_owned()];
        assert_eq!(lifted(&lift(&ids)), Some(ids.clone()));
        assert_eq!(lifted(&CustomMessage { r#type: "drop".into(), ..lift(&ids) }), None);
        assert_eq!(lifted(&CustomMessage { capability: "io.other".into(), ..lift(&ids) }), None);
        assert_eq!(lifted(&CustomMessage { data: vec![0xff], ..lift(&ids) }), None);
    }
}
