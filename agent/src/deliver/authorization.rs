//! Header by which each request says who sends it, where that changes while the agent runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::oauth2::{OAuth2, OAuth2Settings};
use super::secret;

/// Age from which a file is known to have changed by its time: clocks of file systems tick slowly.
const SETTLED: Duration = Duration::from_secs(2);

/// Source of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    File(TokenFile),
    /// A server of tokens.
    OAuth2(Box<OAuth2Settings>),
}

impl TokenSource {
    /// Reads the files that it names, as a start does, and forgets what they hold. May block.
    ///
    /// # Errors
    /// When one cannot be read, or holds no token; says which.
    pub fn read_files(&self) -> Result<(), String> {
        match self {
            Self::File(file) => file.read().map(drop),
            Self::OAuth2(settings) => settings.read_files(),
        }
    }
}

/// File of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// Header that carries it.
    pub header: HeaderName,
    /// Word before it, such as `Bearer`; may be empty.
    pub scheme: String,
    /// File.
    pub path: PathBuf,
}

impl TokenFile {
    /// Value of a header with a token; nothing where that is no legal one.
    pub fn value(scheme: &str, token: &str) -> Option<HeaderValue> {
        let token = token.trim();
        let text = if scheme.is_empty() { token.to_owned() } else { format!("{scheme} {token}") };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn read(&self) -> Result<HeaderValue, String> {
        let token = secret::read(&self.path)?;
        let illegal = || format!("the file {}: it holds no token", self.path.display());
        Self::value(&self.scheme, &token).ok_or_else(illegal)
    }
}

/// The header, as it is now.
#[derive(Debug)]
pub enum Authorization {
    /// None that changes.
    Nothing,
    /// Secret of a file.
    File(Arc<KnownToken>),
    /// Secret of a server of tokens.
    OAuth2(Box<OAuth2>),
}

/// A file of a token, and what it held.
#[derive(Debug)]
pub struct KnownToken {
    file: TokenFile,
    known: Mutex<Option<(Seen, HeaderValue)>>,
}

/// State of a file by which a change of it shows: its number, its length and its time.
type Seen = (u64, u64, SystemTime);

impl Authorization {
    /// The header of a source. Nobody is asked for it yet, but what files hold is read once.
    ///
    /// # Errors
    /// When a file cannot be read, or TLS not be set up.
    pub fn new(source: Option<&TokenSource>) -> Result<Self, String> {
        match source {
            None => Ok(Self::Nothing),
            Some(TokenSource::File(file)) => {
                file.read()?;
                Ok(Self::File(Arc::new(KnownToken { file: file.clone(), known: Mutex::default() })))
            }
            Some(TokenSource::OAuth2(settings)) => {
                Ok(Self::OAuth2(Box::new(OAuth2::new((**settings).clone())?)))
            }
        }
    }

    /// Adds the header.
    ///
    /// # Errors
    /// When there is no token now; says why, and nothing of it.
    pub async fn add_to(&self, headers: &mut HeaderMap) -> Result<(), String> {
        let (name, value) = match self {
            Self::Nothing => return Ok(()),
            Self::File(token) => {
                let this = Arc::clone(token);
                let read = tokio::task::spawn_blocking(move || this.value()).await;
                (token.file.header.clone(), read.map_err(|error| error.to_string())??)
            }
            Self::OAuth2(server) => (http::header::AUTHORIZATION, server.value().await?),
        };
        headers.insert(name, value);
        Ok(())
    }

    /// Notes that the destination does not take the token: the next request has another one.
    pub async fn refused(&self) {
        if let Self::OAuth2(server) = self {
            server.forget().await;
        }
    }
}

impl KnownToken {
    /// The value, read again where the file may have changed since.
    fn value(&self) -> Result<HeaderValue, String> {
        let seen = std::fs::metadata(&self.file.path)
            .and_then(|there| Ok((there.ino(), there.len(), there.modified()?)))
            .map_err(|error| format!("the file {}: {error}", self.file.path.display()))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, value)) = &*known
            && *before == seen
        {
            return Ok(value.clone());
        }
        let value = self.file.read()?;
        let settled = seen.2.elapsed().is_ok_and(|age| age > SETTLED);
        *known = settled.then(|| (seen, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_when_its_file_changes_and_no_sooner_once_it_is_old() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let write = |text: &str, age: u64| {
            std::fs::write(file.path(), text).expect("write");
            let time = SystemTime::now() - Duration::from_secs(age);
            file.as_file().set_modified(time).expect("a time");
        };
        let (header, scheme) = (http::header::AUTHORIZATION, String::new());
        let token = TokenFile { header, scheme, path: file.path().to_owned() };
        let known = KnownToken { file: token, known: Mutex::default() };
        let value = || known.value().map(|value| value.to_str().expect("text").to_owned());
        write("one\n", 0);
        assert_eq!(value(), Ok("one".into()));
        assert!(known.known.lock().expect("lock").is_none(), "it may change within the tick");
        write("two\n", 60);
        assert_eq!(value(), Ok("two".into()));
        assert!(known.known.lock().expect("lock").is_some(), "it is not read for each request");
        write("three", 30);
        assert_eq!(value(), Ok("three".into()));
        write("", 20);
        assert!(value().is_err_and(|why| why.contains("holds nothing")));
        write(&"x".repeat(70_000), 10);
        assert!(value().is_err_and(|why| why.contains("larger than") && !why.contains("xx")));
        write("a\nb", 5);
        assert!(value().is_err_and(|why| why.contains("no token") && !why.contains("a\nb")));
    }
}
