//! The control plane from the command line: the same REST that everybody uses, as tables, JSON or YAML.

mod agent;
mod api_key;
mod apply;
mod audit;
mod ci;
mod context;
mod create;
mod deployment;
mod difference;
mod experiment;
mod explain;
mod follow;
mod freeze;
mod login;
mod patch;
mod preview;
mod results;
mod session;
mod show;
mod sso;
mod template;
mod tenant;
mod token;
mod user;
mod watch;
mod webhook;
mod which;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use show::Show;
use watch::Watch;

/// Format of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for people.
    #[default]
    #[value(alias = "text")]
    Table,
    /// Tables with every field that an answer has, a long one cut in a list.
    Wide,
    /// The control plane's own answer.
    Json,
    /// The same as YAML.
    Yaml,
    /// The name of each thing, or its id where it has none, a line each.
    Name,
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

/// A command with its options, which may be watched if it shows something.
#[derive(Args)]
pub struct Watched<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    watch: Watch,
}

/// Commands to a control plane.
#[derive(Subcommand)]
pub enum Command {
    /// Log in to a control plane; what is kept is the access token, not the password
    Login(login::Args),
    /// End the session
    Logout,
    /// Keep the control planes that you work with by names of your own, and choose the one in use
    Context(With<context::Command>),
    /// Have the control plane hold the templates and experiments of files, again and again
    Apply {
        #[command(flatten)]
        args: apply::Args,
        #[command(flatten)]
        options: Options,
    },
    /// Apply and start the experiment of a file, wait for its verdict, and print it as Markdown
    Ci(ci::Args),
    /// Try a candidate on the last requests that agents have kept, beside what they run; nothing is pushed or delivered
    Preview {
        #[command(flatten)]
        args: preview::Args,
        #[command(flatten)]
        options: Options,
    },
    /// Create, follow and steer experiments
    Experiment(Watched<experiment::Command>),
    /// Freeze the tenant: nothing starts, advances or is promoted until it is lifted; a rollback is possible
    Freeze {
        #[command(flatten)]
        args: freeze::Args,
        #[command(flatten)]
        options: Options,
    },
    /// Lift the freeze of the tenant; takes the role admin
    Unfreeze {
        #[command(flatten)]
        options: Options,
    },
    /// Create, show and render templates: pipelines with parameters
    Template(With<template::Command>),
    /// List, show and delete enrolled agents
    Agent(Watched<agent::Command>),
    /// Create, list and revoke enrollment tokens, which let agents in
    Token(With<token::Command>),
    /// Create, list and revoke API keys, with which programs come in
    ApiKey(With<api_key::Command>),
    /// List deployments, make them by hand, and roll them back: what agents run outside of experiments
    Deployment(Watched<deployment::Command>),
    /// Invite, create, list and disable people and service accounts, and change their roles
    User(With<user::Command>),
    /// Create, list and delete tenants
    Tenant(With<tenant::Command>),
    /// Create, try and follow webhooks: addresses that are told what happens
    Webhook(With<webhook::Command>),
    /// List, export and verify who changed what
    Audit(With<audit::Command>),
}

/// Runs one, and returns its exit code.
///
/// # Errors
/// What the control plane refuses, in its words; what cannot be reached or read.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ci(args) => return Ok(ci::run(&args).await),
        Command::Preview { args, options } => {
            return preview::run(args, &session::client().await?, options.show()).await;
        }
        Command::Login(args) => login::login(args).await,
        Command::Logout => login::logout().await,
        Command::Context(With { command, options }) => context::run(command, options.show()),
        Command::Apply { args, options } => {
            apply::run(&args, &session::client().await?, options.show()).await
        }
        Command::Experiment(Watched { command, options, watch }) => {
            let client = session::client().await?;
            watch.run(command.shows(), || experiment::run(command.clone(), &client, options.show())).await
        }
        Command::Freeze { args, options } => {
            freeze::freeze(args, &session::client().await?, options.show()).await
        }
        Command::Unfreeze { options } => freeze::unfreeze(&session::client().await?, options.show()).await,
        Command::Template(With { command, options }) => {
            template::run(command, &session::client().await?, options.show()).await
        }
        Command::Agent(Watched { command, options, watch }) => {
            let client = session::client().await?;
            watch.run(command.shows(), || agent::run(command.clone(), &client, options.show())).await
        }
        Command::Token(With { command, options }) => {
            token::run(command, &session::client().await?, options.show()).await
        }
        Command::ApiKey(With { command, options }) => {
            api_key::run(command, &session::client().await?, options.show()).await
        }
        Command::Deployment(Watched { command, options, watch }) => {
            let client = session::client().await?;
            watch.run(command.shows(), || deployment::run(command.clone(), &client, options.show())).await
        }
        Command::User(With { command, options }) => user::run(command, options.show()).await,
        Command::Tenant(With { command, options }) => tenant::run(command, options.show()).await,
        Command::Webhook(With { command, options }) => {
            webhook::run(command, &session::client().await?, options.show()).await
        }
        Command::Audit(With { command, options }) => {
            audit::run(command, &session::client().await?, options.show()).await
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn show(&self) -> Show {
        Show(self.output)
    }
}
