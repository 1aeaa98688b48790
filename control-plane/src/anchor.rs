//! Anchors: heads of audit chains in a file outside the database, which a chain that is written anew does not fit.
//!
//! A line of JSON each, in the order in which the chains had them. What stands in the file is never changed, and it is opened
//! anew for each look, so that whoever keeps it may put another in its place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::id::TenantId;

/// Anchors that are read at once.
const AT_ONCE: usize = 1_000;
/// The most bytes of a line.
const LONGEST: usize = 1_024;

/// Head of a chain at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Tenant of the chain.
    pub tenant_id: TenantId,
    /// Place of the chain's last row.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
    /// Time at which it was the last.
    pub at: UnixMillis,
}

/// The file.
#[derive(Debug, Clone)]
pub struct AnchorFile(PathBuf);

/// Anchors of this process: where they are kept, and which were the last.
#[derive(Debug, Default)]
pub struct Anchors {
    /// The file, if there is one.
    pub file: Option<AnchorFile>,
    /// Time between two looks at the heads.
    pub every: Duration,
    last: Mutex<Last>,
}

/// The last anchors of each chain.
#[derive(Debug, Default)]
pub struct Last {
    /// Those in the file.
    pub kept: HashMap<TenantId, Anchor>,
    /// Those that the log and webhooks were told by this process.
    pub told: HashMap<TenantId, Anchor>,
}

impl Anchors {
    /// Anchors in a file, or in none.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: Option<&Path>, every: Duration) -> io::Result<Self> {
        let (file, kept) = path.map(AnchorFile::open).transpose()?.unzip();
        let last = Last { kept: kept.unwrap_or_default(), ..Last::default() };
        Ok(Self { file, every, last: Mutex::new(last) })
    }

    /// The last ones.
    pub fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Place in the file, up to an end that was there when the reading began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    line: u64,
    end: u64,
}

/// Part of the file.
#[derive(Debug, Default)]
pub struct Part {
    /// Anchors with the numbers of their lines, from 1.
    pub anchors: Vec<(u64, Anchor)>,
    /// Number of lines that are no anchors.
    pub unreadable: u64,
    /// Begin of the next part; nothing at the end.
    pub next: Option<Place>,
}

impl AnchorFile {
    /// Opens the file, which its owner alone reads if it is made now. Returns the last anchor of each chain with it.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<(Self, HashMap<TenantId, Anchor>)> {
        let file = Self(path.to_owned());
        file.append(&[])?;
        let mut last = HashMap::new();
        let mut next = Some(file.beginning()?);
        while let Some(place) = next {
            let part = file.part(place, None)?;
            last.extend(part.anchors.into_iter().map(|(_, anchor)| (anchor.tenant_id, anchor)));
            next = part.next;
        }
        Ok((file, last))
    }

    /// Appends anchors and waits until they are on the disk. A line that a crash left as a part gets its end before.
    ///
    /// # Errors
    /// The system's.
    pub fn append(&self, anchors: &[Anchor]) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.0)?;
        let mut text = Vec::new();
        if let Some(last) = file.metadata()?.len().checked_sub(1) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, last)?;
            if byte != *b"\n" {
                text.push(b'\n');
            }
        }
        for anchor in anchors {
            serde_json::to_writer(&mut text, anchor)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()
    }

    /// Begin of the file, as long as it is now.
    ///
    /// # Errors
    /// The system's.
    pub fn beginning(&self) -> io::Result<Place> {
        match std::fs::metadata(&self.0) {
            Ok(file) => Ok(Place { end: file.len(), ..Place::default() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::default()),
            Err(error) => Err(error),
        }
    }

    /// Anchors of a tenant, or of all, from a place on. A last line without its end is left out: it is being written.
    ///
    /// # Errors
    /// The system's.
    pub fn part(&self, mut place: Place, of: Option<TenantId>) -> io::Result<Part> {
        let mut part = Part::default();
        let mut file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(part),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(place.offset))?;
        let mut reader = BufReader::new(file.take(place.end.saturating_sub(place.offset)));
        let mut line = Vec::new();
        while part.anchors.len() < AT_ONCE {
            let Some(length) = read_line(&mut reader, &mut line)? else { return Ok(part) };
            place.offset += length;
            place.line += 1;
            match serde_json::from_slice::<Anchor>(&line) {
                Ok(anchor) if of.is_none_or(|of| of == anchor.tenant_id) => {
                    part.anchors.push((place.line, anchor));
                }
                Ok(_) => {}
                Err(_) => part.unreadable += 1,
            }
        }
        part.next = Some(place);
        Ok(part)
    }
}

