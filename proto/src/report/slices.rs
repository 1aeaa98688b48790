//! Slices over the wire and back.

use observe::{MAX_SLICES, Slice, SliceEntry, SliceName, Slices};

use super::{Invalid, rows};
use crate::v1;

/// The most entries of a report: a slice with more says that it is not whole.
const MAX_ENTRIES: usize = 96;
/// The most entries of a slice that are read.
const MAX_READ_ENTRIES: usize = 4_096;

pub fn slices(from: &Slices) -> Vec<v1::Slice> {
    let mut room = MAX_ENTRIES;
    let told = from.0.iter().map(|(turn, slice)| {
        let most = room.min(slice.entries.len());
        room -= most;
        written(*turn, slice, most)
    });
    told.collect()
}

fn written(turn: u64, slice: &Slice, most: usize) -> v1::Slice {
    let entries = || slice.entries.values().take(most);
    let until = entries().map(|entry| entry.last).max().unwrap_or(0);
    v1::Slice {
        turn,
        slices: slice.slices,
        keys: entries().map(|entry| entry.key).collect(),
        writers: entries().map(|entry| entry.writer).collect(),
        baselines: entries().map(|entry| entry.baseline ^ entry.key as u32).collect(),
        begans: entries().map(|entry| entry.last.saturating_sub(entry.began)).collect(),
        lasts: entries().map(|entry| until - entry.last).collect(),
        until,
        truncated: slice.truncated || most < slice.entries.len(),
    }
}

pub fn read_slices(from: Vec<v1::Slice>) -> Result<Slices, Invalid> {
    let mut slices = Slices::default();
    for (turn, slice) in rows(from, |slice| Ok((slice.turn, Slice::try_from(slice)?)))? {
        slices.0.insert(turn, slice);
    }
    Ok(slices)
}

/// A slice of the wire's form, such as a store keeps it.
impl From<(u64, &Slice)> for v1::Slice {
    fn from((turn, slice): (u64, &Slice)) -> Self {
        written(turn, slice, slice.entries.len())
    }
}

impl TryFrom<v1::Slice> for Slice {
    type Error = Invalid;

    fn try_from(from: v1::Slice) -> Result<Self, Invalid> {
        let v1::Slice { turn, slices, keys, writers, baselines, begans, lasts, until, truncated } = from;
        if keys.len() > MAX_READ_ENTRIES {
            return Err(Invalid::Rows(keys.len()));
        }
        if !slices.is_power_of_two() || slices > MAX_SLICES {
            return Err(Invalid::Value("a number of slices is a power of two, at most 65,536"));
        }
        let columns = [writers.len(), baselines.len(), begans.len(), lasts.len()];
        if columns.iter().any(|length| *length != keys.len()) {
            return Err(Invalid::Value("the columns of a slice are of different lengths"));
        }
        if !keys.iter().all(|key| Self::covers(slices, turn, *key)) {
            return Err(Invalid::Value("a key lies in no slice of this turn"));
        }
        let mut slice = Self { truncated, ..Self::of(slices) };
        let rows = keys.into_iter().zip(writers).zip(baselines).zip(begans).zip(lasts);
        for ((((key, writer), baseline), began), last) in rows {
            let last = until.checked_sub(last).ok_or(NO_TIME)?;
            let began = last.checked_sub(began).ok_or(NO_TIME)?;
            slice.insert(SliceEntry { key, writer, baseline: baseline ^ key as u32, began, last });
        }
        Ok(slice)
    }
}

/// Keys of an encoded slice, without the rest of it: a fraction of what reading it takes.
#[derive(Clone, PartialEq, prost::Message)]
struct Keys {
    #[prost(fixed64, repeated, tag = "3")]
    keys: Vec<u64>,
}

/// Keys of an encoded `phoenix.v1.Slice`, in its order.
///
/// # Errors
/// It is none.
pub fn slice_keys(body: &[u8]) -> Result<Vec<u64>, prost::DecodeError> {
    use prost::Message as _;
    Ok(Keys::decode(body)?.keys)
}

impl From<SliceName> for v1::SliceName {
    fn from(from: SliceName) -> Self {
        let SliceName { key, metric, series, writer } = from;
        Self { key, metric, series, writer }
    }
}

/// Reads the names that an agent answers with.
///
/// # Errors
/// [`Invalid::Rows`].
pub fn read_names(from: Vec<v1::SliceName>) -> Result<Vec<SliceName>, Invalid> {
    let short = |text: String| text.chars().take(MAX_NAME).collect();
    rows(from, |v1::SliceName { key, metric, series, writer }| {
        Ok(SliceName { key, metric: short(metric), series: short(series), writer: short(writer) })
    })
}

/// The most characters of a name that are read.
const MAX_NAME: usize = 500;

const NO_TIME: Invalid = Invalid::Value("a stretch of a slice begins before 1970");

#[cfg(test)]
mod tests {
    use super::*;

    fn slices_of(entries: u64) -> Slices {
        let mut slice = Slice::of(4);
        for at in 0..entries {
            let key = (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) & !3) | 1;
            let (writer, baseline) = (at as u32 * 77, if at % 3 == 0 { key as u32 } else { 0 });
            slice.insert(SliceEntry { key, writer, baseline, began: 1_000 + at, last: 2_000 });
        }
        Slices([(5, slice)].into())
    }

    #[test]
    fn a_slice_reads_back_as_it_was() {
        let sent = slices_of(60);
        assert_eq!(read_slices(slices(&sent)).expect("reads"), sent);
        let empty = slices_of(0);
        assert_eq!(read_slices(slices(&empty)).expect("reads"), empty, "no series is told, too");
    }

    #[test]
    fn a_slice_for_which_a_report_has_no_room_says_that_it_is_not_whole() {
        let read = read_slices(slices(&slices_of(300))).expect("reads");
        let slice = &read.0[&5];
        assert!(slice.truncated && slice.entries.len() == MAX_ENTRIES);
    }

    #[test]
    fn what_cannot_be_a_slice_is_refused() {
        let refused = |change: fn(&mut v1::Slice)| {
            let mut sent = slices(&slices_of(3));
            change(&mut sent[0]);
            read_slices(sent).expect_err("refused")
        };
        assert!(matches!(refused(|slice| slice.slices = 3), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.slices = 1 << 17), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.turn = 6), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.writers.truncate(2)), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.lasts[0] = 2_001), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.begans[0] = u64::MAX), Invalid::Value(_)));
        assert!(matches!(refused(|slice| slice.keys = vec![1; 5_000]), Invalid::Rows(5_000)));
    }
}
