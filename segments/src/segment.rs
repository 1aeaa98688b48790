//! A file of the log.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::frame::{self, Frame, HEADER, MARK_AT, Mark};
use crate::read::{Damage, Found, Reader};

/// End of the files' names.
const SUFFIX: &str = ".log";

/// A file that records are read from, and settled in.
#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    pub salt: u64,
    /// Bytes of it that were written.
    pub length: u64,
    /// Records that are not settled, and that nobody has read.
    pub waiting: u64,
    /// Records that are not settled, and that somebody has.
    pub taken: u64,
    /// Known places that are no record.
    pub damage: Vec<Damage>,
    /// The file, while it is read or written. What is being delivered of it holds it as well.
    pub file: Option<Arc<File>>,
}

/// Outcome of reading at a place.
#[derive(Debug)]
pub struct Read {
    /// Place to go on from.
    pub next: u64,
    /// The record that stands there, if it waits.
    pub record: Option<ReadRecord>,
    /// Damage that was not known.
    pub damage: Vec<Damage>,
}

/// A record that was read.
#[derive(Debug)]
pub struct ReadRecord {
    pub file: Arc<File>,
    pub mark: Option<Mark>,
    pub kind: u8,
    pub payload: Vec<u8>,
}

/// A file that is written.
#[derive(Debug)]
pub struct Writing {
    pub file: Arc<File>,
    pub path: PathBuf,
    pub salt: u64,
    pub length: u64,
    /// Bytes that the disk has set aside for it.
    pub room: u64,
}

impl Segment {
    /// Number and salt in a file's name; nothing if it is none of the log's.
    pub fn of(name: &OsStr) -> Option<(u64, u64)> {
        let (number, salt) = name.to_str()?.strip_suffix(SUFFIX)?.split_once('-')?;
        let hex = |text: &str| (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        Some((hex(number)?, hex(salt)?))
    }

    /// Reads what stands at `offset`.
    pub fn read(&mut self, offset: u64) -> Read {
        if let Some(known) = self.damage.iter().find(|damage| damage.offset == offset) {
            return Read { next: offset + known.bytes, record: None, damage: Vec::new() };
        }
        let read = self.open().and_then(|file| Ok((read_frame(&file, self.salt, offset)?, file)));
        let (frame, file) = match read {
            Ok((Some(frame), file)) if offset + frame.bytes() <= self.length => (frame, file),
            Ok(_) => return self.search(offset),
            Err(_) => return self.give_up(offset),
        };
        let next = offset + frame.bytes();
        if frame.mark == Some(Mark::Settled) {
            return Read { next, record: None, damage: Vec::new() };
        }
        let mut payload = vec![0; frame.length as usize];
        let whole = file.read_exact_at(&mut payload, offset + HEADER as u64).is_ok() && frame.is_of(&payload);
        if !whole {
            self.waiting = self.waiting.saturating_sub(1);
            let damage = Damage { offset, bytes: frame.bytes(), is_torn_end: false };
            return Read { next, record: None, damage: vec![damage] };
        }
        Read {
            next,
            record: Some(ReadRecord { file, mark: frame.mark, kind: frame.kind, payload }),
            damage: Vec::new(),
        }
    }

    /// Looks for the records behind a frame that does not hold any more.
    fn search(&mut self, offset: u64) -> Read {
        let mut bytes = vec![0; usize::try_from(self.length.saturating_sub(offset)).unwrap_or_default()];
        let read = self.open().and_then(|file| file.read_exact_at(&mut bytes, offset));
        if read.is_err() {
            return self.give_up(offset);
        }
        self.waiting = 0;
        let mut found_damage = Vec::new();
        for found in Reader::new(&bytes, self.salt, offset) {
            match found {
                Found::Record(record) => self.waiting += u64::from(record.mark != Some(Mark::Settled)),
                Found::Damage(damage) => found_damage.push(damage),
            }
        }
        self.damage.extend(&found_damage);
        Read { next: offset, record: None, damage: found_damage }
    }

    /// Passes over the rest of a file that cannot be read.
    fn give_up(&mut self, offset: u64) -> Read {
        self.waiting = 0;
        let bytes = self.length.saturating_sub(offset);
        Read { next: self.length, record: None, damage: vec![Damage { offset, bytes, is_torn_end: false }] }
    }

    /// The file, opened if it is not. On a disk that is read-only for now it can be read all the same; it is opened again when it
    /// is to be marked.
    fn open(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        match self.open_to_mark() {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Ok(Arc::new(File::open(&self.path)?))
            }
            opened => opened,
        }
    }

    /// The file, opened anew, such that its records can be marked.
    pub fn open_to_mark(&mut self) -> io::Result<Arc<File>> {
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(&self.path)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

impl Writing {
    /// A new file with room for `room` bytes, which nobody else can take away any more where the file system knows how.
    pub fn create(directory: &Path, number: u64, room: u64) -> io::Result<Self> {
        // Each of them begins with other keys, from the system's random source.
        let salt = RandomState::new().hash_one(number);
        let path = directory.join(format!("{number:016x}-{salt:016x}{SUFFIX}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(error) = set_aside(&file, directory, room) {
            let _it_is_empty = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { file: Arc::new(file), path, salt, length: 0, room })
    }

    /// Adds a record with a mark; returns its place.
    pub fn append(&mut self, kind: u8, mark: Mark, parts: &[&[u8]]) -> io::Result<u64> {
        let offset = self.length;
        let mut header = frame::frame(kind, parts, self.salt, offset);
        header[MARK_AT as usize] = mark as u8;
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len() + 1);
        slices.push(IoSlice::new(&header));
        slices.extend(parts.iter().map(|part| IoSlice::new(part)));
        write_all(&self.file, &mut slices)?;
        let payload: u64 = parts.iter().map(|part| part.len() as u64).sum();
        self.length = offset + HEADER as u64 + payload;
        Ok(offset)
    }
}

fn read_frame(file: &File, salt: u64, offset: u64) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, offset)?;
    Ok(Frame::parse(&header, salt, offset))
}

fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sets bytes of the disk aside. Where the file system cannot, there must be as many at this moment.
fn set_aside(file: &File, directory: &Path, room: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, room) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let disk = rustix::fs::statvfs(directory)?;
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free < room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
        outcome => Ok(outcome?),
    }
}
