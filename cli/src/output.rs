//! JSON documents on standard output, one a line: the way in which subcommands talk to the program that started them.

use std::cell::RefCell;
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

tokio::task_local! {
    /// What is to be shown at once, where that is gathered.
    static GATHERED: RefCell<Vec<u8>>;
}

/// Does some work, and returns its outcome and what it would have written to standard output.
pub async fn gathered<T>(work: impl Future<Output = T>) -> (T, String) {
    let work = async { (work.await, GATHERED.with(RefCell::take)) };
    let (outcome, bytes) = GATHERED.scope(RefCell::default(), work).await;
    (outcome, String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes to standard output, or to where that is gathered, and flushes.
fn write(bytes: &[u8]) -> anyhow::Result<()> {
    if GATHERED.try_with(|gathered| gathered.borrow_mut().extend_from_slice(bytes)).is_ok() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(bytes).and_then(|()| out.flush()).map_err(Unwritten)?)
}

/// Writes one document and its line's end, and flushes: whoever reads the other end of the pipe is waiting.
pub fn say(document: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    write(&line)
}

/// Writes text as it is, and flushes.
pub fn text(text: &str) -> anyhow::Result<()> {
    write(text.as_bytes())
}

/// Writes a sentence beside what is printed, to standard error.
pub fn note(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("cannot write to standard error")
}

/// Writes text and a line's end, and flushes.
pub fn line(text: &str) -> anyhow::Result<()> {
    write(format!("{text}\n").as_bytes())
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
