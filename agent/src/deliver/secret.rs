//! Words that no message and no log shows: in the config, or in a file.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The most bytes of a file of a secret.
const MOST: u64 = 64 << 10;

/// A secret, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// The file that holds it, which may change while the agent runs.
    File(PathBuf),
}

impl Secret {
    /// The secret, as it is now, without what a text editor leaves at its end. May block.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large; says which.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => read(path),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What a file holds, without blanks around it.
///
/// # Errors
/// When it cannot be read, holds nothing or too much; says which file.
pub fn read(path: &Path) -> Result<String, String> {
    let why = |error: &dyn fmt::Display| format!("the file {}: {error}", path.display());
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    match read.map_err(|error| why(&error))? as u64 {
        read if read > MOST => Err(why(&format!("it is larger than {MOST} bytes"))),
        _ if text.trim().is_empty() => Err(why(&"it holds nothing")),
        _ => Ok(text.trim().to_owned()),
    }
}
