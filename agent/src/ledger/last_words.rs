//! Last words of a process: its last panic, kept in a file for the next start to tell.

use std::fs;
use std::path::{Path, PathBuf};

/// The most characters that are kept.
const MOST: usize = 512;

fn path(dir: &Path) -> PathBuf {
    dir.join("last-words")
}

/// Keeps each panic of this process in `dir`, the last one over those before.
pub fn keep(dir: &Path) {
    let file = path(dir);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words: String = panic.to_string().chars().take(MOST).collect();
        // A process that dies has nobody to tell that it could not say why.
        let _nobody_to_tell = fs::write(&file, words);
        before(panic);
    }));
}

/// What the last process left.
pub fn of(dir: &Path) -> Option<String> {
    let text = fs::read_to_string(path(dir)).ok()?;
    let words: String = text.trim().chars().take(MOST).collect();
    (!words.is_empty()).then_some(words)
}

/// Forgets them: they were told.
pub fn forget(dir: &Path) {
    let _kept_for_the_next = fs::remove_file(path(dir));
}
