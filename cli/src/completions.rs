//! `phoenix completions`: what a shell needs to complete the words of this command.

use std::process::ExitCode;

use clap::ValueEnum;
use clap_complete::{Shell, generate};

use crate::output;

/// Print what a shell needs to complete the words of this command
#[derive(clap::Args)]
pub struct Args {
    /// The shell, such as: `phoenix completions bash > /etc/bash_completion.d/phoenix`
    #[arg(value_enum)]
    shell: Known,
}

#[derive(Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

/// Prints the script of a shell.
///
/// # Errors
/// When standard output is gone.
pub fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
        Known::PowerShell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    generate(shell, command, "phoenix", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
