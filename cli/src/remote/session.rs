//! The kept session: a file in the user's configuration that only its owner can read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use client::Client;
use serde::{Deserialize, Serialize};

/// Server and access token of a login.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The control plane's address, such as `http://127.0.0.1:8080`.
    pub server: String,
    /// The access token.
    pub token: String,
}

fn path() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("PHOENIX_SESSION") {
        return Ok(path.into());
    }
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = config.or_else(home).context("neither PHOENIX_SESSION nor HOME is set")?;
    Ok(config.join("phoenix").join("session.json"))
}

/// Client of the kept session.
///
/// # Errors
/// When nobody is logged in.
pub fn client() -> anyhow::Result<Client> {
    let session = Session::load()?;
    Ok(Client::new(&session.server)?.with_token(&session.token))
}

impl Session {
    /// The kept session.
    ///
    /// # Errors
    /// When there is none.
    pub fn load() -> anyhow::Result<Self> {
        let path = path()?;
        let Ok(text) = fs::read_to_string(&path) else { bail!("not logged in: run `phoenix login` first") };
        serde_json::from_str(&text)
            .with_context(|| format!("{} holds no session; log in again", path.display()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self) -> anyhow::Result<()> {
        let path = path()?;
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(self)?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The system's.
    pub fn forget() -> anyhow::Result<()> {
        let path = path()?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}