/// Reads a line, of which no more than the longest is kept. Returns its length; nothing if what is left has no end.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<u64>> {
    line.clear();
    let mut length = 0;
    loop {
        let there = reader.fill_buf()?;
        if there.is_empty() {
            return Ok(None);
        }
        let end = there.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(there.len(), |at| at + 1);
        let kept = taken.min(LONGEST - line.len());
        line.extend(there.iter().take(kept));
        reader.consume(taken);
        length += taken as u64;
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn anchor(tenant: u128, seq: i64) -> Anchor {
        let tenant_id = TenantId(uuid::Uuid::from_u128(tenant));
        Anchor { tenant_id, seq, hash: format!("hash {seq}"), at: UnixMillis(1_800_000_000_000 + seq) }
    }

    /// All of a tenant's, by as many parts as it takes, and the number of lines that are none.
    fn all(file: &AnchorFile, of: Option<u128>) -> (Vec<(u64, i64)>, u64) {
        let (mut found, mut unreadable) = (Vec::new(), 0);
        let mut next = Some(file.beginning().unwrap());
        while let Some(place) = next {
            let part = file.part(place, of.map(|of| TenantId(uuid::Uuid::from_u128(of)))).unwrap();
            found.extend(part.anchors.iter().map(|(line, anchor)| (*line, anchor.seq)));
            (unreadable, next) = (unreadable + part.unreadable, part.next);
        }
        (found, unreadable)
    }

    #[test]
    fn anchors_are_read_as_they_were_written_by_tenant_and_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors");
        let (file, none) = AnchorFile::open(&path).unwrap();
        assert!(none.is_empty());
        let written: Vec<Anchor> = (1..=3_000).map(|seq| anchor(1 + u128::from(seq % 3 == 0), seq)).collect();
        let (before, after) = written.split_at(1_700);
        file.append(before).unwrap();
        file.append(after).unwrap();
        let (of_two, unreadable) = all(&file, Some(2));
        assert_eq!((of_two.len(), unreadable), (1_000, 0));
        assert!(of_two.iter().all(|(line, seq)| i64::try_from(*line).unwrap() == *seq && seq % 3 == 0));
        assert_eq!(all(&file, None).0.len(), 3_000);
        assert_eq!(all(&file, Some(3)), (Vec::new(), 0));
        let (_, last) = AnchorFile::open(&path).unwrap();
        let mut last: Vec<&Anchor> = last.values().collect();
        last.sort_by_key(|anchor| anchor.seq);
        assert_eq!(last, [&anchor(1, 2_999), &anchor(2, 3_000)]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_anchor_is_counted_and_a_part_of_a_line_is_ended_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors");
        let (file, _) = AnchorFile::open(&path).unwrap();
        file.append(&[anchor(1, 1)]).unwrap();
        let add = |text: &str| {
            let mut open = OpenOptions::new().append(true).open(&path).unwrap();
            open.write_all(text.as_bytes()).unwrap();
        };
        add("{\"tenant_id\":");
        assert_eq!(all(&file, Some(1)), (vec![(1, 1)], 0), "it is being written");
        file.append(&[anchor(1, 2)]).unwrap();
        assert_eq!(all(&file, Some(1)), (vec![(1, 1), (3, 2)], 1));
        add(&format!("\nno\n{}\n", "a".repeat(100_000)));
        file.append(&[anchor(1, 3)]).unwrap();
        assert_eq!(all(&file, Some(1)), (vec![(1, 1), (3, 2), (7, 3)], 4));
    }

    #[test]
    fn a_file_that_is_gone_has_no_anchor_and_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors");
        let (file, _) = AnchorFile::open(&path).unwrap();
        file.append(&[anchor(1, 1)]).unwrap();
        let place = file.beginning().unwrap();
        std::fs::rename(&path, dir.path().join("older")).unwrap();
        assert!(file.part(place, None).unwrap().anchors.is_empty());
        assert_eq!(all(&file, None), (Vec::new(), 0));
        file.append(&[anchor(1, 2)]).unwrap();
        assert_eq!(all(&file, None), (vec![(1, 2)], 0));
        assert!(AnchorFile::open(&dir.path().join("no/such/folder")).is_err());
    }
}
