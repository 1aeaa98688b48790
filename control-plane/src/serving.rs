//! Lock of a database in a file, held by the process that serves it for as long as it lives.
//!
//! Two processes on one file would each take themselves for the only one: each would push, decide and tell by itself. The system
//! lets the lock go when its holder dies, however it dies.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use thiserror::Error;

use crate::clock::UnixMillis;

/// The most that is read of what a holder has written.
const MOST: u64 = 100;

/// The lock, as long as it is kept.
#[derive(Debug)]
pub struct Serving {
    _file: File,
}

/// Reason for which a database cannot be served.
#[derive(Debug, Error)]
pub enum NotServed {
    /// Another process has it.
    #[error(
        "another process serves it{0}. A file is served by one process alone: stop that one, or give this one a data directory of its \
         own. Several processes serve one database on PostgreSQL (--database)"
    )]
    Held(String),
    /// The lock cannot be used.
    #[error("its lock: {0}")]
    File(#[from] io::Error),
}

impl Serving {
    /// Takes the lock of a database in this file.
    ///
    /// # Errors
    /// Another process has it; the system's.
    pub fn begin(database: &Path, now: UnixMillis) -> Result<Self, NotServed> {
        let path = database.with_added_extension("serving");
        let open = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
        let mut file = open?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotServed::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        write!(file, "process {} since {now}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// Words about who has the lock, as far as that is known.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let is_read = file.take(MOST).read_to_string(&mut text).is_ok();
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    if is_read && !text.is_empty() { format!(": {text}") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_by_one_alone_and_by_the_next_once_that_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.sqlite3");
        let first = Serving::begin(&database, UnixMillis(0)).unwrap();
        let refused = Serving::begin(&database, UnixMillis(1)).unwrap_err().to_string();
        let holder = format!(": process {} since 1970-01-01T00:00:00Z.", std::process::id());
        assert!(refused.contains(&holder) && refused.contains("stop that one"), "{refused}");
        assert!(Serving::begin(&dir.path().join("b.sqlite3"), UnixMillis(1)).is_ok(), "another file");
        drop(first);
        assert!(Serving::begin(&database, UnixMillis(1)).is_ok());
    }
}
