//! A file that grows by whole pieces, and makes room for another one once it is large.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::request::Media;

/// Time in the name of a file that made room.
const STAMP: &str = "%Y-%m-%dT%H-%M-%S.%3f";
/// Names that are tried where one is taken; each is a millisecond later.
const NAMES: i64 = 1_000;

/// Settings of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file.
    pub path: PathBuf,
    /// Encoding of what is written.
    pub media: Media,
    /// True if each request is compressed.
    pub zstd: bool,
    /// True if what stands in it at the start stays.
    pub append: bool,
    /// Rule by which it makes room.
    pub rotation: Option<Rotation>,
    /// Permissions of its directory, where that is made.
    pub directory: Option<u32>,
}

/// `rotation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Most bytes of a file. What is larger by itself stands in a file alone.
    pub most_bytes: u64,
    /// Time for which files are kept that made room; without an end where there is none.
    pub keep: Option<Duration>,
    /// Number of them that are kept, the newest; all of them where there is none.
    pub backups: Option<usize>,
    /// True if their names tell this machine's time, else UTC.
    pub local: bool,
}

/// A file that is written.
#[derive(Debug)]
pub struct RollingFile {
    settings: FileSettings,
    open: Option<OpenFile>,
    /// True until something was written, where what stands in it then is to go.
    fresh: bool,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    /// Device and number by which the file is known, whatever its name.
    id: (u64, u64),
}

