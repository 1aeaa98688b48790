//! Mistakes in a specification: all of them at once, so that who wrote it mends them in one go.

use std::fmt;

use pipelines::yaml::Problems;
use thiserror::Error;

use crate::refusal::Refusal;

/// Mistake in a specification.
#[derive(Debug, Error)]
pub enum Invalid {
    /// A pipeline.
    #[error("{0}")]
    Pipeline(#[from] Problems),
    /// A field.
    #[error("{field}: {message}; expected {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Mistake in it.
        message: String,
        /// Expected value.
        expected: &'static str,
    },
    /// Several, of which none follows from another.
    #[error("{}", Listed(.0))]
    Several(Vec<Invalid>),
}

struct Listed<'a>(&'a [Invalid]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Pipeline(problems) => {
                let field = problems.file.clone();
                Self::from(problems).in_text_of(&field)
            }
            Invalid::Field { field, message, expected } => Self::invalid_field(field, message, expected),
            Invalid::Several(all) => Self::together(all.into_iter().map(Self::from).collect()),
        }
    }
}

/// A field that is wrong.
pub fn field(field: &'static str, message: impl Into<String>, expected: &'static str) -> Invalid {
    Invalid::Field { field, message: message.into(), expected }
}

/// Mistakes that were found so far.
#[derive(Default)]
pub struct Mistakes(Vec<Invalid>);

impl Mistakes {
    /// Keeps a mistake; what was found where there is none.
    pub fn keep<T, E: Into<Invalid>>(&mut self, found: Result<T, E>) -> Option<T> {
        found.map_err(|wrong| self.0.push(wrong.into())).ok()
    }

    /// Notes a mistake if there is one.
    pub fn unless(&mut self, is_right: bool, wrong: impl FnOnce() -> Invalid) {
        if !is_right {
            self.note(wrong());
        }
    }

    /// Notes a mistake.
    pub fn note(&mut self, wrong: Invalid) {
        self.0.push(wrong);
    }

    /// Tells whether nothing was wrong so far.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as one.
    ///
    /// # Errors
    /// Any mistake.
    pub fn end(mut self) -> Result<(), Invalid> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(Invalid::Several(self.0)),
        }
    }
}
