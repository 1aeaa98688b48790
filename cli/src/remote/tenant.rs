//! `phoenix tenant …`.

use anyhow::{Context as _, bail};
use api::{CreatedUser, Me, Tenant};
use clap::Subcommand;
use client::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize as _;
use serde_json::json;

use super::show::{Column, Show, cell, line};
use super::{context, session};

const COLUMNS: [Column<Tenant>; 4] = [
    ("id", |tenant| tenant.id.to_string()),
    ("name", |tenant| tenant.name.clone()),
    ("since", |tenant| tenant.created_at.to_string()),
    ("deleted", |tenant| cell(tenant.deleted_at.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// List tenants; for admins of another than the first one, their own
    List,
    /// Create a tenant and its admin, whose password is made and shown this once, alone on its line
    Create {
        /// Its name
        name: String,
        /// Address of its admin
        #[arg(long)]
        admin: String,
    },
    /// Use another tenant from now on: the context in which somebody of it is logged in, or whose API key is of it
    Use {
        /// Its name
        name: String,
    },
    /// Delete a tenant with all that it has but its audit chain; its agents keep what they run
    Delete {
        /// Its id
        id: String,
        /// Say that it is meant: nothing of it comes back
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// Runs a command as somebody who is logged in.
///
/// # Errors
/// The control plane's refusals; without a context of the tenant.
pub async fn run(command: Command, show: Show) -> anyhow::Result<()> {
    if let Command::Use { name } = &command {
        return switch(name).await;
    }
    let client = &session::client().await?;
    match command {
        Command::Use { .. } => Ok(()),
        Command::List => show.list(&client.list("/tenants").await?, &COLUMNS),
        Command::Create { name, admin } => {
            let made = client.post("/tenants", &json!({ "name": name, "email": admin })).await?;
            match show.read::<CreatedUser>(&made)? {
                Some(made) => line(&made.password.unwrap_or_default()),
                None => Ok(()),
            }
        }
        Command::Delete { id, yes: _ } => {
            let path = format!("/tenants/{}", utf8_percent_encode(&id, NON_ALPHANUMERIC));
            Ok(client.call(Method::DELETE, &path, None).await.map(drop)?)
        }
    }
}

/// Uses the first context of a tenant. A person is of one tenant, so that another one is another login.
async fn switch(name: &str) -> anyhow::Result<()> {
    let mut others = Vec::new();
    for (context, of) in context::all()? {
        match me(&context, &of).await {
            Ok(me) if me.tenant == name => {
                context::choose(&context)?;
                return line(&format!(
                    "tenant {name} by the context {context}: {} at {}",
                    me.email, of.server
                ));
            }
            Ok(me) => others.push(format!("{context} is of tenant {}", me.tenant)),
            Err(error) => others.push(format!("{context}: {error:#}")),
        }
    }
    let found = if others.is_empty() { "there are no contexts".to_owned() } else { others.join("; ") };
    bail!(
        "no context is of tenant {name} ({found}). Make one for it (`phoenix context set NAME --server URL`, `phoenix context use \
         NAME`) and log in there as one of its people (`phoenix login`)"
    )
}

/// Person or program of a context.
async fn me(name: &str, of: &context::Context) -> anyhow::Result<Me> {
    let answer = session::of_context(name, of).await?.get("/auth/me").await?;
    Me::deserialize(&answer).context("the answer is not as expected")
}
