//! Mistake in the values of a template.

use std::fmt;

use serde::Serialize;

use crate::yaml::Problem;

/// One mistake in the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterProblem {
    /// The parameter, as it was named; empty where no single one is to blame.
    pub parameter: String,
    /// Mistake.
    pub message: String,
    /// Expected value, if that can be said shortly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The known name nearest to the unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl ParameterProblem {
    pub(super) fn new(parameter: &str, message: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), message: message.into(), expected: None, suggestion: None }
    }

    pub(super) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// The problem where the value was found in a template's own file.
    pub(super) fn at(self, location: crate::yaml::Location) -> Problem {
        let Self { parameter, message, expected, suggestion } = self;
        let message = if parameter.is_empty() { message } else { format!("{parameter}: {message}") };
        Problem { location, message, expected, suggestion }
    }
}

/// Everything that is wrong with the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// The mistakes, in the order of the parameters.
    pub problems: Vec<ParameterProblem>,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if !problem.parameter.is_empty() {
                write!(f, "{}: ", problem.parameter)?;
            }
            f.write_str(&problem.message)?;
            if let Some(expected) = &problem.expected {
                write!(f, "; expected: {expected}")?;
            }
            if let Some(suggestion) = &problem.suggestion {
                write!(f, "; did you mean {suggestion:?}?")?;
            }
        }
        Ok(())
    }
}
