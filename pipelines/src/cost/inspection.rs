//! Inspection of a pipeline's components: the problems that were met, and what is left of the allowance.

use crate::ottl::Pattern;
use crate::yaml::{Located, Location, MAX_PROBLEMS, Problem, keep};

use super::Allowance;
use super::allowance::UNSEEN;

/// The problems of the components that were checked so far, with the allowance that they share.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    problems: Vec<Problem>,
    pub(crate) allowance: Allowance,
}

impl Inspection {
    /// An inspection with what is left of an allowance.
    pub(crate) fn of(allowance: Allowance) -> Self {
        Self { problems: Vec::new(), allowance }
    }

    /// Adds a problem.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Number of problems.
    pub(crate) fn len(&self) -> usize {
        self.problems.len()
    }

    /// Returns whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns whether so much is wrong that nobody would read more of it.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Returns the problems.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Takes a statement, or what counts as one; too many are reported.
    pub(crate) fn statement(&mut self, at: Location) -> Option<()> {
        let taken = self.allowance.statement();
        keep(taken.map_err(|message| Problem::new(at, message)), self)
    }

    /// Compiles a pattern; what is wrong with it is reported.
    pub(crate) fn pattern(&mut self, text: &Located) -> Option<Pattern> {
        let pattern = Pattern::located(text, &mut self.allowance);
        keep(pattern, self)
    }
}

impl Extend<Problem> for Inspection {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        // The limit that is passed is told already.
        self.problems.extend(problems.into_iter().filter(|problem| !problem.message.contains(UNSEEN)));
    }
}
