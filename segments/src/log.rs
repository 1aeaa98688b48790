//! The log: files that are written one after the other, read in order, and removed once they are settled.

mod open;
mod scan;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

pub use open::Seen;

use crate::frame::{HEADER, MARK_AT, Mark};
use crate::read::Damage;
use crate::segment::{Read, ReadRecord, Segment, Writing};

/// Settings of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Its directory, which is made; the one above must be there.
    pub directory: PathBuf,
    /// Bytes of a file. A record that is larger has one of its own.
    pub segment_bytes: u64,
    /// Bytes of all files from which on nothing more should be written.
    pub most_bytes: u64,
}

/// Reason for which a log cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is locked: another agent keeps its queue there")]
    Locked(PathBuf),
    /// The system's.
    #[error("cannot {what} {path}: {source}")]
    System {
        /// Operation that failed, such as `lock`.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
}

/// A record's place, by which it is marked.
#[derive(Clone, Debug)]
pub struct Entry {
    file: Arc<File>,
    segment: u64,
    offset: u64,
}

impl Entry {
    /// Marks the record, on disk, in place.
    ///
    /// # Errors
    /// The system's; the mark is the one before then.
    pub fn mark(&self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&[mark as u8], self.offset + MARK_AT)
    }

    /// Place by which the record is told apart from all others.
    pub fn place(&self) -> (u64, u64) {
        (self.segment, self.offset)
    }
}

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place.
    pub entry: Entry,
    /// Its state; nothing if that is damaged.
    pub mark: Option<Mark>,
    /// Its kind.
    pub kind: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A log of records that are not settled yet.
#[derive(Debug)]
pub struct Log {
    settings: LogSettings,
    #[expect(dead_code, reason = "locked, not read")]
    lock: File,
    segments: BTreeMap<u64, Segment>,
    /// File that is written; it is among the segments, too.
    current: Option<(u64, Writing)>,
    /// File that is written next, made before it is needed so that a full disk is known in time.
    spare: Option<(u64, Writing)>,
    next_number: u64,
    /// True if what is written is to survive a power loss.
    syncs: bool,
    /// True if the directory has a file that it may lose with the power.
    has_new_file: bool,
    /// Place of the next record to be read.
    cursor: (u64, u64),
    trouble: Option<String>,
    damage: Vec<(PathBuf, Damage)>,
}

impl Log {
    /// Adds a record; it waits to be read.
    ///
    /// # Errors
    /// The system's. Nothing of the record is ever read then, and [`Self::trouble`] says why until the disk can be written
    /// again.
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<Entry> {
        self.append_marked(kind, Mark::Waiting, parts)
    }

