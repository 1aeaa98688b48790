//! JSON documents on standard output, one a line: the way in which subcommands talk to the program that started them.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

/// Exit code of a program whose reader went, as a shell shows it: 128 and the number of SIGPIPE.
const READER_GONE: u8 = 141;

/// Standard output takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct Unwritten(#[from] std::io::Error);

/// Writes one document and its line's end, and flushes: whoever reads the other end of the pipe is waiting.
pub fn say(document: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(&line).and_then(|()| out.flush()).map_err(Unwritten)?)
}

/// Writes text as it is, and flushes.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Unwritten)?)
}

/// Writes a sentence beside what is printed, to standard error.
pub fn note(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("cannot write to standard error")
}

/// Writes text and a line's end, and flushes.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Unwritten)?)
}

/// Writes a line of the program itself to standard error. Where nobody reads that, it goes unsaid.
pub fn tell(text: &str) {
    _ = writeln!(std::io::stderr().lock(), "phoenix: {text}");
}

/// Exit code of a command that failed with `error`, once that is told. Nothing is told where its reader went, as `head` does.
pub fn failed(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    let gone = |Unwritten(error): &Unwritten| error.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(gone) {
        return ExitCode::from(READER_GONE);
    }
    tell(&format!("{error:#}"));
    code
}
