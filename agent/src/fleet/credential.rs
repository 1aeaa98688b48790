//! The agent's own credential, in the data directory, for the owner's eyes only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const FILE: &str = "credential";
/// The most bytes a credential may have.
const MAX: u64 = 4_096;

/// A token that proves who this agent is.
pub struct Credential(String);

impl Credential {
    /// Takes a token; nothing if it could not stand in a header.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        let legal = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        legal.then(|| Self(token.to_owned()))
    }

    /// The kept credential, if there is one.
    ///
    /// # Errors
    /// The system's; a file that holds no credential.
    pub fn load(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(found) if found.len() > MAX => Err(io::Error::other("the credential's file is too large")),
            Ok(_) => {
                let credential = Self::new(&fs::read_to_string(&path)?);
                credential.map(Some).ok_or_else(|| io::Error::other("the credential's file holds none"))
            }
        }
    }

    /// Keeps it. A crash leaves the old one or this one.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self, dir: &Path) -> io::Result<()> {
        let (path, beside) = (dir.join(FILE), dir.join("credential.new"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(self.0.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, path)
    }

    /// Removes the kept one.
    ///
    /// # Errors
    /// The system's.
    pub fn forget(&self, dir: &Path) -> io::Result<()> {
        fs::remove_file(dir.join(FILE))
    }

    /// `Bearer …`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_for_the_owners_eyes_only_and_never_shown() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("dir");
        assert!(Credential::load(dir.path()).expect("none").is_none());
        let credential = Credential::new(" phx_secret\n").expect("legal");
        credential.store(dir.path()).expect("store");
        let mode = fs::metadata(dir.path().join(FILE)).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = Credential::load(dir.path()).expect("load").expect("kept");
        assert_eq!(kept.bearer(), "Bearer phx_secret");
        assert!(!format!("{kept:?}").contains("secret"));
        kept.forget(dir.path()).expect("forget");
        assert!(Credential::load(dir.path()).expect("none").is_none());
        assert!(Credential::new("two words").is_none() && Credential::new("").is_none());
    }
}
