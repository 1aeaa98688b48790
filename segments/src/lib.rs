//! A log on disk: records in numbered files of one directory, each settled by itself, found again after any damage.
//!
//! What always holds: a record is read whole or not at all; one that is damaged costs no other; a file is removed once all of
//! its records are settled; a process writes to files that it has made itself. A record that was written survives `kill -9`,
//! and a power loss as well once [`Log::sync`] has returned.

mod frame;
mod log;
mod read;
mod segment;

pub use frame::{HEADER, Mark, frame};
pub use log::{Entry, Log, LogSettings, OpenError, Seen, Stored};
pub use read::{Damage, Found, Reader, Record};
