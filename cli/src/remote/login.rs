//! `phoenix login` and `phoenix logout`.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use api::{AccessToken, Me, Role};
use client::{Client, Method};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::Options;
use super::session::{self, Session};
use super::show::{Column, fields};
use super::sso;

/// Address of a control plane on this machine, as it listens by default.
const LOCAL: &str = "http://127.0.0.1:8080";

#[derive(clap::Args)]
pub struct Args {
    /// The control plane's address; without it that of PHOENIX_URL or of the context in use, else http://127.0.0.1:8080
    #[arg(long)]
    server: Option<String>,
    /// E-mail address of the account
    #[arg(long, required_unless_present = "sso")]
    email: Option<String>,
    /// A file with the password; without it, it is read from standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Log in with a browser on this machine, at the control plane's identity provider
    #[arg(long, conflicts_with_all = ["email", "password_file"])]
    sso: bool,
    /// Port of this machine that the browser comes back to; any that is free without it
    #[arg(long, value_name = "PORT", default_value = "0", requires = "sso")]
    sso_port: u16,
    /// Print the address for the browser, and open none
    #[arg(long, requires = "sso")]
    no_browser: bool,
    #[command(flatten)]
    options: Options,
}

/// Session that was opened.
#[derive(Serialize)]
struct Opened {
    email: String,
    expires_in: u64,
    role: Role,
    server: String,
}

const COLUMNS: [Column<Opened>; 4] = [
    ("server", |opened| opened.server.clone()),
    ("email", |opened| opened.email.clone()),
    ("role", |opened| opened.role.to_string()),
    ("seconds left without use", |opened| opened.expires_in.to_string()),
];

pub async fn login(args: Args) -> anyhow::Result<()> {
    let (named, context) =
        (args.server.clone().map_or_else(session::server, |server| Ok(Some(server)))?, session::in_use()?);
    let server = match (named, context) {
        (Some(server), Some((name, of))) if !session::is_same(&server, &of.server) => bail!(
            "the context {name} is of {}, not of {server}: make one for that (`phoenix context set`), and use it",
            of.server
        ),
        (_, Some((name, of))) if of.api_key.is_some() => {
            bail!("the context {name} comes in by an API key; there is nothing to log in to")
        }
        (Some(server), _) => server,
        (None, Some((_, of))) => of.server,
        (None, None) => LOCAL.to_owned(),
    };
    let client = Client::new(&server)?;
    let (email, answer) = match &args.email {
        Some(email) => (email.clone(), client.login(email, &password(&args)?).await?.1),
        None => by_browser(client, &args).await?,
    };
    let token = AccessToken::deserialize(&answer).context("the answer is not as expected")?;
    let opened =
        Opened { email, expires_in: token.refresh_expires_in, role: token.role, server: server.clone() };
    Session::of(server, token).store()?;
    let show = args.options.show();
    if show.is_for_programs() { show.say(&serde_json::to_value(&opened)?) } else { fields(&opened, &COLUMNS) }
}

/// Address of somebody who logs in with a browser, and the answer.
async fn by_browser(client: Client, args: &Args) -> anyhow::Result<(String, Value)> {
    let answer = sso::login(&client, args.sso_port, !args.no_browser).await?;
    let token = AccessToken::deserialize(&answer).context("the answer is not as expected")?;
    let me = client.with_token(&token.access_token).get("/auth/me").await?;
    Ok((Me::deserialize(&me).context("the answer is not as expected")?.email, answer))
}

/// The password of a file, or of standard input, without its line's end.
fn password(args: &Args) -> anyhow::Result<String> {
    let password = match &args.password_file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => from_stdin()?,
    };
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

pub async fn logout() -> anyhow::Result<()> {
    let ended = match session::kept().await {
        Ok(client) => client.call(Method::POST, "/auth/logout", None).await.map(drop).map_err(Into::into),
        Err(error) => Err(error),
    };
    Session::forget()?;
    ended
}

fn from_stdin() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").context("cannot read the password");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    Ok(line)
}
