//! The kept session: a file in the user's configuration that only its owner can read.
//!
//! Its access token is renewed when it is nearly over. A refresh token is good once, so that of several commands at the
//! same time one renews, under a lock, and the others read what it has written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use api::AccessToken;
use client::{Client, Error};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The variable with an API key, which goes before a session.
const KEY: &str = "PHOENIX_API_KEY";
/// The variable with the address of the key's control plane.
const SERVER: &str = "PHOENIX_URL";
/// Seconds before its end from which on an access token is renewed: longer than a call.
const EARLY: u64 = 60;

/// Server and tokens of a login.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The control plane's address, such as `http://127.0.0.1:8080`.
    pub server: String,
    /// The access token.
    pub token: String,
    /// Time of its end, seconds since 1970.
    pub expires_at: u64,
    /// The refresh token.
    pub refresh_token: String,
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

/// Client of the API key in the environment, else of the kept session, which is renewed first where it is nearly over.
///
/// # Errors
/// When there is neither, a key without an address, a session at another address than the one that is set, or one that cannot
/// be renewed.
pub async fn client() -> anyhow::Result<Client> {
    let named = server()?;
    match (said(KEY)?, &named) {
        (Some(key), Some(server)) => return Ok(Client::new(server)?.with_token(&key)),
        (Some(_), None) => bail!("{KEY} is set, and {SERVER} is not: set it to the control plane's address"),
        (None, _) => {}
    }
    if let Some(server) = named {
        refuse_another(&server)?;
    }
    kept().await
}

/// Refuses a session of another server than the one that is named.
fn refuse_another(server: &str) -> anyhow::Result<()> {
    let kept = Session::load()?.server;
    if server.trim_end_matches('/') == kept.trim_end_matches('/') {
        return Ok(());
    }
    bail!(
        "{SERVER} is {server}, and the session is of {kept}: run `phoenix login` for the former, or unset {SERVER} to go on \
         with the latter"
    )
}

/// Client of the kept session, whatever the environment says.
///
/// # Errors
/// When there is none, or it cannot be renewed.
pub async fn kept() -> anyhow::Result<Client> {
    let mut session = Session::load()?;
    if session.is_over() {
        let held = Held::take()?;
        session = Session::load()?;
        if session.is_over() {
            // The old token is good once: what follows it needs its place before.
            held.write(&session)?;
            session = session.renewed().await?;
            held.store(&session)?;
        }
    }
    Ok(Client::new(&session.server)?.with_token(&session.token))
}

/// Address of the control plane that the environment names.
///
/// # Errors
/// When it is no text.
pub fn server() -> anyhow::Result<Option<String>> {
    said(SERVER)
}

/// Value of a variable; nothing where it is empty.
fn said(name: &str) -> anyhow::Result<Option<String>> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    // The value is not told: it may be a key.
    let value = value.into_string().map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))?;
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// The session's file under a lock, which is held until it is dropped: nobody else changes it meanwhile.
struct Held {
    path: PathBuf,
    _lock: File,
}

impl Held {
    fn take() -> anyhow::Result<Self> {
        let path = path()?;
        if let Some(dir) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let beside = path.with_extension("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
        let lock = lock.with_context(|| format!("cannot open {}", beside.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", beside.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Puts a session beside the file.
    fn write(&self, session: &Session) -> anyhow::Result<PathBuf> {
        let beside = self.path.with_extension("new");
        write(&beside, &serde_json::to_vec(session)?)
            .with_context(|| format!("cannot write {}", beside.display()))?;
        Ok(beside)
    }

    /// Puts a session in the place of the file, whole or not at all: half a session is none.
    fn store(&self, session: &Session) -> anyhow::Result<()> {
        let beside = self.write(session)?;
        fs::rename(beside, &self.path).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Session {
    /// Session of the tokens that a server has just given.
    pub fn of(server: String, tokens: AccessToken) -> Self {
        let AccessToken { access_token, expires_in, refresh_token, .. } = tokens;
        Self { server, token: access_token, expires_at: now().saturating_add(expires_in), refresh_token }
    }

    fn is_over(&self) -> bool {
        now().saturating_add(EARLY) >= self.expires_at
    }

    async fn renewed(self) -> anyhow::Result<Self> {
        let body = json!({ "refresh_token": self.refresh_token });
        let answer = match Client::new(&self.server)?.post("/auth/refresh", &body).await {
            Err(Error::Refused { status: 401, .. }) => {
                bail!("the session at {} has ended: run `phoenix login` again", self.server)
            }
            answer => answer?,
        };
        let tokens = AccessToken::deserialize(&answer).context("the answer is not as expected")?;
        Ok(Self::of(self.server, tokens))
    }

    /// The kept session.
    ///
    /// # Errors
    /// When there is none.
    pub fn load() -> anyhow::Result<Self> {
        let path = path()?;
        let Ok(text) = fs::read_to_string(&path) else {
            bail!("not logged in: run `phoenix login` first, or set {KEY} and {SERVER}")
        };
        serde_json::from_str(&text)
            .with_context(|| format!("{} holds no session; log in again", path.display()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self) -> anyhow::Result<()> {
        Held::take()?.store(self)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The system's.
    pub fn forget() -> anyhow::Result<()> {
        let Held { path, _lock } = Held::take()?;
        // Of a renewal that failed, if there was one.
        let _beside = fs::remove_file(path.with_extension("new"));
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)
}
