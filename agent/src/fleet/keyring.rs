//! The last two credentials, in the data directory: a control plane whose database was restored knows the one before.
//!
//! None is ever removed but by a newer one. The first is the one that was let in last.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::credential::Credential;

/// Files, in the order in which their credentials are tried.
const FILES: [&str; 2] = ["credential", "credential.before"];
/// The most bytes a credential may have.
const MAX: u64 = 4_096;

/// Credentials that are kept.
#[derive(Debug)]
pub struct Keyring {
    dir: PathBuf,
    kept: Vec<Credential>,
    /// True until the first one was let in once.
    untried: bool,
}

impl Keyring {
    /// Reads what is kept. A file that cannot be read, or holds no credential, is as none, and said.
    pub fn open(dir: &Path) -> Self {
        let mut kept = Vec::new();
        for path in FILES.map(|name| dir.join(name)) {
            match load(&path) {
                Ok(Some(credential)) if !kept.contains(&credential) => kept.push(credential),
                Ok(_) => {}
                Err(error) => tracing::error!(path = %path.display(), %error, "a credential cannot be used"),
            }
        }
        Self { dir: dir.to_owned(), kept, untried: false }
    }

    /// The kept ones, in the order in which they are tried.
    pub fn kept(&self) -> Vec<Credential> {
        self.kept.clone()
    }

    /// Notes that this one was let in: from now on it is the first.
    pub fn let_in(&mut self, credential: &Credential) {
        self.untried = false;
        if self.kept.first() == Some(credential) {
            return;
        }
        self.kept.retain(|one| one != credential);
        self.kept.insert(0, credential.clone());
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the order of the credentials cannot be kept");
        }
    }

    /// Keeps a new one in front of the one that was let in last. A crash loses neither.
    ///
    /// # Errors
    /// The system's; then it is not kept and must not be used.
    pub fn add(&mut self, credential: Credential) -> io::Result<()> {
        let before = self.kept.clone();
        if self.untried && !self.kept.is_empty() {
            self.kept.remove(0);
        }
        self.kept.insert(0, credential);
        self.kept.truncate(FILES.len());
        let written = self.write();
        match written {
            Ok(()) => self.untried = true,
            Err(_) => self.kept = before,
        }
        written
    }

    /// The last one first: whatever the first file held is in it by the time that the first is replaced.
    fn write(&self) -> io::Result<()> {
        for (credential, name) in self.kept.iter().zip(FILES).rev() {
            store(credential, &self.dir.join(name))?;
        }
        Ok(())
    }
}

fn load(path: &Path) -> io::Result<Option<Credential>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(file) if file.len() > MAX => Err(io::Error::other("the file is too large")),
        Ok(_) => {
            let credential = Credential::new(&fs::read_to_string(path)?);
            credential.map(Some).ok_or_else(|| io::Error::other("the file holds no credential"))
        }
    }
}

/// Writes beside the file, then over it: a crash leaves the old one or the new one.
fn store(credential: &Credential, path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(credential.token().as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(token: &str) -> Credential {
        Credential::new(token).expect("legal")
    }

    fn kept(dir: &Path) -> Vec<String> {
        Keyring::open(dir).kept().iter().map(|one| one.token().to_owned()).collect()
    }

    #[test]
    fn the_last_two_are_kept_for_the_owners_eyes_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("dir");
        let mut keyring = Keyring::open(dir.path());
        assert!(keyring.kept().is_empty());
        for token in ["one", "two", "three"] {
            keyring.add(credential(token)).expect("kept");
            keyring.let_in(&credential(token));
        }
        assert_eq!(kept(dir.path()), ["three", "two"]);
        for name in FILES {
            let mode = fs::metadata(dir.path().join(name)).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn the_one_that_was_let_in_is_never_pushed_out_by_those_that_were_not() {
        let dir = tempfile::tempdir().expect("dir");
        let mut keyring = Keyring::open(dir.path());
        keyring.add(credential("good")).expect("kept");
        keyring.let_in(&credential("good"));
        for token in ["never", "used"] {
            keyring.add(credential(token)).expect("kept");
        }
        assert_eq!(kept(dir.path()), ["used", "good"]);
        keyring.let_in(&credential("good"));
        assert_eq!(kept(dir.path()), ["good", "used"], "the next start tries it first");
    }

    #[test]
    fn a_torn_file_is_as_none_and_the_other_is_still_tried() {
        let dir = tempfile::tempdir().expect("dir");
        let mut keyring = Keyring::open(dir.path());
        for token in ["one", "two"] {
            keyring.add(credential(token)).expect("kept");
            keyring.let_in(&credential(token));
        }
        for torn in [&b""[..], b"two words", b"\xff\xfe", &[b'x'; 5_000]] {
            fs::write(dir.path().join("credential"), torn).expect("write");
            assert_eq!(kept(dir.path()), ["one"]);
        }
    }
}
