//! The control plane from the command line: the same REST that everybody uses, as tables or as JSON.

mod agent;
mod api_key;
mod apply;
mod ci;
mod create;
mod experiment;
mod explain;
mod login;
mod patch;
mod results;
mod session;
mod show;
mod template;
mod token;
mod which;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use show::Show;

/// Format of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for people.
    #[default]
    Text,
    /// The control plane's own answer.
    Json,
}

/// Options of every command.
#[derive(Args)]
pub struct Options {
    /// Show answers in this format
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

/// A command with its options.
#[derive(Args)]
pub struct With<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    options: Options,
}

/// Commands to a control plane.
#[derive(Subcommand)]
pub enum Command {
    /// Log in to a control plane; what is kept is the access token, not the password
    Login(login::Args),
    /// End the session
    Logout,
    /// Have the control plane hold the templates and experiments of files, again and again
    Apply {
        #[command(flatten)]
        args: apply::Args,
        #[command(flatten)]
        options: Options,
    },
    /// Apply and start the experiment of a file, wait for its verdict, and print it as Markdown
    Ci(ci::Args),
    /// Create, follow and steer experiments
    Experiment(With<experiment::Command>),
    /// Create, show and render templates: pipelines with parameters
    Template(With<template::Command>),
    /// List, show and delete enrolled agents
    Agent(With<agent::Command>),
    /// Create, list and revoke enrollment tokens, which let agents in
    Token(With<token::Command>),
    /// Create, list and revoke API keys, with which programs come in
    ApiKey(With<api_key::Command>),
}

/// Runs one, and returns its exit code.
///
/// # Errors
/// What the control plane refuses, in its words; what cannot be reached or read.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ci(args) => return Ok(ci::run(&args).await),
        Command::Login(args) => login::login(args).await,
        Command::Logout => login::logout().await,
        Command::Apply { args, options } => {
            apply::run(&args, &session::client().await?, options.show()).await
        }
        Command::Experiment(With { command, options }) => {
            experiment::run(command, &session::client().await?, options.show()).await
        }
        Command::Template(With { command, options }) => {
            template::run(command, &session::client().await?, options.show()).await
        }
        Command::Agent(With { command, options }) => {
            agent::run(command, &session::client().await?, options.show()).await
        }
        Command::Token(With { command, options }) => {
            token::run(command, &session::client().await?, options.show()).await
        }
        Command::ApiKey(With { command, options }) => {
            api_key::run(command, &session::client().await?, options.show()).await
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn show(&self) -> Show {
        Show(self.output)
    }
}
