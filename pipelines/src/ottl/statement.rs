//! Statements: an editor, and the condition under which it runs.

use crate::aggregate::Aggregation;
use crate::cost::Allowance;
use crate::ottl::check::Checker;
use crate::ottl::check::call::Call;
use crate::ottl::check::expr::Predicate;
use crate::ottl::context::{Context, Level, Place, Style};
use crate::ottl::editors::Work;
use crate::ottl::functions::{Kind, Preparation};
use crate::ottl::run::eval::{Evaluated, Row};
use crate::ottl::syntax::parse;
use crate::yaml::{Located, Location, Problem};

/// A statement that was checked against the context it stands in.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    location: Location,
    editor: Call,
    condition: Option<(Predicate, Level)>,
}

impl Statement {
    /// Function by which it merges points, if it does.
    pub(crate) fn aggregation(&self) -> Option<Aggregation> {
        match self.editor.prepared {
            Preparation::Aggregation(function) => Some(function),
            _ => None,
        }
    }

    /// Checks a statement.
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
        let parsed = parse::statement(text.text()).map_err(|error| vec![error.problem(text)])?;
        let mut checker =
            Checker { text, allowance, context, style, place: Place::Statement, problems: Vec::new() };
        let editor = checker.call(&parsed.editor);
        let condition = parsed.condition.as_ref().map(|condition| checker.boolean(condition));
        match (editor, condition) {
            (Some(editor), None) if checker.problems.is_empty() => Ok(Self::new(text, editor, None)),
            (Some(editor), Some(Some(condition))) if checker.problems.is_empty() => {
                Ok(Self::new(text, editor, Some(condition)))
            }
            _ => Err(checker.problems),
        }
    }

    fn new(text: &Located, editor: Call, condition: Option<Predicate>) -> Self {
        let condition = condition.map(|condition| {
            let level = condition.level();
            (condition, level)
        });
        Self { text: text.text().to_owned(), location: text.start(), editor, condition }
    }

    /// The statement as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the place where it was written.
    pub fn location(&self) -> Location {
        self.location
    }

    /// Returns the level of its condition, if it has one and nothing that it reads is changed meanwhile.
    pub(crate) fn asks(&self) -> Option<Level> {
        self.condition.as_ref().map(|(_, level)| *level)
    }

    /// Returns whether its editor matches a pattern.
    pub(crate) fn has_pattern(&self) -> bool {
        matches!(
            self.editor.prepared,
            Preparation::Pattern(_)
                | Preparation::Brought(_)
                | Preparation::Replace(_)
                | Preparation::Grok(_)
        )
    }

    /// The widest rows that running it may change: conditions that read those or wider ones must be asked again.
    pub(crate) fn changes(&self) -> Level {
        let target = self.editor.target(0).ok();
        match target.map(|target| target.field.level()) {
            Some(level) => level,
            // An editor without a target changes its metric, or adds some.
            None => Level::Metric,
        }
    }

    /// Returns whether its condition holds.
    pub(crate) fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        match &self.condition {
            None => Ok(true),
            Some((condition, _)) => condition.holds(row),
        }
    }

    /// Runs the editor.
    pub(crate) fn run(&self, work: &mut Work<'_>) -> Evaluated<()> {
        match self.editor.signature.kind {
            Kind::Editor(run) => run(&self.editor, work),
            Kind::Converter(_) => Ok(()),
        }
    }
}
