//! Instructions a point, by callgrind: repeatable where seconds are not.
//!
//! Each piece runs in a process of its own under valgrind, once with few rounds and once with more; the
//! difference is what a round costs, whatever starting up takes.

use std::process::Command;

use anyhow::{Context, bail};

use crate::micro::PIECES;
use crate::payload::scrape;

const FEW: u64 = 2;
const MORE: u64 = 12;

/// Prints instructions a point for every piece.
pub fn run() -> anyhow::Result<()> {
    println!("{:<18} {:>7} {:>20}", "piece", "points", "instructions a point");
    for points in [7, 21] {
        let total = scrape(points).points as f64;
        for piece in PIECES {
            let rounds = |rounds: u64| {
                let (points, rounds) = (points.to_string(), rounds.to_string());
                count(&["micro", "--only", piece, "--points", &points, "--rounds", &rounds])
            };
            let (few, more) = (rounds(FEW)?, rounds(MORE)?);
            let each = (more - few) as f64 / (MORE - FEW) as f64 / total;
            println!("{piece:<18} {total:>7} {each:>20.1}");
        }
    }
    Ok(())
}

/// Number of instructions that this program takes with these arguments.
pub fn count(args: &[&str]) -> anyhow::Result<u64> {
    collect(&[], args)
}

/// Number of those that it takes within functions of such a name, and what they call.
pub fn count_within(name: &str, args: &[&str]) -> anyhow::Result<u64> {
    collect(&[&format!("--toggle-collect={name}")], args)
}

fn collect(options: &[&str], args: &[&str]) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(std::env::current_exe()?)
        .args(args)
        .output()
        .context("valgrind could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(line) = said.lines().find(|line| line.contains("Collected :")) else {
        bail!("callgrind said no count:\n{said}");
    };
    let count = line.rsplit(' ').next().unwrap_or_default();
    count.parse().with_context(|| format!("not a count: {line}"))
}
