//! Attribute lists edited as a whole: several edits of one list cost one copy, and none if nothing changes.

use crate::Batch;
use crate::batch::rows::{AttrRow, Cell};
use crate::batch::span::{Rows, Span};

use super::Owner;

/// A list of attributes taken out of its batch.
#[derive(Debug, Default)]
pub(crate) struct AttributeList {
    rows: Vec<AttrRow>,
    changed: bool,
}

impl AttributeList {
    /// The value of attribute `key`.
    pub(crate) fn get(&self, batch: &Batch, key: &[u8]) -> Option<Cell> {
        self.rows.iter().find(|row| batch.bytes(row.key) == key).map(|row| row.value)
    }

    /// Finds the position of attribute `key`.
    pub(crate) fn find(&self, batch: &Batch, key: &[u8]) -> Option<usize> {
        self.rows.iter().position(|row| batch.bytes(row.key) == key)
    }

    /// Puts an attribute in the place of one of its key, unless they are the same, or adds it.
    pub(crate) fn put(&mut self, batch: &Batch, place: Option<usize>, row: AttrRow) {
        let old = place.and_then(|place| self.rows.get_mut(place));
        if old.as_ref().is_some_and(|old| batch.is_same(old, &row)) {
            return;
        }
        self.changed = true;
        match old {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    /// Sets attribute `key`, adding it where it is missing.
    pub(crate) fn set(&mut self, batch: &Batch, key: Span, value: Cell) {
        self.changed = true;
        let found = self.rows.iter_mut().find(|row| batch.bytes(row.key) == batch.bytes(key));
        match found {
            Some(row) => *row = AttrRow { raw: Span::NONE, canonical: false, value, key: row.key },
            None => self.rows.push(AttrRow { raw: Span::NONE, canonical: false, key, value }),
        }
    }

    /// Removes attributes.
    pub(crate) fn remove(&mut self, remove: impl Fn(&AttrRow) -> bool) {
        let before = self.rows.len();
        self.rows.retain(|row| !remove(row));
        self.changed |= self.rows.len() != before;
    }

    /// Gives every attribute a new value, or none.
    pub(crate) fn replace(&mut self, mut value: impl FnMut(&AttrRow) -> Option<Cell>) {
        for row in &mut self.rows {
            if let Some(value) = value(row) {
                *row = AttrRow { raw: Span::NONE, canonical: false, value, key: row.key };
                self.changed = true;
            }
        }
    }
}

impl Batch {
    /// Edits the owner's attributes; false if nothing changed. `list` is only there so that its memory is used again.
    pub(crate) fn rewrite_attributes(
        &mut self,
        owner: Owner,
        list: &mut AttributeList,
        edit: impl FnOnce(&mut Self, &mut AttributeList),
    ) -> bool {
        list.rows.clear();
        list.changed = false;
        list.rows.extend_from_slice(self.attributes(self.attrs_of(owner)));
        edit(self, list);
        if list.changed {
            let start = self.attrs.len() as u32;
            self.attrs.extend_from_slice(&list.rows);
            self.put_attributes(owner, Rows { start, end: self.attrs.len() as u32 });
        }
        list.changed
    }
}
