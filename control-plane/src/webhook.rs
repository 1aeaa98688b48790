//! Messages to webhooks: which events there are, the two forms of a message, and its signature.
//!
//! Signatures, headers and the form `json` are those of Standard Webhooks 1.0, so that its libraries verify them: the secret is
//! `whsec_` and the key in base64, and `v1` is HMAC-SHA256 over the message's id, the seconds of the attempt and the body.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use crate::clock::{Entropy, UnixMillis};

/// Begin of the names of what happens to an experiment.
pub const OF_EXPERIMENT: &str = "experiment.";
/// Event by which somebody tries a webhook, which every one of them is told.
pub const PING: &str = "webhook.ping";
/// Event by which a webhook is told the end of the audit chain, so that it is kept outside the database. It comes as often as
/// things change, and only to who names it.
pub const ANCHOR: &str = "audit.anchor";
/// All events but that one.
pub const ALL: &str = "*";

/// Events that a webhook may be told.
pub const EVENTS: [&str; 28] = [
    "experiment.create",
    "experiment.replace",
    "experiment.schedule",
    "experiment.unschedule",
    "experiment.start_refused",
    "experiment.start",
    "experiment.applied",
    "experiment.wave",
    "experiment.verdict",
    "experiment.advance",
    "experiment.pause",
    "experiment.resume",
    "experiment.approve",
    "experiment.stop",
    "experiment.conclude",
    "experiment.judge",
    "experiment.promote",
    "experiment.refused",
    "experiment.taken",
    "experiment.rollback",
    "experiment.fail",
    "experiment.cancel",
    "tenant.freeze",
    "tenant.unfreeze",
    "agent.missing",
    "agent.back",
    "agent.archive",
    ANCHOR,
];

/// The most bytes of a message's data; past it, its detail is left out.
const LARGEST: usize = 64 << 10;
/// The most sentences of a text.
const SENTENCES: usize = 5;
/// The most characters of a text.
const LONGEST_TEXT: usize = 3_000;

const SECRET: &str = "whsec_";
const KEY: usize = 32;

/// A secret by chance.
pub fn secret(entropy: &Entropy) -> String {
    format!("{SECRET}{}", STANDARD.encode(entropy.bytes::<KEY>()))
}

/// Message about an event, in the form `json`.
pub fn message(event: &str, at: UnixMillis, about: Value, detail: &Value) -> Value {
    let mut data = about;
    data["detail"] = detail.clone();
    let message = json!({ "type": event, "timestamp": at, "data": data });
    if message.to_string().len() <= LARGEST {
        return message;
    }
    data["detail"] =
        json!({ "left_out": format!("it has more than {LARGEST} bytes; the control plane has it") });
    json!({ "type": event, "timestamp": at, "data": data })
}

/// Headers of an attempt to send a body; nothing where the secret is none.
pub fn headers(
    secret: &str,
    id: &str,
    now: UnixMillis,
    body: &str,
) -> Option<[(&'static str, HeaderValue); 3]> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET)?).ok()?;
    let seconds = now.seconds();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(signature));
    let value = |text: &str| HeaderValue::try_from(text).ok();
    Some([
        ("webhook-id", value(id)?),
        ("webhook-timestamp", HeaderValue::from(seconds)),
        ("webhook-signature", value(&signature)?),
    ])
}

/// The message in the form `slack`.
pub fn slack(message: &Value) -> Value {
    let data = &message["data"];
    let event = message["type"].as_str().unwrap_or_default();
    let detail = &data["detail"];
    let mut text = match (event, data["experiment"]["name"].as_str()) {
        (PING, _) => "This webhook of Phoenix works.".to_owned(),
        (_, Some(name)) => {
            let what = event.strip_prefix(OF_EXPERIMENT).unwrap_or(event);
            format!("Experiment {name}: {what}")
        }
        (_, None) => event.to_owned(),
    };
    if let Some(verb) = detail["verb"].as_str() {
        text += &format!(" {verb}");
    }
    if let (Some(from), Some(to)) = (detail["from"].as_str(), detail["to"].as_str()) {
        text += &format!(" ({from} → {to})");
    }
    if let Some(outcome) = detail["outcome"].as_str() {
        text += &format!(", {outcome}");
    }
    let reasons = detail["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sentences = reasons.iter().filter_map(|reason| reason["sentence"].as_str());
    for sentence in sentences.chain(detail["sentence"].as_str()).take(SENTENCES) {
        text += &format!("\n• {sentence}");
    }
    if reasons.len() > SENTENCES {
        text += &format!("\n• and {} more", reasons.len() - SENTENCES);
    }
    let text: String = text.chars().take(LONGEST_TEXT).collect();
    // Names and sentences are other people's: none of them makes a link or calls a channel.
    json!({ "text": text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, whose signature its reference libraries give.
    #[test]
    fn a_signature_is_the_one_of_standard_webhooks() {
        let secret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
        let body = r#"{"event_type":"ping","data":{"success":true}}"#;
        let at = UnixMillis(1_731_705_121_000);
        let headers = headers(secret, "msg_loFOjxBNrRLzqYUf", at, body).unwrap();
        assert_eq!(headers[2].1, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
        assert_eq!(
            (&headers[0].1, &headers[1].1),
            (&"msg_loFOjxBNrRLzqYUf".parse().unwrap(), &1_731_705_121.into())
        );
        assert!(super::headers("hush", "a", at, body).is_none());
    }

    #[test]
    fn a_message_for_slack_says_what_happened_and_why_and_makes_no_links() {
        let detail = json!({ "verb": "hold", "reasons": [{ "sentence": "<!channel> & more" }] });
        let about = json!({ "experiment": { "name": "a" } });
        let told = message("experiment.verdict", UnixMillis(0), about.clone(), &detail);
        let text = "Experiment a: verdict hold\n• &lt;!channel&gt; &amp; more";
        assert_eq!(slack(&told), json!({ "text": text }));
        let detail = json!({ "from": "running", "to": "completed", "outcome": "promoted", "reasons": null });
        let told = message("experiment.promote", UnixMillis(0), about, &detail);
        assert_eq!(slack(&told)["text"], "Experiment a: promote (running → completed), promoted");
    }

    #[test]
    fn a_message_is_bounded() {
        let message = message("experiment.verdict", UnixMillis(0), json!({}), &json!("a".repeat(1 << 20)));
        assert!(message.to_string().len() < 1_000 && message["data"]["detail"]["left_out"].is_string());
    }
}
