//! The Collector's processors, as a program of their own (`benches/collector`), on the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::payload::Payload;
use crate::pipelines::Measured;
use crate::rows::{Row, config};

/// Path of the program, and of the batches that it reads.
pub struct Collector {
    program: PathBuf,
    directory: tempfile::TempDir,
    points: f64,
}

impl Collector {
    /// The program that is named, or the one beside this one. Without one says so, and how it is built.
    pub fn find(named: Option<&Path>, payloads: &[Payload]) -> anyhow::Result<Option<Self>> {
        let beside =
            || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name("phoenix-bench-collector"));
        let program = named.map_or_else(beside, |path| Ok(path.to_owned()))?;
        if !program.exists() {
            println!("No Collector to compare with: `make bench-collector` builds it (needs Go).");
            return Ok(None);
        }
        let directory = tempfile::tempdir()?;
        for (place, payload) in payloads.iter().enumerate() {
            std::fs::write(directory.path().join(format!("{place:02}.pb")), &payload.bytes)?;
        }
        let points: usize = payloads.iter().map(|payload| payload.points).sum();
        Ok(Some(Self { program, directory, points: points as f64 / payloads.len() as f64 }))
    }

    /// Time that the Collector's processors take for a row.
    pub fn measure(&self, row: &Row, seconds: f64) -> anyhow::Result<Measured> {
        let file = self.directory.path().join("config.yaml");
        std::fs::write(&file, config(row.collectors))?;
        let output = Command::new(&self.program)
            .arg("-batches")
            .arg(self.directory.path())
            .arg("-config")
            .arg(&file)
            .args(["-seconds", &seconds.to_string()])
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if !output.status.success() {
            bail!("the Collector failed on {}: {}", row.name, String::from_utf8_lossy(&output.stderr));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let mut numbers = said.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(nanos)), Some(Ok(bytes))) => Ok(Measured { nanos: nanos as f64 / self.points, bytes }),
            _ => bail!("the Collector said {said:?}, not nanoseconds and bytes a request"),
        }
    }
}
