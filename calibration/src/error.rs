//! Reason for which a simulation cannot be run.

/// See the module.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A parameter that no fleet has.
    #[error("{name}: expected {expected}, found {found}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its range.
        expected: &'static str,
        /// Value that came.
        found: f64,
    },
    /// The inference refused a window of the mirror step.
    #[error(transparent)]
    Block(#[from] drift::BlockError),
    /// The inference refused a window after it.
    #[error(transparent)]
    Guard(#[from] drift::GuardError),
}
