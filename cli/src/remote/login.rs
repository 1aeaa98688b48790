//! `phoenix login` and `phoenix logout`.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Context as _;
use client::Method;
use serde_json::json;

use super::Options;
use super::session::{self, Session};
use client::Client;

#[derive(clap::Args)]
pub struct Args {
    /// The control plane's address
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
    /// E-mail address of the account
    #[arg(long)]
    email: String,
    /// A file with the password; without it, it is read from standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

pub async fn login(args: Args) -> anyhow::Result<()> {
    let password = match &args.password_file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => from_stdin()?,
    };
    let password = password.trim_end_matches(['\r', '\n']);
    let (_, answer) = Client::new(&args.server)?.login(&args.email, password).await?;
    let token = answer["access_token"].as_str().context("the answer has no token")?;
    Session { server: args.server.clone(), token: token.to_owned() }.store()?;
    let shown = json!({ "server": args.server, "email": args.email, "role": answer["role"], "expires_in": answer["expires_in"] });
    let columns =
        [("server", "/server"), ("email", "/email"), ("role", "/role"), ("seconds left", "/expires_in")];
    args.options.show().one(&shown, &columns)
}

pub async fn logout() -> anyhow::Result<()> {
    let ended = session::client()?.call(Method::POST, "/auth/logout", None).await;
    Session::forget()?;
    Ok(ended.map(drop)?)
}

fn from_stdin() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").context("cannot read the password");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    Ok(line)
}
