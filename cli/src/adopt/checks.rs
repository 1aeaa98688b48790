//! Checks of both halves by the programs that will run them.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use pipelines::division::Division;

use super::files::{self, Written};
use super::steps::quoted;

/// Outcome of a check.
pub enum Check {
    /// The program takes the file.
    Taken {
        /// The program.
        by: String,
    },
    /// It refuses it.
    Refused {
        /// The program.
        by: String,
        /// Its words.
        said: String,
    },
    /// There was no program to ask.
    NotRun {
        /// What to do.
        remedy: String,
    },
}

/// Both checks.
pub struct Checks {
    pub agent: Check,
    /// None where there is no Collector.
    pub collector: Option<Check>,
}

impl Checks {
    /// Asks the agent beside this program, and the Collector that was named.
    pub fn run(written: &Written, otelcol: Option<&Path>, division: &Division) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot tell where this program lies")?;
        let agent = Some(this.with_file_name("phoenix-agent")).filter(|path| path.is_file());
        let agent = match agent {
            Some(agent) => validate(&agent, &written.agent, &division.variables)?,
            None => Check::NotRun {
                remedy: format!("phoenix-agent validate --config {}", quoted(&written.agent)),
            },
        };
        let collector = written.collector.as_ref().map(|path| match otelcol {
            Some(otelcol) => validate(otelcol, path, &division.variables),
            None => Ok(Check::NotRun { remedy: format!("otelcol validate --config={}", quoted(path)) }),
        });
        Ok(Self { agent, collector: collector.transpose()? })
    }

    /// Tells whether nothing was refused.
    pub fn are_met(&self) -> bool {
        let all = std::iter::once(&self.agent).chain(&self.collector);
        all.into_iter().all(|check| !matches!(check, Check::Refused { .. }))
    }
}

/// Asks a program whether it takes a config, with values in place of these variables where they are not set.
pub fn validate(program: &Path, config: &Path, variables: &[String]) -> anyhow::Result<Check> {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let variable = files::variables(&text);
    let stands_in = variables.iter().filter_map(|name| Some((name, variable(name)?)));
    let output = Command::new(program)
        .arg("validate")
        .arg("--config")
        .arg(config)
        .envs(stands_in)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let by = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if output.status.success() {
        return Ok(Check::Taken { by });
    }
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(Check::Refused { by, said: said.trim().to_owned() })
}
