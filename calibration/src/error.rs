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
    /// The inference refused a window.
    #[error(transparent)]
    Block(#[from] drift::BlockError),
    /// The inference refused a host or a block.
    #[error(transparent)]
    Fleet(#[from] drift::FleetError),
    /// The inference refused its own evidence.
    #[error(transparent)]
    Ebh(#[from] drift::EbhError),
}
