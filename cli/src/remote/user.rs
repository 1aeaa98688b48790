//! `phoenix user …`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use api::{CreatedInvitation, CreatedUser, Invitation, User};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::session;
use super::show::{Column, Show, cell, line};

const COLUMNS: [Column<User>; 5] = [
    ("id", |user| user.id.to_string()),
    ("email", |user| user.email.clone()),
    ("role", |user| user.role.to_string()),
    ("kind", |user| if user.service { "service account" } else { "person" }.to_owned()),
    ("disabled", |user| cell(user.disabled_at.as_ref())),
];

const INVITED: [Column<Invitation>; 6] = [
    ("id", |one| one.id.clone()),
    ("email", |one| one.email.clone()),
    ("role", |one| one.role.to_string()),
    ("expires", |one| one.expires_at.to_string()),
    ("accepted", |one| cell(one.accepted_at.as_ref())),
    ("revoked", |one| cell(one.revoked_at.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// List people and service accounts
    List,
    /// Invite a person, who chooses the password; the token is shown this once, alone on its line
    Invite {
        /// Address of the person
        email: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: String,
        /// Time for which it is valid, as `24h`, `7d`
        #[arg(long, default_value = "7d")]
        expires_in: String,
    },
    /// List invitations
    Invitations,
    /// Revoke an invitation that nobody has accepted
    Uninvite {
        /// Its id
        id: String,
    },
    /// Come in by an invitation: the token and the new password are read from files
    Accept {
        /// The control plane's address; without it, that of PHOENIX_URL
        #[arg(long, env = "PHOENIX_URL")]
        server: String,
        /// File with the invitation's token
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        /// File with the password, 12 to 256 characters
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
    /// Create a service account, for the API keys of programs; nobody logs in with it
    CreateService {
        /// Its address, such as ci@example.org
        email: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: String,
    },
    /// Give somebody another role
    Role {
        /// Their id or address
        who: String,
        /// viewer, operator or admin
        role: String,
    },
    /// End somebody's access, at once
    Disable {
        /// Their id or address
        who: String,
    },
    /// Let somebody in again who was disabled
    Enable {
        /// Their id or address
        who: String,
    },
}

/// Path of somebody by their id or address.
async fn path(client: &Client, who: &str, what: &str) -> anyhow::Result<String> {
    if !who.contains('@') {
        return Ok(format!("/users/{}{what}", utf8_percent_encode(who, NON_ALPHANUMERIC)));
    }
    let all = client.list("/users").await?;
    let address = who.to_lowercase();
    let found = all["items"].as_array().into_iter().flatten().find(|user| user["email"] == address.as_str());
    match found.and_then(|user| user["id"].as_str()) {
        Some(id) => Ok(format!("/users/{id}{what}")),
        None => bail!("there is no user {who}; `phoenix user list` shows all"),
    }
}

fn secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub async fn run(command: Command, show: Show) -> anyhow::Result<()> {
    if let Command::Accept { server, token_file, password_file } = command {
        let body = json!({ "token": secret(&token_file)?, "password": secret(&password_file)? });
        return show.one::<User>(&Client::new(&server)?.post("/auth/accept", &body).await?, &COLUMNS);
    }
    let client = &session::client().await?;
    let changed: Value = match command {
        Command::Accept { .. } => return Ok(()),
        Command::List => return show.list(&client.list("/users").await?, &COLUMNS),
        Command::Invitations => return show.list(&client.list("/invitations").await?, &INVITED),
        Command::Invite { email, role, expires_in } => {
            let body = json!({ "email": email, "role": role, "expires_in": expires_in });
            return match show.read::<CreatedInvitation>(&client.post("/invitations", &body).await?)? {
                Some(made) => line(&made.token),
                None => Ok(()),
            };
        }
        Command::Uninvite { id } => {
            let path = format!("/invitations/{}", utf8_percent_encode(&id, NON_ALPHANUMERIC));
            return Ok(client.call(Method::DELETE, &path, None).await.map(drop)?);
        }
        Command::CreateService { email, role } => {
            let body = json!({ "email": email, "role": role, "service": true });
            let made = client.post("/users", &body).await?;
            return match show.read::<CreatedUser>(&made)? {
                Some(made) => line(&made.user.id.to_string()),
                None => Ok(()),
            };
        }
        Command::Role { who, role } => {
            let path = path(client, &who, "").await?;
            client.call(Method::PATCH, &path, Some(&json!({ "role": role }))).await?
        }
        Command::Disable { who } => {
            client.call(Method::POST, &path(client, &who, "/disable").await?, None).await?
        }
        Command::Enable { who } => {
            client.call(Method::POST, &path(client, &who, "/enable").await?, None).await?
        }
    };
    show.one(&changed, &COLUMNS)
}
