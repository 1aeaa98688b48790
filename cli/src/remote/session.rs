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

use super::context::{self, Context};

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

/// The variable with the path of the session, which goes before that of a context.
const PATH: &str = "PHOENIX_SESSION";

fn path() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(PATH) {
        return Ok(path.into());
    }
    match context::current()? {
        Some((name, _)) => context::session(&name),
        None => Ok(folder()?.join("session.json")),
    }
}

/// The context that counts; none where the environment says where the session is.
///
/// # Errors
/// [`context::current`]'s.
pub fn in_use() -> anyhow::Result<Option<(String, Context)>> {
    if std::env::var_os(PATH).is_some() { Ok(None) } else { context::current() }
}

/// Folder of all that is kept.
///
/// # Errors
/// When nothing says where that is.
pub fn folder() -> anyhow::Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = config.or_else(home).context("neither PHOENIX_SESSION nor HOME is set")?;
    Ok(config.join("phoenix"))
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
    if let Some((name, Context { server, api_key: Some(key) })) = in_use()? {
        if let Some(named) = named.filter(|named| !is_same(named, &server)) {
            bail!(
                "{SERVER} is {named}, and the context {name} is of {server}: choose another, or unset {SERVER}"
            );
        }
        return Ok(Client::new(&server)?.with_token(&key));
    }
    if let Some(server) = named {
        refuse_another(&server)?;
    }
    kept().await
}

/// Tells whether two addresses are one.
pub fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// Refuses a session of another server than the one that is named.
fn refuse_another(server: &str) -> anyhow::Result<()> {
    let kept = Session::load()?.server;
    if is_same(server, &kept) {
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
    renewed(path()?, Session::load).await
}

/// Client of a context, whichever is in use.
///
/// # Errors
/// Those of a session that there is not, or that cannot be renewed.
pub async fn of_context(name: &str, context: &Context) -> anyhow::Result<Client> {
    if let Some(key) = &context.api_key {
        return Ok(Client::new(&context.server)?.with_token(key));
    }
    let path = context::session(name)?;
    let load = || -> anyhow::Result<Session> {
        let text = fs::read_to_string(&path).context("not logged in")?;
        serde_json::from_str(&text).context("not logged in")
    };
    renewed(path.clone(), load).await
}

/// Client of the session in a file, as `load` reads it.
async fn renewed(path: PathBuf, load: impl Fn() -> anyhow::Result<Session>) -> anyhow::Result<Client> {
    let mut session = load()?;
    if session.is_over() {
        let held = Held::take(path)?;
        session = load()?;
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
///
/// # Errors
/// When it is no text.
pub fn said(name: &str) -> anyhow::Result<Option<String>> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    // The value is not told: it may be a key.
    let value = value.into_string().map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))?;
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// A file of ours under a lock, which is held until it is dropped: nobody else changes it meanwhile.
pub struct Held {
    path: PathBuf,
    _lock: File,
}

impl Held {
    /// Takes the lock of a file; the folder is made if it is missing.
    ///
    /// # Errors
    /// The system's.
    pub fn take(path: PathBuf) -> anyhow::Result<Self> {
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

    /// Puts a document beside the file.
    fn write(&self, document: &impl Serialize) -> anyhow::Result<PathBuf> {
        let beside = self.path.with_extension("new");
        write(&beside, &serde_json::to_vec(document)?)
            .with_context(|| format!("cannot write {}", beside.display()))?;
        Ok(beside)
    }

    /// Puts a document in the place of the file, whole or not at all: half of it is none.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self, document: &impl Serialize) -> anyhow::Result<()> {
        let beside = self.write(document)?;
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
        let context = in_use()?;
        let Ok(text) = fs::read_to_string(&path) else {
            let at =
                context.map(|(name, of)| format!(" to {} (context {name})", of.server)).unwrap_or_default();
            bail!("not logged in{at}: run `phoenix login` first, or set {KEY} and {SERVER}")
        };
        let session: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} holds no session; log in again", path.display()))?;
        match context.filter(|(_, of)| !is_same(&of.server, &session.server)) {
            Some((name, of)) => bail!(
                "the context {name} is of {}, and its session of {}: run `phoenix login` again",
                of.server,
                session.server
            ),
            None => Ok(session),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self) -> anyhow::Result<()> {
        Held::take(path()?)?.store(self)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The system's.
    pub fn forget() -> anyhow::Result<()> {
        let Held { path, _lock } = Held::take(path()?)?;
        // Of a renewal that failed, if there was one.
        let _beside = fs::remove_file(path.with_extension("new"));
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)
}
