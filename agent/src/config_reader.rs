//! Reading of the config, at the start and again once the files that it comes from have changed.
//!
//! Files are looked at by what the system says of them. A change is read once two looks in a row agree, so that a file is not
//! read while it is written; what then cannot be used is refused like any other config.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pipelines::yaml::{Lookup, Problems};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::config::{self, ConfigSources, Settings, SourceError};

/// Reason for which there are no settings.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The config is wrong.
    #[error("{0}")]
    Config(#[from] Problems),
}

/// Reader that several have.
pub type SharedReader = Arc<Mutex<ConfigReader>>;

/// Device, number, length, and time of the last change of a file, in seconds and nanoseconds.
type Mark = [i64; 5];

/// Reader of a config, which knows what it read last.
#[derive(Debug)]
pub struct ConfigReader {
    sources: ConfigSources,
    /// Files that were read, each as it was then and as it was at the last look; nothing of one that is not there.
    files: BTreeMap<PathBuf, [Option<Mark>; 2]>,
    /// Digest of all that was read.
    digest: [u8; 32],
}

impl ConfigReader {
    /// A reader that has read nothing yet.
    pub fn new(sources: ConfigSources) -> Self {
        Self { sources, files: BTreeMap::new(), digest: [0; 32] }
    }

    /// Names of what it reads, for a person.
    pub fn names(&self) -> String {
        self.sources.names()
    }

    /// Places that it reads.
    pub fn sources(&self) -> &ConfigSources {
        &self.sources
    }

    /// Reads the config.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self) -> Result<Settings, ReadError> {
        let known: BTreeMap<_, _> = self.files.keys().map(marked).collect();
        let files = RefCell::new(self.sources.files().map(marked).collect::<BTreeMap<_, _>>());
        let digest = RefCell::new(Sha256::new());
        let lookup = |name: &str| {
            files.borrow_mut().extend(name.strip_prefix("file:").map(marked));
            let value = variable(name);
            let read = format!("{name}={}", value.as_deref().unwrap_or_default());
            digest.borrow_mut().update(read);
            value
        };
        let settings = self.load(&lookup, &digest);
        self.files = files.into_inner();
        if settings.is_err() {
            // A config that is not read to its end does not name all of its files.
            self.files.extend(known);
        }
        self.digest = digest.into_inner().finalize().into();
        settings
    }

    fn load(&self, lookup: Lookup<'_>, digest: &RefCell<Sha256>) -> Result<Settings, ReadError> {
        let sources = self.sources.read(|name| std::env::var(name).ok())?;
        sources.iter().for_each(|source| digest.borrow_mut().update(&source.text));
        Ok(config::load(&sources, lookup)?)
    }

    /// Has the next looks read it again, whatever it says: something else was put in force than what was read here last.
    pub fn forget(&mut self) {
        self.digest = [0; 32];
        self.files.values_mut().for_each(|[read, _]| *read = Some([-1; 5]));
    }

    /// Reads the config if its files are others than at the last time; nothing if they are not, if they change still, or if they
    /// say the same as before.
    pub fn read_changed(&mut self) -> Option<Result<Settings, ReadError>> {
        let (mut is_other, mut is_still) = (false, true);
        for (file, [read, seen]) in &mut self.files {
            let now = mark(file);
            is_other |= now != *read;
            is_still &= now == *seen;
            *seen = now;
        }
        if !is_other || !is_still {
            return None;
        }
        let before = self.digest;
        let settings = self.read();
        (self.digest != before).then_some(settings)
    }
}

fn marked(path: impl AsRef<Path>) -> (PathBuf, [Option<Mark>; 2]) {
    (path.as_ref().to_owned(), [mark(path.as_ref()); 2])
}

/// Mark of the file that a path leads to, over links such as those of a mounted ConfigMap; nothing if there is none.
fn mark(path: &Path) -> Option<Mark> {
    let of = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some([of.dev() as i64, of.ino() as i64, of.size() as i64, of.mtime(), of.mtime_nsec()])
}

/// A variable of the environment, or the text of a file without the end of its last line.
fn variable(name: &str) -> Option<String> {
    match name.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path).ok().map(|text| text.trim_end_matches('\n').to_owned()),
        None => std::env::var(name).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const TEXT: &str = "receivers: { otlp: { protocols: { grpc: {} } } }
