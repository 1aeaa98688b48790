//! JSON documents on standard output, one a line: the way in which subcommands talk to the program that started them.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

/// Writes one document and its line's end, and flushes: whoever reads the other end of the pipe is waiting.
pub fn say(document: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Writes text as it is, and flushes.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Writes a sentence beside what is printed, to standard error.
pub fn note(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("cannot write to standard error")
}

/// Writes text and a line's end, and flushes.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}
