//! Files that the demo writes into its folder.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub fn secret_file(folder: &Path, name: &str, secret: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    let opened = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path);
    let written = opened.and_then(|mut file| file.write_all(secret.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
