//! Conditions: from text to something that can be asked about every row.

use crate::cost::Allowance;
use crate::ottl::check::Checker;
use crate::ottl::check::expr::Predicate;
use crate::ottl::context::{Context, Level, Place, Style};
use crate::ottl::run::eval::{Evaluated, Row};
use crate::ottl::syntax::parse;
use crate::yaml::{Located, Location, Problem};

/// A condition that was checked against the context it stands in.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    location: Location,
    predicate: Predicate,
    level: Level,
    /// Number of leading operands, of which all must hold, that read nothing below the metric, and their level.
    gate: Option<(usize, Level)>,
}

impl Condition {
    /// Checks a condition.
    ///
    /// # Errors
    /// The first syntax error, or every path, function and argument that is wrong, each with its place.
    pub fn compile(
        text: &Located,
        context: Context,
        style: Style,
        allowance: &mut Allowance,
    ) -> Result<Self, Vec<Problem>> {
        allowance.statement().map_err(|message| vec![Problem::new(text.start(), message)])?;
        let parsed = parse::condition(text.text()).map_err(|error| vec![error.problem(text)])?;
        let mut checker =
            Checker { text, allowance, context, style, place: Place::Condition, problems: Vec::new() };
        let predicate = checker.boolean(&parsed);
        match predicate {
            Some(predicate) if checker.problems.is_empty() => {
                let (level, gate) = (predicate.level(), predicate.gate());
                Ok(Self { text: text.text().to_owned(), location: text.start(), predicate, level, gate })
            }
            _ => Err(checker.problems),
        }
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the place where it was written.
    pub fn location(&self) -> Location {
        self.location
    }

    /// Returns the level at which it has to be evaluated.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns whether what it says of a row depends on the time.
    pub(crate) fn asks_clock(&self) -> bool {
        self.predicate.asks_clock()
    }

    /// Returns the level of its gate, if it has one: what must hold before anything below the metric is read.
    pub(crate) fn gate(&self) -> Option<Level> {
        self.gate.map(|(_, level)| level)
    }

    /// Returns whether the gate holds for a row.
    ///
    /// # Errors
    /// As [`Self::holds`].
    pub(crate) fn gate_holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        self.part(row, true)
    }

    /// Returns whether it holds for a row whose gate does.
    ///
    /// # Errors
    /// As [`Self::holds`].
    pub(crate) fn holds_behind_gate(&self, row: &Row<'_>) -> Evaluated<bool> {
        self.part(row, false)
    }

    fn part(&self, row: &Row<'_>, before: bool) -> Evaluated<bool> {
        let (Predicate::And(operands), Some((gate, _))) = (&self.predicate, self.gate) else {
            return self.holds(row);
        };
        let (first, rest) = operands.split_at(gate.min(operands.len()));
        crate::ottl::run::eval::all(if before { first } else { rest }, row)
    }

    /// Returns whether it holds for a row.
    ///
    /// # Errors
    /// What it asks cannot be answered: arithmetic with text, an index past the end, a division by zero.
    pub fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        self.predicate.holds(row)
    }
}
