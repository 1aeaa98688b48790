//! The control plane from the command line: the same REST that everybody uses, as tables or as JSON.

mod agent;
mod client;
mod experiment;
mod login;
mod session;
mod show;
mod template;
mod token;

use clap::{Args, Subcommand, ValueEnum};

use client::Client;
use show::Show;

/// How answers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for people.
    #[default]
    Text,
    /// What the control plane answered.
    Json,
}

/// What every command takes.
#[derive(Args)]
pub struct Options {
    /// How to show answers
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

/// What can be asked of a control plane.
#[derive(Subcommand)]
pub enum Command {
    /// Log in to a control plane; what is kept is the access token, not the password
    Login(login::Args),
    /// End the session
    Logout,
    /// Experiments: what is tried on which agents
    #[command(subcommand)]
    Experiment(experiment::Command),
    /// Templates: pipelines with parameters, in immutable versions
    #[command(subcommand)]
    Template(template::Command),
    /// Agents that have enrolled
    #[command(subcommand)]
    Agent(agent::Command),
    /// Enrolment tokens: what lets agents in
    #[command(subcommand)]
    Token(token::Command),
}

/// Runs one.
///
/// # Errors
/// What the control plane refuses, in its words; what cannot be reached or read.
pub async fn run(command: Command, options: &Options) -> anyhow::Result<()> {
    let show = Show(options.output);
    match command {
        Command::Login(args) => login::login(args, show).await,
        Command::Logout => login::logout().await,
        Command::Experiment(command) => experiment::run(command, &Client::of_session()?, show).await,
        Command::Template(command) => template::run(command, &Client::of_session()?, show).await,
        Command::Agent(command) => agent::run(command, &Client::of_session()?, show).await,
        Command::Token(command) => token::run(command, &Client::of_session()?, show).await,
    }
}
