//! Conditions: from text to something that can be asked about every row.

use crate::yaml::{Located, Location, Problem};

use super::check::Checker;
use super::context::{Context, Level, Place, Style};
use super::eval::{Evaluated, Row};
use super::expr::Predicate;
use super::parse;

/// A condition that was checked against the context it stands in.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    location: Location,
    predicate: Predicate,
    level: Level,
}

impl Condition {
    /// Checks a condition.
    ///
    /// # Errors
    /// The first syntax error, or every path, function and argument that is wrong, each with its place.
    pub fn compile(text: &Located, context: Context, style: Style) -> Result<Self, Vec<Problem>> {
        let parsed = parse::condition(text.text()).map_err(|error| vec![error.problem(text)])?;
        let mut checker = Checker { text, context, style, place: Place::Condition, problems: Vec::new() };
        let predicate = checker.boolean(&parsed);
        match predicate {
            Some(predicate) if checker.problems.is_empty() => {
                let level = predicate.level();
                Ok(Self { text: text.text().to_owned(), location: text.start(), predicate, level })
            }
            _ => Err(checker.problems),
        }
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it was written.
    pub fn location(&self) -> Location {
        self.location
    }

    /// How often it has to be evaluated.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it holds for a row.
    ///
    /// # Errors
    /// What it asks cannot be answered: arithmetic with text, an index past the end, a division by zero.
    pub fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        self.predicate.holds(row)
    }
}
