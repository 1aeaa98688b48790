//! Preview between an agent and its control plane: how a candidate is tried on the last requests, and what is answered.
//!
//! Custom messages of [`CAPABILITY`], which an agent that knows them says it has: one of kind [`ASK`] asks, one of kind [`ANSWER`]
//! answers, and one of kind [`STOP`] says that nobody waits for that any more, which earlier releases do not know and pass over.
//! What is answered is bounded as a report is, and is read as strictly.

use std::time::Duration;

use observe::Comparison;
use prost::Message as _;

use crate::opamp::CustomMessage;
use crate::report::{Invalid, MAX_BODY, number, read_comparison};
use crate::v1::{self, PreviewState};

/// The capability of an agent that runs previews.
pub const CAPABILITY: &str = "io.phoenix.preview";
/// Kind of the message that asks for one.
const ASK: &str = "ask";
/// Kind of the message that answers.
const ANSWER: &str = "answer";
/// Kind of the message that stops one.
const STOP: &str = "stop";
/// The most characters of a reason that are read.
const MAX_WHY: usize = 2_000;

/// Question to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRequest {
    /// Id of the preview.
    pub id: String,
    /// The body of a generation: its candidate, and what is measured.
    pub body: String,
    /// Time after which nobody waits for the answer any more.
    pub patience: Duration,
}

/// Requests that an agent had kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Number of requests.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Time from the first to the last, seconds.
    pub seconds: f64,
    /// Number of times that at least half of the series came.
    pub scrapes: u32,
}

/// Outcome of a preview on an agent. Reasons are for a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Previewed {
    /// Comparison of both pipelines.
    Measured(Box<Comparison>),
    /// Nothing: what was kept does not tell it.
    NotMeasured(String),
    /// The node's owner, or the agent's checks, do not let the candidate run.
    Refused(String),
    /// It may be asked again.
    Busy(String),
    /// The candidate failed.
    Failed(String),
}

/// Answer of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewAnswer {
    /// Id of the preview.
    pub id: String,
    /// Requests that it is about.
    pub stretch: Stretch,
    /// Outcome of it.
    pub previewed: Previewed,
}

impl PreviewRequest {
    /// The message that asks.
    #[must_use]
    pub fn message(&self) -> CustomMessage {
        let Self { id, body, patience } = self.clone();
        let patience_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        message(ASK, v1::PreviewRequest { id, body, patience_ms }.encode_to_vec())
    }

    /// Question of a message; nothing if it is another message.
    #[must_use]
    pub fn of(message: &CustomMessage) -> Option<Self> {
        let data = data(message, ASK)?;
        let v1::PreviewRequest { id, body, patience_ms } = v1::PreviewRequest::decode(data).ok()?;
        Some(Self { id, body, patience: Duration::from_millis(patience_ms.into()) })
    }
}

impl PreviewAnswer {
    /// The message that answers.
    #[must_use]
    pub fn message(&self) -> CustomMessage {
        message(ANSWER, self.encode())
    }

    /// The answer as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { id, stretch, previewed } = self;
        let Stretch { batches, bytes, seconds, scrapes } = *stretch;
        let (state, why, comparison) = match previewed {
            Previewed::Measured(comparison) => {
                (PreviewState::Measured, "", Some(v1::Comparison::from(&**comparison)))
            }
            Previewed::NotMeasured(why) => (PreviewState::NotMeasured, why.as_str(), None),
            Previewed::Refused(why) => (PreviewState::Refused, why.as_str(), None),
            Previewed::Busy(why) => (PreviewState::Busy, why.as_str(), None),
            Previewed::Failed(why) => (PreviewState::Failed, why.as_str(), None),
        };
        let why = why.chars().take(MAX_WHY).collect();
        let (id, state) = (id.clone(), state.into());
        v1::PreviewAnswer { id, state, why, batches, bytes, seconds, scrapes, comparison }.encode_to_vec()
    }

    /// Bytes of the answer in a message; nothing if it is another message.
    #[must_use]
    pub fn bytes_of(message: &CustomMessage) -> Option<&[u8]> {
        data(message, ANSWER)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() > MAX_BODY {
            return Err(Invalid::Size(bytes.len()));
        }
        let read = v1::PreviewAnswer::decode(bytes).map_err(|error| Invalid::Encoding(error.to_string()))?;
        if !read.seconds.is_finite() || read.seconds < 0.0 {
            return Err(Invalid::Value("a stretch takes a number of seconds, 0 or more"));
        }
        let (state, why) = (read.state(), read.why.chars().take(MAX_WHY).collect());
        let previewed = match state {
            PreviewState::Measured => {
                let comparison = read.comparison.ok_or(Invalid::Value("the comparison is missing"))?;
                Previewed::Measured(Box::new(read_comparison(comparison)?))
            }
            PreviewState::NotMeasured => Previewed::NotMeasured(why),
            PreviewState::Refused => Previewed::Refused(why),
            PreviewState::Busy => Previewed::Busy(why),
            PreviewState::Failed => Previewed::Failed(why),
            PreviewState::Unspecified => return Err(Invalid::Value("the state of the preview is unknown")),
        };
        let (batches, bytes) = (number(read.batches)?, number(read.bytes)?);
        let stretch = Stretch { batches, bytes, seconds: read.seconds, scrapes: read.scrapes };
        Ok(Self { id: read.id, stretch, previewed })
    }
}

