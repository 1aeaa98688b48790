//! The real binaries, each in a process of its own.
//!
//! Every one of them prints a line of JSON with the addresses it bound, so none has to be told a port. What
//! it says on standard error goes to a file in the demo's folder. A process that ends before it is asked to
//! is an error that names it and quotes the end of that file. Each is in a process group of its own, so
//! that Ctrl-C reaches the demo alone, which then stops them in order; whatever happens, dropping kills.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Time that a process may take to bind its sockets.
const START: Duration = Duration::from_secs(30);
/// Time that it may take to end after it was asked to: an agent drains for up to 25 s.
const END: Duration = Duration::from_secs(35);
/// Bytes of standard error that an error quotes.
const QUOTED_LINES: usize = 12;

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// Name for people.
    pub name: String,
    /// Its id.
    pub pid: u32,
    child: Child,
    log: PathBuf,
}

/// The path of a binary that lies beside this one.
///
/// # Errors
/// When it is not there, with what makes it.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where this program lies")?;
    let path = this.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{name} is expected beside {} and is not there; `make demo` builds all, \
             or `cargo build --bin phoenix --bin {name}`",
            this.display()
        );
    }
    Ok(path)
}

impl Process {
    /// Starts a program with more in its environment, and waits for its line of addresses, which is returned. Its
    /// standard error goes to `{name}.log` in `folder`.
    ///
    /// # Errors
    /// When it cannot be started, or does not say within 30 s where it listens.
    pub async fn start(
        name: &str,
        program: &Path,
        args: &[String],
        env: &[(&str, &str)],
        folder: &Path,
    ) -> anyhow::Result<(Self, Value)> {
        let log = folder.join(format!("{}.log", name.replace(' ', "-")));
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(program)
            .args(args)
            // Its log is a file.
            .env("NO_COLOR", "1")
            // Nothing is named by chance: databases of others' are none of the demo's.
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_OWNER_URL")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        let stdout = child.stdout.take();
        let pid = child.id().unwrap_or_default();
        let mut process = Self { name: name.to_owned(), pid, child, log };
        let mut out = BufReader::new(stdout.context("no pipe for standard output")?);
        let mut line = String::new();
        let read = tokio::time::timeout(START, out.read_line(&mut line)).await;
        let Ok(Ok(1..)) = read else {
            return Err(process.silent().await);
        };
        let listening = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|mut value| value.get_mut("listening").map(Value::take));
        let listening = listening
            .with_context(|| format!("{name} was expected to say where it listens, and said: {line}"))?;
        // Read on, or the process would block or fail on a full or closed pipe.
        tokio::spawn(async move { tokio::io::copy(&mut out, &mut tokio::io::sink()).await });
        Ok((process, listening))
    }

    /// Reason for its silence: it ended, or it hangs.
    async fn silent(&mut self) -> anyhow::Error {
        match tokio::time::timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(Ok(status)) => self.ended(&status.to_string()),
            _ => anyhow!("{} does not say where it listens, within {START:?}{}", self.name, self.quote()),
        }
    }

    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot tell whether {} runs", self.name))? {
            None => Ok(()),
            Some(status) => Err(self.ended(&status.to_string())),
        }
    }

    fn ended(&self, status: &str) -> anyhow::Error {
        anyhow!("{} (pid {}) ended too early: {status}{}", self.name, self.pid, self.quote())
    }

    /// The end of what it said on standard error, and where all of it is.
    fn quote(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = &lines[lines.len().saturating_sub(QUOTED_LINES)..];
        if last.is_empty() {
            return format!("; it said nothing in {}", self.log.display());
        }
        let quoted: String = last.iter().map(|line| format!("\n    {line}")).collect();
        format!("; the end of {}:{quoted}", self.log.display())
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.check()?;
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} has no pid", self.name))?;
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it had ended before, does not end, or ends in failure.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(anyhow!("{} ended in failure: {status}{}", self.name, self.quote())),
            Ok(Err(error)) => Err(error).with_context(|| format!("cannot wait for {}", self.name)),
            Err(_) => Err(anyhow!("{} does not end within {END:?} and is killed{}", self.name, self.quote())),
        }
    }
}