exporters: { otlp: { endpoint: 'http://one:4317' } }
phoenix: { memory_limit: '${file:DIR/limit}' }
service: { pipelines: { metrics: { receivers: [otlp], exporters: [otlp] } } }
";

    /// A folder as a mounted ConfigMap is one: each name is a link over `..data`, which leads to the folder of the day.
    struct Mount(tempfile::TempDir);

    impl Mount {
        fn new(limit: &str, text: &str) -> Self {
            let mount = Self(tempfile::tempdir().expect("a directory"));
            for name in ["agent.yaml", "limit"] {
                symlink(Path::new("..data").join(name), mount.path(name)).expect("a link");
            }
            mount.put("first", limit, text);
            mount
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Puts other content in the place of what is there, at once.
        fn put(&self, day: &str, limit: &str, text: &str) {
            let text = text.replace("DIR", &self.0.path().display().to_string());
            std::fs::create_dir(self.path(day)).expect("made");
            std::fs::write(self.path(day).join("agent.yaml"), text).expect("written");
            std::fs::write(self.path(day).join("limit"), limit).expect("written");
            symlink(day, self.path("..data_tmp")).expect("a link");
            std::fs::rename(self.path("..data_tmp"), self.path("..data")).expect("renamed");
        }

        fn reader(&self) -> ConfigReader {
            let config = vec![self.path("agent.yaml").display().to_string()];
            ConfigReader::new(ConfigSources { config, set: Vec::new() })
        }
    }

    #[test]
    fn what_a_mount_has_anew_is_read_once_two_looks_agree_and_not_where_it_says_the_same() {
        let mount = Mount::new("200MiB\n", TEXT);
        let mut reader = mount.reader();
        let first = reader.read().expect("settings");
        assert!(reader.read_changed().is_none(), "nothing has changed");
        mount.put("second", "200MiB\n", &TEXT.replace("metrics:", "metrics/new:"));
        assert!(reader.read_changed().is_none(), "it may change still");
        let second = reader.read_changed().expect("it is read").expect("settings");
        assert_ne!(first.digest, second.digest);
        assert!(reader.read_changed().is_none(), "once");
        mount.put("third", "200MiB\n", &TEXT.replace("metrics:", "metrics/new:"));
        assert!((0..3).all(|_| reader.read_changed().is_none()), "it says the same");
    }

    #[test]
    fn what_was_read_besides_is_read_again_also_where_it_says_what_it_said_before() {
        let mount = Mount::new("200MiB\n", TEXT);
        let mut reader = mount.reader();
        let first = reader.read().expect("settings");
        reader.forget();
        let again = (0..2).find_map(|_| reader.read_changed()).expect("it is read").expect("settings");
        assert_eq!(first.digest, again.digest);
        assert!((0..3).all(|_| reader.read_changed().is_none()), "once");
    }

    #[test]
    fn a_file_whose_text_the_config_takes_is_looked_at_too() {
        let mount = Mount::new("200MiB\n", TEXT);
        let mut reader = mount.reader();
        reader.read().expect("settings");
        mount.put("second", "300MiB\n", TEXT);
        let second = (0..2).find_map(|_| reader.read_changed()).expect("it is read").expect("settings");
        assert_eq!(second.memory_limit, 300 << 20);
    }

    #[test]
    fn a_config_that_vanishes_is_told_once_and_read_when_it_is_back() {
        let mount = Mount::new("200MiB\n", TEXT);
        let mut reader = mount.reader();
        reader.read().expect("settings");
        std::fs::rename(mount.path("..data"), mount.path("away")).expect("renamed");
        let gone = (0..2).find_map(|_| reader.read_changed()).expect("it is told");
        let told = gone.expect_err("there is none").to_string();
        assert!(told.ends_with("agent.yaml: No such file or directory (os error 2)"), "{told}");
        assert!((0..3).all(|_| reader.read_changed().is_none()), "once");
        std::fs::rename(mount.path("away"), mount.path("..data")).expect("renamed");
        (0..2).find_map(|_| reader.read_changed()).expect("it is read").expect("settings");
    }

    #[test]
    fn a_wrong_config_is_told_once_and_the_next_one_read() {
        let mount = Mount::new("200MiB\n", TEXT);
        let mut reader = mount.reader();
        reader.read().expect("settings");
        mount.put("second", "", "receivers: [");
        assert!((0..2).find_map(|_| reader.read_changed()).expect("it is read").is_err());
        assert!((0..3).all(|_| reader.read_changed().is_none()), "once");
        mount.put("third", "400MiB", TEXT);
        (0..2).find_map(|_| reader.read_changed()).expect("it is read").expect("settings");
    }
}