impl RollingFile {
    /// A file that can be opened. Nothing in it is changed yet.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn new(settings: &FileSettings) -> io::Result<Self> {
        let fresh = !settings.append && settings.rotation.is_none();
        let this = Self { settings: settings.clone(), open: None, fresh };
        if let (Some(mode), Some(parent)) = (settings.directory, settings.path.parent()) {
            let made = DirBuilder::new().recursive(true).mode(mode).create(parent);
            made.map_err(|error| this.failed("make the directory of", &error))?;
        }
        this.opened().map_err(|error| this.failed("open", &error))?;
        Ok(this)
    }

    /// Adds a piece, whole or not at all.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.is_at(&self.settings.path)) {
            // Somebody took it away, or put another in its place.
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.first().map_err(|error| self.failed("open", &error))?,
        };
        if let Some(rotation) = self.settings.rotation
            && open.size > 0
            && open.size + piece.len() as u64 > rotation.most_bytes
        {
            self.make_room(rotation).map_err(|error| self.failed("rotate", &error))?;
            open = self.opened().map_err(|error| self.failed("open", &error))?;
        }
        if let Err(error) = open.add(piece) {
            let error = self.failed("write", &error);
            open.undo().map_err(|undo| {
                io::Error::other(format!("{error}; a part of a request stays in it: {undo}"))
            })?;
            return Err(error);
        }
        self.open = Some(open);
        Ok(())
    }

    /// Opens it before the first piece.
    fn first(&mut self) -> io::Result<OpenFile> {
        if self.fresh {
            OpenOptions::new().write(true).create(true).truncate(true).open(&self.settings.path)?;
        }
        let open = self.opened()?;
        self.fresh = false;
        Ok(open)
    }

    fn opened(&self) -> io::Result<OpenFile> {
        let file = OpenOptions::new().append(true).create(true).open(&self.settings.path)?;
        let there = file.metadata()?;
        Ok(OpenFile { size: there.len(), id: (there.dev(), there.ino()), file })
    }

    /// Gives the file the name of one that made room, and removes those that are too old or too many.
    fn make_room(&self, rotation: Rotation) -> io::Result<()> {
        let zone = if rotation.local { TimeZone::system() } else { TimeZone::UTC };
        let now = Timestamp::try_from(SystemTime::now()).map_err(io::Error::other)?;
        let names = (0..NAMES).filter_map(|later| {
            let at = Timestamp::from_millisecond(now.as_millisecond() + later).ok()?;
            Some(self.settings.path.with_file_name(self.name(&at.to_zoned(zone.clone()).datetime())))
        });
        let free = names.into_iter().find(|name| name.symlink_metadata().is_err());
        let free = free.ok_or_else(|| io::Error::other("there is no name left for it"))?;
        std::fs::rename(&self.settings.path, free)?;
        let wall = now.to_zoned(zone).datetime();
        if let Err(error) = self.remove_old(rotation, wall) {
            tracing::warn!(%error, path = %self.settings.path.display(), "old files are not removed");
        }
        Ok(())
    }

    fn remove_old(&self, rotation: Rotation, now: DateTime) -> io::Result<()> {
        let folder = self.settings.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut old: Vec<(DateTime, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            old.extend(self.time(&entry.file_name().to_string_lossy()).map(|time| (time, entry.path())));
        }
        old.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        for (place, (time, path)) in old.into_iter().enumerate() {
            let surplus = rotation.backups.is_some_and(|backups| place >= backups);
            let age = Duration::try_from(now.duration_since(time)).unwrap_or_default();
            if surplus || rotation.keep.is_some_and(|keep| age > keep) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Parts of the name around the time.
    fn around(&self) -> (String, String) {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let end = part(self.settings.path.extension());
        let end = if end.is_empty() { end } else { format!(".{end}") };
        (format!("{}-", part(self.settings.path.file_stem())), end)
    }

    fn name(&self, time: &DateTime) -> String {
        let (start, end) = self.around();
        format!("{start}{}{end}", time.strftime(STAMP))
    }

    /// The time in the name of a file that made room; nothing where it is another file.
    fn time(&self, name: &str) -> Option<DateTime> {
        let (start, end) = self.around();
        let time = name.strip_prefix(&start)?.strip_suffix(&end)?;
        DateTime::strptime(STAMP, time).ok()
    }

    fn failed(&self, what: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot {what} {}: {error}", self.settings.path.display()))
    }
}

impl OpenFile {
    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == self.id)
    }

    fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        // What somebody else took away of it is not there any more.
        self.size = self.file.metadata()?.len();
        self.file.write_all(piece)?;
        self.size += piece.len() as u64;
        Ok(())
    }

    /// Takes away what was written of a piece.
    fn undo(&self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.size { self.file.set_len(self.size) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: PathBuf, rotation: Option<Rotation>) -> FileSettings {
        FileSettings { path, media: Media::Json, zstd: false, append: false, rotation, directory: None }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_would_be_too_large_makes_room_and_only_the_newest_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let rotation = Rotation { most_bytes: 10, keep: None, backups: Some(2), local: true };
        let path = folder.path().join("out.json");
        // What others keep beside it is nobody's business.
        std::fs::write(folder.path().join("out-of-order.json"), "mine").expect("write");
        let mut file = RollingFile::new(&settings(path.clone(), Some(rotation))).expect("open");
        for piece in
            ["aaaa\n", "bbbb\n", "cccc\n", "a piece that is too large by itself\n", "dddd\n", "eeee\n"]
        {
            file.write(piece.as_bytes()).expect("write");
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "dddd\neeee\n");
        let before: Vec<String> = names[..2]
            .iter()
            .map(|name| std::fs::read_to_string(folder.path().join(name)).expect("read"))
            .collect();
        assert_eq!(before, ["cccc\n", "a piece that is too large by itself\n"]);
        assert!(names[0].starts_with("out-2") && names[0].ends_with(".json"), "{names:?}");
        // It goes on where it was.
        let mut again = RollingFile::new(&settings(path.clone(), Some(rotation))).expect("open");
        again.write(b"ffff\n").expect("write");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "ffff\n");
    }

    #[test]
    fn files_that_are_older_than_they_are_kept_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let keep = Some(Duration::from_secs(86_400));
        let rotation = Rotation { most_bytes: 1, keep, backups: None, local: false };
        let old = folder.path().join("out-2001-02-03T04-05-06.789");
        std::fs::write(&old, "old").expect("write");
        let mut file = RollingFile::new(&settings(folder.path().join("out"), Some(rotation))).expect("open");
        for piece in ["a", "b", "c"] {
            file.write(piece.as_bytes()).expect("write");
        }
        assert!(!old.exists());
        assert_eq!(names(folder.path()).len(), 3);
    }

    #[test]
    fn what_stood_there_goes_with_the_first_piece_unless_it_is_to_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let read = || std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, "before\n").expect("write");
        let mut file = RollingFile::new(&settings(path.clone(), None)).expect("open");
        assert_eq!(read(), "before\n", "nothing is changed yet");
        file.write(b"a\n").expect("write");
        file.write(b"b\n").expect("write");
        assert_eq!(read(), "a\nb\n");
        let appended = FileSettings { append: true, ..settings(path.clone(), None) };
        let mut file = RollingFile::new(&appended).expect("open");
        file.write(b"c\n").expect("write");
        assert_eq!(read(), "a\nb\nc\n");
        // Moved away by somebody, it is made again; cut to nothing, it begins anew.
        std::fs::rename(&path, folder.path().join("moved")).expect("rename");
        file.write(b"d\n").expect("write");
        assert_eq!(read(), "d\n");
        std::fs::write(&path, "").expect("truncate");
        file.write(b"e\n").expect("write");
        assert_eq!(read(), "e\n");
        let nowhere = settings(folder.path().join("no/such/out"), None);
        let error = RollingFile::new(&nowhere).expect_err("no folder").to_string();
        assert!(error.contains("cannot open") && error.contains("no/such/out"), "{error}");
        let mut made = RollingFile::new(&FileSettings { directory: Some(0o750), ..nowhere }).expect("made");
        made.write(b"f\n").expect("write");
    }
}