/// The message that nobody waits for a preview any more.
#[must_use]
pub fn stop(id: String) -> CustomMessage {
    message(STOP, v1::PreviewStop { id }.encode_to_vec())
}

/// Id of the preview that a message stops; nothing if it is another message.
#[must_use]
pub fn stopped(message: &CustomMessage) -> Option<String> {
    Some(v1::PreviewStop::decode(data(message, STOP)?).ok()?.id)
}

fn message(kind: &str, data: Vec<u8>) -> CustomMessage {
    CustomMessage { capability: CAPABILITY.into(), r#type: kind.into(), data }
}

fn data<'a>(message: &'a CustomMessage, kind: &str) -> Option<&'a [u8]> {
    (message.capability == CAPABILITY && message.r#type == kind).then_some(message.data.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(previewed: Previewed) -> PreviewAnswer {
        let stretch = Stretch { batches: 7, bytes: 1_024, seconds: 60.5, scrapes: 3 };
        PreviewAnswer { id: "one".to_owned(), stretch, previewed }
    }

    #[test]
    fn what_is_asked_is_read_as_it_was_written_and_another_message_asks_nothing() {
        let patience = Duration::from_secs(15);
        let asked = PreviewRequest { id: "one".into(), body: "{}".into(), patience };
        assert_eq!(PreviewRequest::of(&asked.message()), Some(asked.clone()));
        assert_eq!(PreviewRequest::of(&CustomMessage { r#type: "lift".into(), ..asked.message() }), None);
        assert_eq!(PreviewRequest::of(&CustomMessage { data: vec![0xff], ..asked.message() }), None);
    }

    #[test]
    fn what_is_stopped_is_read_as_it_was_written_and_asks_for_nothing() {
        let message = stop("one".to_owned());
        assert_eq!((stopped(&message), PreviewRequest::of(&message)), (Some("one".to_owned()), None));
        assert_eq!(stopped(&CustomMessage { r#type: ASK.into(), ..message.clone() }), None);
        assert_eq!(stopped(&CustomMessage { data: vec![0xff], ..message }), None);
    }

    #[test]
    fn every_outcome_is_read_as_it_was_written() {
        let why = || "for a reason".to_owned();
        for previewed in [
            Previewed::Measured(Box::new(Comparison { windows: 3, seconds: 30.0, ..Comparison::default() })),
            Previewed::NotMeasured(why()),
            Previewed::Refused(why()),
            Previewed::Busy(why()),
            Previewed::Failed(why()),
        ] {
            let answer = answer(previewed);
            let message = answer.message();
            let bytes = PreviewAnswer::bytes_of(&message).expect("an answer");
            assert_eq!(PreviewAnswer::decode(bytes), Ok(answer));
        }
    }

    #[test]
    fn an_answer_that_cannot_be_one_is_refused() {
        let written = |change: fn(&mut v1::PreviewAnswer)| {
            let encoded = answer(Previewed::Busy(String::new())).encode();
            let mut message = v1::PreviewAnswer::decode(encoded.as_slice()).expect("an answer");
            change(&mut message);
            PreviewAnswer::decode(&message.encode_to_vec())
        };
        assert!(written(|answer| answer.seconds = f64::NAN).is_err());
        assert!(written(|answer| answer.batches = u64::MAX).is_err());
        assert!(written(|answer| answer.state = 0).is_err());
        assert!(written(|answer| answer.state = PreviewState::Measured.into()).is_err(), "nothing in it");
        assert_eq!(PreviewAnswer::decode(&vec![0; MAX_BODY + 1]).map_err(|error| error.word()), Err("size"));
    }
}
