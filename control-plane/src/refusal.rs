//! Refusals: reasons for which something is not done, as every surface tells them.
//!
//! A refusal says what was wrong and what would have been right. What failed inside is logged here, once, and told to
//! nobody outside. REST makes a problem document of it (`http`), gRPC a status (`grpc`).

use std::fmt;

use pipelines::yaml::Problems;

/// One mistake in what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line and column in characters, both from 1, where it is in a text.
    pub place: Option<(u32, u32)>,
    /// The field of the request; with a place, the field whose text has it.
    pub field: Option<String>,
    /// Mistake in words.
    pub message: String,
    /// Expected value.
    pub expected: Option<String>,
    /// The known name nearest to the unknown one.
    pub nearest: Option<String>,
}

/// Reason for which something is not done, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody, or nobody any more.
    Unauthenticated(String),
    /// Known, but not allowed.
    Forbidden(String),
    /// Not there, or somebody else's, which is the same.
    NotFound(String),
    /// Not in this state.
    Conflict(String),
    /// There is one of this name.
    Exists(String),
    /// Not the one any more that who asks has read.
    Changed(String),
    /// Understood, and wrong.
    Invalid {
        /// All of it in a sentence.
        detail: String,
        /// Each mistake with its place; may be empty.
        mistakes: Vec<Mistake>,
    },
    /// Too often.
    TooMany {
        /// Limit that was passed.
        detail: String,
        /// Seconds after which it may go well.
        retry_after: u64,
    },
    /// Not now; a second later it may go well.
    Unavailable(String),
    /// Our fault. The error is in the log.
    Internal,
}

impl Refusal {
    /// Nobody: no token came.
    pub fn unauthenticated() -> Self {
        let said = "a bearer token is needed, and none was sent: log in (`phoenix login`), or send an API key (the variable \
                    PHOENIX_API_KEY of `phoenix`)";
        Self::Unauthenticated(said.to_owned())
    }

    /// Known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::Forbidden(detail.into())
    }

    /// There is no `what` of this name.
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::NotFound(format!("there is no {what} {name}"))
    }

    /// Not in this state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict(detail.into())
    }

    /// There is one of this name.
    pub fn exists(detail: impl Into<String>) -> Self {
        Self::Exists(detail.into())
    }

    /// Lets a change through that is about the version that there is, or about any.
    ///
    /// # Errors
    /// Changed, for another version.
    pub fn unless_at(what: impl fmt::Display, version: i64, asked: Option<i64>) -> Result<(), Self> {
        match asked.filter(|asked| *asked != version) {
            None => Ok(()),
            Some(asked) => {
                Err(Self::Changed(format!("{what} is at version {version}, not {asked}; read it again")))
            }
        }
    }

    /// Understood, and wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid { detail: detail.into(), mistakes: Vec::new() }
    }

    /// One field of the request is wrong.
    pub fn invalid_field(field: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        let message = message.into();
        let detail = format!("{field}: {message}");
        let field = Some(field.to_owned());
        let mistake = Mistake { place: None, field, message, expected: Some(expected.into()), nearest: None };
        Self::Invalid { detail, mistakes: vec![mistake] }
    }

    /// Several refusals of one request as one: all mistakes of it, or else the first that is about more than what was sent.
    #[must_use]
    pub fn together(mut all: Vec<Self>) -> Self {
        if let Some(other) = all.iter().position(|one| !matches!(one, Self::Invalid { .. })) {
            return all.swap_remove(other);
        }
        if all.len() == 1 {
            return all.swap_remove(0);
        }
        let mistakes: Vec<Mistake> = all.into_iter().flat_map(Self::into_mistakes).collect();
        Self::Invalid { detail: format!("the request has {} mistakes", mistakes.len()), mistakes }
    }

    /// The same, whose mistakes in a text are in the text of this field.
    #[must_use]
    pub fn in_text_of(mut self, field: &str) -> Self {
        if let Self::Invalid { mistakes, .. } = &mut self {
            for mistake in mistakes.iter_mut().filter(|mistake| mistake.field.is_none()) {
                mistake.field = Some(field.to_owned());
            }
        }
        self
    }

    fn into_mistakes(self) -> Vec<Mistake> {
        match self {
            Self::Invalid { mistakes, .. } if !mistakes.is_empty() => mistakes,
            other => {
                let message = other.detail().to_owned();
                vec![Mistake { place: None, field: None, message, expected: None, nearest: None }]
            }
        }
    }

    /// Too often: it may go well after so many seconds, one at least.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Self {
        Self::TooMany { detail: detail.into(), retry_after: retry_after.max(1) }
    }

    /// Not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable(detail.into())
    }

    /// Our fault. Logs the error.
    pub fn internal(error: impl fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        Self::Internal
    }

    /// The refusal in a sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Unauthenticated(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::Exists(detail)
            | Self::Changed(detail)
            | Self::Invalid { detail, .. }
            | Self::TooMany { detail, .. }
            | Self::Unavailable(detail) => detail,
            Self::Internal => "the control plane failed; its log says how",
        }
    }

    /// Mistakes in what was sent, each with its place.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Invalid { mistakes, .. } => mistakes,
            _ => &[],
        }
    }

    /// Seconds after which it may go well, if it may.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after, .. } => Some(*retry_after),
            Self::Unavailable(_) => Some(1),
            _ => None,
        }
    }
}

/// Every mistake of a config, with its place.
impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        let mistake = |problem: pipelines::yaml::Problem| Mistake {
            place: Some((problem.location.line, problem.location.column)),
            field: None,
            message: problem.message,
            expected: problem.expected,
            nearest: problem.suggestion,
        };
        let mistakes: Vec<Mistake> = problems.problems.into_iter().map(mistake).collect();
        let detail = match mistakes.first() {
            Some(first) => format!("{}: {}", problems.file, first.message),
            None => format!("{} is not valid", problems.file),
        };
        Self::Invalid { detail, mistakes }
    }
}