    /// Adds a record with a mark, such as one that is attempted at once.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_marked(&mut self, kind: u8, mark: Mark, parts: &[&[u8]]) -> io::Result<Entry> {
        let outcome = self.write(kind, mark, parts);
        match &outcome {
            Ok(_) => {
                // What is written is written; whether more can be is told by the trouble.
                let _told = self.prepare();
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
        outcome
    }

    fn write(&mut self, kind: u8, mark: Mark, parts: &[&[u8]]) -> io::Result<Entry> {
        let payload: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if payload > u64::from(u32::MAX) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a record of 4 GiB or more"));
        }
        let need = HEADER as u64 + payload;
        if self.current.as_ref().is_none_or(|(_, writing)| writing.length + need > writing.room) {
            self.rotate(need)?;
        }
        let Some((number, writing)) = &mut self.current else { return Err(io::ErrorKind::NotFound.into()) };
        let (number, length) = (*number, writing.length);
        let offset = match writing.append(kind, mark, parts) {
            Ok(offset) => offset,
            Err(error) => {
                // With the half of a record goes what was set aside: nothing more is written to it, whether that can be or not.
                let _a_torn_end_else = writing.file.set_len(length);
                self.current = None;
                let _left_until_the_next_start = self.remove_settled(number);
                return Err(error);
            }
        };
        let entry = Entry { file: Arc::clone(&writing.file), segment: number, offset };
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.length = writing.length;
            segment.waiting += 1;
        }
        Ok(entry)
    }

    /// Goes on in another file with room for `need` bytes.
    fn rotate(&mut self, need: u64) -> io::Result<()> {
        if let Some((_, writing)) = self.current.as_ref().filter(|_| self.syncs) {
            writing.file.sync_data()?;
        }
        let (number, writing) = match self.spare.take() {
            Some((number, spare)) if spare.room >= need => (number, spare),
            small => {
                // Not kept: files are read in the order of their numbers.
                let _it_is_empty = small.map(|(_, small)| std::fs::remove_file(small.path));
                self.create(need.max(self.settings.segment_bytes))?
            }
        };
        if let Some((before, writing)) = self.current.take() {
            // Gives back what was set aside and not used; if it cannot, the file's end does.
            let _given_back_later = writing.file.set_len(writing.length);
            // The next start finds one that cannot be removed settled.
            let _left_until_then = self.remove_settled(before);
        }
        let segment = Segment {
            path: writing.path.clone(),
            salt: writing.salt,
            length: 0,
            waiting: 0,
            taken: 0,
            damage: Vec::new(),
            file: Some(Arc::clone(&writing.file)),
        };
        self.segments.insert(number, segment);
        self.current = Some((number, writing));
        Ok(())
    }

    fn create(&mut self, room: u64) -> io::Result<(u64, Writing)> {
        let number = self.next_number;
        let writing = Writing::create(&self.settings.directory, number, room)?;
        self.next_number += 1;
        self.has_new_file = true;
        Ok((number, writing))
    }

    /// Sees to it that there is room for the next records; a disk on which there is none, or that cannot be written, is known
    /// before they come. To be called again while there is [trouble](Self::trouble).
    ///
    /// # Errors
    /// The system's.
    pub fn prepare(&mut self) -> io::Result<()> {
        let quarter = self.settings.segment_bytes / 4;
        let left =
            self.current.as_ref().map_or(0, |(_, writing)| writing.room.saturating_sub(writing.length));
        if self.trouble.is_some() {
            // What was set aside before says nothing about a disk that has failed since.
            if let Some((_, spare)) = self.spare.take() {
                std::fs::remove_file(&spare.path)
                    .inspect_err(|error| self.trouble = Some(error.to_string()))?;
            }
        }
        if self.spare.is_none() && (left < quarter || self.trouble.is_some()) {
            let created = self.create_spare();
            self.spare = Some(created.inspect_err(|error| self.trouble = Some(error.to_string()))?);
        }
        self.trouble = None;
        Ok(())
    }

    /// A file of the usual size, or of a smaller one where the disk has no more room.
    fn create_spare(&mut self) -> io::Result<(u64, Writing)> {
        let full = self.settings.segment_bytes;
        for room in [full, full / 4] {
            match self.create(room) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                created => return created,
            }
        }
        self.create(full / 16)
    }

    /// The most bytes that a record may have for which there is room for certain; nothing where the disk is not short of it.
    pub fn room(&self) -> Option<u64> {
        let is_short = |(_, spare): &(u64, Writing)| spare.room < self.settings.segment_bytes;
        let spare = self.spare.as_ref().filter(|spare| is_short(spare)).map(|(_, spare)| spare.room)?;
        let left =
            self.current.as_ref().map_or(0, |(_, writing)| writing.room.saturating_sub(writing.length));
        Some(spare.max(left).saturating_sub(HEADER as u64))
    }

    /// Says whether what is written from now on is to survive a power loss, with a [`Self::sync`] from time to time.
    pub fn set_syncs(&mut self, syncs: bool) {
        self.syncs = syncs;
    }

    /// Makes what was written survive a power loss, if that is asked for.
    ///
    /// # Errors
    /// The system's; what was written since the last time may be lost with the power then.
    pub fn sync(&mut self) -> io::Result<()> {
        let Some((_, writing)) = self.current.as_ref().filter(|_| self.syncs) else { return Ok(()) };
        let mut synced = writing.file.sync_data();
        if self.has_new_file && synced.is_ok() {
            synced = File::open(&self.settings.directory).and_then(|directory| directory.sync_all());
            self.has_new_file = synced.is_err();
        }
        synced.inspect_err(|error| self.trouble = Some(error.to_string()))
    }

    /// Reason for which the disk cannot be written now, if it cannot.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Notes that the disk could not be written by somebody else, such as by [`Entry::mark`].
    pub fn note_trouble(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        let written: u64 = self.segments.values().map(|segment| segment.length).sum();
        let open = self.current.as_ref().map_or(0, |(_, writing)| writing.room - writing.length);
        written + open + self.spare.as_ref().map_or(0, |(_, writing)| writing.room)
    }

    /// Tells whether it has as many bytes as it should.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.settings.most_bytes
    }

    /// Records that wait to be read.
    pub fn waiting(&self) -> u64 {
        self.segments.values().map(|segment| segment.waiting).sum()
    }

    /// Tells whether all of its records are settled.
    pub fn is_empty(&self) -> bool {
        self.segments.values().all(|segment| segment.waiting + segment.taken == 0)
    }

    /// Takes a record that was just added as read, if no other waits before it.
    pub fn claim(&mut self, entry: &Entry) -> bool {
        let is_next = self.waiting() == 1;
        if is_next && let Some(segment) = self.segments.get_mut(&entry.segment) {
            (segment.waiting, segment.taken) = (0, segment.taken + 1);
            self.cursor = (entry.segment, segment.length);
        }
        is_next
    }

    /// Reads the next record that is not settled. Damage is passed over, and told by [`Self::take_damage`].
    pub fn next_waiting(&mut self) -> Option<Stored> {
        loop {
            let (number, offset) = self.cursor;
            let (&found, segment) = self.segments.range_mut(number..).next()?;
            let offset = if found == number { offset } else { 0 };
            self.cursor = (found, offset);
            if segment.waiting == 0 {
                if self.current.as_ref().is_some_and(|(current, _)| *current == found) {
                    self.cursor = (found, segment.length);
                    return None;
                }
                segment.file = None;
                self.cursor = (found + 1, 0);
                // Where damage has left nothing of it that somebody settles.
                let _left_until_the_next_start = self.remove_settled(found);
                continue;
            }
            let Read { next, record, damage } = segment.read(offset);
            self.cursor = (found, next);
            self.damage.extend(damage.into_iter().map(|damage| (segment.path.clone(), damage)));
            let Some(ReadRecord { file, mark, kind, payload }) = record else { continue };
            (segment.waiting, segment.taken) = (segment.waiting.saturating_sub(1), segment.taken + 1);
            let entry = Entry { file, segment: found, offset };
            return Some(Stored { entry, mark, kind, payload });
        }
    }

    /// Takes the record at a place out of those that wait, and reads it; nothing if no record waits there that can be read.
    pub fn take(&mut self, (number, offset): (u64, u64)) -> Option<Stored> {
        let segment = self.segments.get_mut(&number)?;
        let Read { record, damage, .. } = segment.read(offset);
        self.damage.extend(damage.into_iter().map(|damage| (segment.path.clone(), damage)));
        let ReadRecord { file, mark, kind, payload } = record?;
        (segment.waiting, segment.taken) = (segment.waiting.saturating_sub(1), segment.taken + 1);
        Some(Stored { entry: Entry { file, segment: number, offset }, mark, kind, payload })
    }

    /// Reads a record once more that was read or claimed and is not settled; nothing if it cannot be read any more.
    pub fn read_again(&mut self, entry: Entry) -> Option<Stored> {
        let segment = self.segments.get_mut(&entry.segment)?;
        let waiting = segment.waiting;
        let Read { record, damage, .. } = segment.read(entry.offset);
        // It is not among those that wait, whatever was found.
        segment.waiting = waiting;
        self.damage.extend(damage.into_iter().map(|damage| (segment.path.clone(), damage)));
        let Some(ReadRecord { mark, kind, payload, .. }) = record else {
            segment.taken = segment.taken.saturating_sub(1);
            return None;
        };
        Some(Stored { entry, mark, kind, payload })
    }

    /// Marks a record, also one that was read while its file could not be written.
    ///
    /// # Errors
    /// The system's; the mark is the one before then.
    pub fn mark(&mut self, entry: &Entry, mark: Mark) -> io::Result<()> {
        if entry.mark(mark).is_ok() {
            return Ok(());
        }
        // Without its segment nobody reads it any more.
        let Some(segment) = self.segments.get_mut(&entry.segment) else { return Ok(()) };
        let file = segment.open_to_mark()?;
        Entry { file, ..entry.clone() }.mark(mark)
    }

    /// Notes that a record, read or claimed before, is marked as settled. A file of which all are is removed.
    ///
    /// # Errors
    /// The system's, of the removal.
    pub fn settled(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some(segment) = self.segments.get_mut(&entry.segment) {
            segment.taken = segment.taken.saturating_sub(1);
        }
        self.remove_settled(entry.segment)
    }

    fn remove_settled(&mut self, number: u64) -> io::Result<()> {
        let is_current = self.current.as_ref().is_some_and(|(current, _)| *current == number);
        let is_settled = |segment: &Segment| segment.waiting + segment.taken == 0;
        if is_current || !self.segments.get(&number).is_some_and(is_settled) {
            return Ok(());
        }
        let Some(segment) = self.segments.remove(&number) else { return Ok(()) };
        std::fs::remove_file(&segment.path)
    }

    /// Damage that was found since this was last called, by file.
    pub fn take_damage(&mut self) -> Vec<(PathBuf, Damage)> {
        std::mem::take(&mut self.damage)
    }
}

#[cfg(test)]
mod tests;
