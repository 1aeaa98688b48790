//! The start of a log: its directory is locked, and the frames of its files are read.
//!
//! Payloads are not read but for their beginnings, so that a start takes as long as there are records, however large they
//! are: what is damaged in one is found once it is its turn. Where a frame does not hold, the rest of its file is read.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::scan::Scan;
use super::{Log, LogSettings, OpenError};
use crate::frame::Mark;
use crate::read::{Damage, Found, Record};
use crate::segment::Segment;

/// Smallest file, whatever the bound of all of them.
const LEAST_SEGMENT: u64 = 64 << 10;

/// A record that a start has found, by its frame and the beginning of its payload. Whether the payload holds is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Place by which the record is told apart from all others.
    pub place: (u64, u64),
    /// Its state; nothing if the mark is damaged.
    pub mark: Option<Mark>,
    /// Its kind.
    pub kind: u8,
    /// Bytes of its payload.
    pub length: u64,
    /// The first of them, as many as were asked for.
    pub head: &'a [u8],
}

impl<'a> Seen<'a> {
    fn of(segment: u64, record: &Record<'a>, length: u64) -> Self {
        let (place, head) = ((segment, record.offset), record.payload);
        Self { place, mark: record.mark, kind: record.kind, length, head }
    }
}

impl Log {
    /// Opens the log, and shows each of its records, the settled ones too, with the first `head` bytes of its payload, in the
    /// order in which they were written. Records are added to new files only.
    ///
    /// A disk on which nothing can be added is no failure: see [`Self::trouble`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        mut settings: LogSettings,
        head: usize,
        mut see: impl FnMut(Seen<'_>),
    ) -> Result<Self, OpenError> {
        settings.segment_bytes = settings.segment_bytes.min(settings.most_bytes / 4).max(LEAST_SEGMENT);
        let lock = lock(&settings.directory)?;
        let mut log = Self {
            lock,
            segments: Default::default(),
            current: None,
            spare: None,
            next_number: 0,
            syncs: false,
            has_new_file: false,
            cursor: (0, 0),
            trouble: None,
            damage: Vec::new(),
            settings,
        };
        let directory = log.settings.directory.clone();
        for ((number, salt), path) in files(&directory)? {
            log.scan((number, salt), &path, head, &mut see).map_err(failed("read", &path))?;
            log.next_number = log.next_number.max(number + 1);
        }
        let _told_by_the_trouble = log.prepare();
        Ok(log)
    }

    /// Shows each record of a log that it leaves as it is, whoever has it, as [`Self::open`] does. Returns the damage.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn look(
        directory: &Path,
        head: usize,
        mut see: impl FnMut(Seen<'_>),
    ) -> Result<Vec<(PathBuf, Damage)>, OpenError> {
        let mut damage = Vec::new();
        for ((number, salt), path) in files(directory)? {
            let mut scan = Scan::open(&path, salt, head).map_err(failed("read", &path))?;
            while let Some((found, length)) = scan.advance().map_err(failed("read", &path))? {
                match found {
                    Found::Record(record) => see(Seen::of(number, &record, length)),
                    Found::Damage(found) => damage.push((path.clone(), found)),
                }
            }
        }
        Ok(damage)
    }

    /// Removes a log that no process has, with all that is in it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn remove(directory: &Path) -> Result<(), OpenError> {
        let _until_it_is_gone = lock(directory)?;
        std::fs::remove_dir_all(directory).map_err(failed("remove", directory))
    }

    /// Tells whether a directory is that of a log with something in it, whoever has it.
    pub fn has_records(directory: &Path) -> bool {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut segments = entries.filter(|entry| Segment::of(&entry.file_name()).is_some());
        segments.any(|entry| entry.metadata().is_ok_and(|file| file.len() > 0))
    }

    fn scan(
        &mut self,
        (number, salt): (u64, u64),
        path: &Path,
        head: usize,
        see: &mut impl FnMut(Seen<'_>),
    ) -> io::Result<()> {
        let mut scan = Scan::open(path, salt, head)?;
        let mut segment = Segment {
            path: path.to_owned(),
            salt,
            length: scan.length(),
            waiting: 0,
            taken: 0,
            damage: Vec::new(),
            file: None,
        };
        while let Some((found, length)) = scan.advance()? {
            match found {
                Found::Record(record) => {
                    segment.waiting += u64::from(record.mark != Some(Mark::Settled));
                    see(Seen::of(number, &record, length));
                }
                Found::Damage(damage) => segment.damage.push(damage),
            }
        }
        self.damage.extend(segment.damage.iter().map(|damage| (path.to_owned(), *damage)));
        self.segments.insert(number, segment);
        // One that cannot be removed is read as settled at the next start as well.
        let _tried_again_then = self.remove_settled(number);
        Ok(())
    }
}

/// A file's number, salt and path.
type NamedFile = ((u64, u64), PathBuf);

/// Files of a log in a directory, in their order, each with its number and salt.
fn files(directory: &Path) -> Result<Vec<NamedFile>, OpenError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        files.extend(Segment::of(&entry.file_name()).map(|named| (named, entry.path())));
    }
    files.sort_unstable();
    Ok(files)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::System { what, path, source }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    if !directory.is_dir() {
        DirBuilder::new().mode(0o700).create(directory).map_err(failed("make the directory", directory))?;
    }
    let path = directory.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
    }
}
