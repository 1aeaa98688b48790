//! A config, however nasty, costs at most a second and 64 MiB to read, check and build.
//!
//! Each runs on a thread with the stack of an agent's workers. Time is that of the processor, and memory the peak of the
//! process, so that neither depends on what else the machine does.

#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test; what it costs is read from /proc"
)]

mod nasty;

use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use pipelines::Batch;
use pipelines::config::CollectorFile;
use pipelines::cost::Allowance;
use pipelines::processors::Pipeline;

/// Memory that a config may take, in kilobytes.
const MEMORY: u64 = 64 << 10;
/// Stack of a worker of an agent; without optimization, frames are several times as large.
const STACK: usize = if cfg!(debug_assertions) { 4 << 20 } else { 1 << 20 };
/// Processor time; without optimization, all takes ten times as long and more.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
/// The argument that makes this program the one that checks a config.
const CHILD: &str = "--child";
/// Random ones of every run. `NASTY_CONFIGS=10000` makes it a long one, `NASTY_SEED` another one.
const CONFIGS: u64 = 40;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == CHILD) {
        return child();
    }
    let kinds = nasty::KINDS.iter().map(|(kind, make)| {
        Trial::test(format!("{kind}, from small to large"), move || {
            for size in [2_000, 60_000] {
                let config = make(&mut nasty::Dice::of(size as u64), size);
                costs_little(&format!("{kind}, size {size}"), &config)?;
            }
            Ok(())
        })
    });
    let random = Trial::test("random ones", || {
        let first = number("NASTY_SEED").unwrap_or(1);
        for seed in first..first + number("NASTY_CONFIGS").unwrap_or(CONFIGS) {
            costs_little(&format!("seed {seed}"), &nasty::config(seed))?;
        }
        Ok(())
    });
    let yaml = Trial::test("what is nasty in a processor gets there", || {
        for (kind, make) in nasty::KINDS {
            let config = make(&mut nasty::Dice::of(3), 3);
            let read =
                CollectorFile::parse(kind, &config, &|_| None).map_err(|problems| problems.to_string());
            if config.contains("service:") && read.as_ref().is_err_and(|said| said.contains("not valid YAML"))
            {
                return Err(format!("{config}\n{}", read.err().unwrap_or_default()).into());
            }
        }
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), kinds.chain([random, yaml]).collect()).exit_code()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Checks a config in a process of its own, so that no memory is there already, and what overflows the stack says whose.
fn costs_little(name: &str, config: &str) -> Result<(), Failed> {
    let child = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child?;
    child.stdin.take().ok_or("no stdin")?.write_all(config.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<u64> = said.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let [milliseconds, kilobytes] = figures[..] else {
        return Err(format!("{name}: {} bytes, {}", config.len(), output.status).into());
    };
    let cost = format!("{name}: {} bytes cost {milliseconds} ms and {kilobytes} kB", config.len());
    if number("NASTY_SHOW").is_some() {
        eprintln!("{cost}");
    }
    if u128::from(milliseconds) > TIME.as_millis() || kilobytes > MEMORY { Err(cost.into()) } else { Ok(()) }
}

/// Checks the config of the standard input, and says the milliseconds and kilobytes that it cost.
fn child() -> ExitCode {
    let mut config = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut config) {
        panic!("{error}");
    }
    let before = memory("VmRSS:");
    let thread = Builder::new().stack_size(STACK).spawn(move || {
        pay(&config);
        processor_time()
    });
    // One that never ends is given up.
    let gives_up = Builder::new().spawn(|| {
        std::thread::sleep(TIME * 10);
        std::process::exit(3)
    });
    match (thread.map(JoinHandle::join), gives_up) {
        (Ok(Ok(time)), Ok(_)) => {
            println!("{} {}", time.as_millis(), memory("VmHWM:").saturating_sub(before));
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

/// Reads, checks and builds as a control plane and an agent do.
fn pay(config: &str) {
    let lookup = |name: &str| (name == "BIG").then(|| "b".repeat(10_000));
    let file = match CollectorFile::parse("nasty.yaml", config, &lookup) {
        Ok(file) => file,
        Err(problems) => return drop(problems.to_string()),
    };
    match file.check_within(&mut Allowance::new()) {
        Ok(plans) => {
            for (_, plan) in plans {
                let mut output = Batch::default();
                let _ = Pipeline::build(&plan, 0).process(&Batch::default(), 0, &mut output);
            }
        }
        Err(problems) => drop(problems.to_string()),
    }
}

/// Kilobytes, by the name of a line of the process's status.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|text| text.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.unwrap_or_else(|| panic!("{line} is not in /proc/self/status"))
}

/// Time that this thread has run.
fn processor_time() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = times.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_else(|| panic!("no time in /proc/thread-self/schedstat")))
}
