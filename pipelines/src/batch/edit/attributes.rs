//! Attributes edited one by one, where they stand.
//!
//! No two rows own the same attribute rows, so an attribute is replaced and removed in place; one that is added
//! moves its list to the end of the arena, where the next additions find room. What an edit writes comes as a
//! whole [`AttrRow`] whose encoding stands in the scratch buffer, made once a batch for what a config says.

use crate::Batch;
use crate::batch::Value;
use crate::batch::rows::{AttrRow, Cell};
use crate::batch::span::{Rows, Span};

use super::{Owner, Path};

impl Batch {
    /// Finds the position of attribute `key` among some row's attributes.
    pub(crate) fn find_attribute(&self, rows: Rows, key: &[u8]) -> Option<usize> {
        rows.range().find(|index| self.bytes(self.attrs[*index].key) == key)
    }

    /// Sets an attribute, adding it where it is missing. What it is already is left as it is.
    pub(crate) fn set_attribute(&mut self, owner: Owner, row: AttrRow) {
        let rows = self.attrs_of(owner);
        match self.find_attribute(rows, self.bytes(row.key)) {
            Some(index) if self.is_same(&self.attrs[index], &row) => {}
            Some(index) => {
                self.attrs[index] = row;
                self.put_attributes(owner, rows);
            }
            None => {
                let rows = self.roomy(rows);
                self.attrs.push(row);
                self.put_attributes(owner, Rows { end: rows.end + 1, ..rows });
            }
        }
    }

    /// Returns whether two attributes of one key have one value.
    pub(crate) fn is_same(&self, one: &AttrRow, other: &AttrRow) -> bool {
        match (self.value(one.value), self.value(other.value)) {
            (Value::Text(one), Value::Text(other)) | (Value::Bytes(one), Value::Bytes(other)) => one == other,
            (Value::Int(one), Value::Int(other)) => one == other,
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
            (Value::List(one), Value::List(other)) | (Value::Map(one), Value::Map(other)) => one == other,
            (Value::Empty, Value::Empty) => true,
            _ => false,
        }
    }

    /// Moves a list to the end of the arena, unless it stands there.
    fn roomy(&mut self, rows: Rows) -> Rows {
        if rows.end as usize == self.attrs.len() {
            return rows;
        }
        let start = self.attrs.len() as u32;
        self.attrs.extend_from_within(rows.range());
        Rows { start, end: self.attrs.len() as u32 }
    }

    /// Keeps the attributes for which `keep` holds.
    pub(crate) fn retain_attributes(&mut self, owner: Owner, mut keep: impl FnMut(&Self, &AttrRow) -> bool) {
        let rows = self.attrs_of(owner);
        let Some(first) = rows.range().find(|index| !keep(self, &self.attrs[*index])) else { return };
        let mut end = first;
        for index in first + 1..rows.end as usize {
            let row = self.attrs[index];
            if keep(self, &row) {
                self.attrs[end] = row;
                end += 1;
            }
        }
        self.put_attributes(owner, Rows { end: end as u32, ..rows });
    }

    /// Gives a row other attributes, unless they are what it has.
    pub(crate) fn replace_attributes(&mut self, owner: Owner, rows: &[AttrRow]) {
        let known = self.attributes(self.attrs_of(owner));
        let same = |(one, other): (&AttrRow, &AttrRow)| {
            self.bytes(one.key) == self.bytes(other.key) && self.is_same(one, other)
        };
        if known.len() == rows.len() && known.iter().zip(rows).all(same) {
            return;
        }
        let start = self.attrs.len() as u32;
        self.attrs.extend_from_slice(rows);
        self.put_attributes(owner, Rows { start, end: self.attrs.len() as u32 });
    }

    /// Gives attribute `key` of a metric's points the text `new` where `renames` says so of its text; what is no
    /// text reads as the empty one.
    pub(crate) fn rename_values(
        &mut self,
        at: Path,
        key: &[u8],
        renames: impl Fn(&[u8]) -> bool,
        new: &[u8],
    ) {
        let span = self.intern(new);
        for point in self.metrics[at.metric].points.range() {
            let Some(index) = self.find_attribute(self.points[point].attrs, key) else { continue };
            let text = match self.attrs[index].value {
                Cell::Text(span) => self.bytes(span),
                _ => &[],
            };
            if renames(text) {
                let rows = self.points[point].attrs;
                self.attrs[index] = AttrRow::bare(self.attrs[index].key, Cell::Text(span));
                self.put_attributes(Owner::Point(Path { point, ..at }), rows);
            }
        }
    }

    /// A copy of a list of attributes, for a row that is a copy.
    pub(crate) fn copy_attributes(&mut self, rows: Rows) -> Rows {
        let start = self.attrs.len() as u32;
        self.attrs.extend_from_within(rows.range());
        Rows { start, end: self.attrs.len() as u32 }
    }
}

impl AttrRow {
    /// An attribute that is encoded when the batch is written.
    pub(crate) fn bare(key: Span, value: Cell) -> Self {
        Self { raw: Span::NONE, canonical: false, key, value }
    }
}
