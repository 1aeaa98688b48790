//! Reasons for which a call has no document for an answer, as a person reads them.

use std::error::Error as StdError;

use serde_json::Value;

/// Reason for which a call has no document for an answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address is none.
    #[error("{0:?} is not the address of a control plane (expected http://host:port or https://host:port)")]
    Address(String),
    /// The server cannot be reached.
    #[error("cannot reach {server}: {why}")]
    Unreachable {
        /// Address of the server.
        server: String,
        /// Innermost cause.
        why: String,
    },
    /// One end speaks TLS and the other does not.
    #[error("{}", crossed(server, *speaks_tls))]
    Crossed {
        /// Address of the server.
        server: String,
        /// True if it is the server that speaks TLS.
        speaks_tls: bool,
    },
    /// The connection broke within an answer.
    #[error("the answer of {server} broke off: {why}")]
    Broken {
        /// Address of the server.
        server: String,
        /// Innermost cause.
        why: String,
    },
    /// No answer in time.
    #[error("{0} gave no answer within 30 s")]
    TooLate(String),
    /// The answer is not what a control plane answers.
    #[error("the answer of {server} is not a control plane's: {what}")]
    Answer {
        /// Address of the server.
        server: String,
        /// Mistake in the answer.
        what: String,
    },
    /// The control plane refuses.
    #[error("{}", refusal(*status, body))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Body: a problem document (RFC 9457) as a rule.
        body: Vec<u8>,
    },
}

impl Error {
    /// Tells whether the same may be answered later: nobody was there, or could take anything now.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::TooLate(_) => true,
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            Self::Address(_) | Self::Crossed { .. } | Self::Answer { .. } => false,
        }
    }

    /// [`Error::Unreachable`].
    pub(crate) fn unreachable(server: &str, error: &reqwest::Error) -> Self {
        Self::Unreachable { server: server.to_owned(), why: innermost(error) }
    }

    /// [`Error::Refused`], by a problem that came after the answer's head.
    pub(crate) fn problem(document: String) -> Self {
        let known = serde_json::from_str::<Value>(&document).ok();
        let status = known.and_then(|problem| problem["status"].as_u64()?.try_into().ok());
        Self::Refused { status: status.unwrap_or(500), body: document.into_bytes() }
    }

    /// [`Error::Broken`].
    pub(crate) fn broken(server: &str, error: &reqwest::Error) -> Self {
        Self::Broken { server: server.to_owned(), why: innermost(error) }
    }
}

fn crossed(server: &str, speaks_tls: bool) -> String {
    match server.split_once("://") {
        Some((_, rest)) if speaks_tls => {
            format!(
                "cannot reach {server}: there is a server that speaks TLS, and http:// goes without; say https://{rest}"
            )
        }
        Some((_, rest)) => format!(
            "cannot reach {server}: there is a server that speaks no TLS, and https:// needs it; say http://{rest}, or have the \
             control plane serve TLS (--tls-cert and --tls-key)"
        ),
        None => server.to_owned(),
    }
}

/// The innermost cause, which is the one that a person can act on.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A refusal in lines: what, then each mistake with its place, what was expected and what was probably meant.
fn refusal(status: u16, body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return format!("{status}: {}", String::from_utf8_lossy(body));
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut lines = text(&problem["detail"]).unwrap_or_else(|| status.to_string());
    let only = problem["errors"].as_array().is_some_and(|errors| errors.len() == 1);
    for mistake in problem["errors"].as_array().into_iter().flatten() {
        let place = match (mistake["line"].as_u64(), mistake["column"].as_u64(), text(&mistake["field"])) {
            (Some(line), Some(column), Some(field)) => format!("{field} {line}:{column}"),
            (Some(line), Some(column), None) => format!("{line}:{column}"),
            (_, _, Some(field)) => field,
            _ => String::new(),
        };
        let said = format!("{place}: {}", text(&mistake["message"]).unwrap_or_default());
        if !only || !lines.starts_with(&said) {
            lines += &format!("\n  {said}");
        }
        if let Some(expected) =
            text(&mistake["expected"]).filter(|expected| !only || !lines.contains(expected))
        {
            lines += &format!("\n    expected: {expected}");
        }
        if let Some(nearest) = text(&mistake["nearest"]) {
            lines += &format!("\n    did you mean {nearest:?}?");
        }
    }
    lines
}
