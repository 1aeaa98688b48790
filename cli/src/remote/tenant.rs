//! `phoenix tenant …`.

use api::{CreatedUser, Tenant};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::show::{Column, Show, cell, line};

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
    /// Delete a tenant with all that it has but its audit chain; its agents keep what they run
    Delete {
        /// Its id
        id: String,
        /// Say that it is meant: nothing of it comes back
        #[arg(long, required = true)]
        yes: bool,
    },
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
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
