//! Groups of a lens by name, side by side in memory: those of a window are put down in one go, and stretches of the same groups
//! merge in one walk.

use std::sync::Arc;

use super::table::Group;

/// Groups in ascending order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupRows {
    rows: Vec<(Arc<str>, Group)>,
}

impl GroupRows {
    /// None yet, with room for so many.
    pub fn with_room(groups: usize) -> Self {
        Self { rows: Vec::with_capacity(groups) }
    }

    /// Adds one whose name comes behind all others.
    pub fn push(&mut self, name: Arc<str>, group: Group) {
        self.rows.push((name, group));
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.rows.iter().map(|(name, group)| (name, group))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Group)> {
        self.rows.iter_mut().map(|(name, group)| (&*name, group))
    }

    /// The group of this name, which is made if it is not there. At most `bound` are there afterward; `beyond` names the one
    /// that another falls into, and is told so. Returns true with it if it was.
    pub fn entry(
        &mut self,
        name: &Arc<str>,
        bound: usize,
        beyond: impl FnOnce() -> Arc<str>,
    ) -> (&mut Group, bool) {
        let found = self.place(name);
        let full = found.is_err() && self.rows.len() >= bound;
        let (place, name) = match found {
            Ok(place) => (Ok(place), name.clone()),
            Err(_) if full => {
                let bucket = beyond();
                (self.place(&bucket), bucket)
            }
            Err(place) => (Err(place), name.clone()),
        };
        let place = place.unwrap_or_else(|place| {
            self.rows.insert(place, (name, Group::default()));
            place
        });
        (&mut self.rows[place].1, full)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.rows.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// Puts another's groups to those of the same names, in one walk: `both` where both have one, `alone` where this has one
    /// alone; one that the other has alone is put to a new one. Returns false, and does nothing, if there are more than `bound`
    /// then.
    pub fn join(
        &mut self,
        other: &Self,
        bound: usize,
        mut both: impl FnMut(&mut Group, &Group),
        mut alone: impl FnMut(&mut Group),
    ) -> bool {
        if self.has_names_of(other) {
            self.rows.iter_mut().zip(&other.rows).for_each(|((_, mine), (_, theirs))| both(mine, theirs));
            return true;
        }
        let new = other.rows.iter().filter(|(name, _)| self.place(name).is_err()).count();
        if self.rows.len() + new > bound {
            return false;
        }
        let mut theirs = other.rows.iter().peekable();
        let mut joined = Vec::with_capacity(self.rows.len() + new);
        for (name, mut mine) in std::mem::take(&mut self.rows) {
            while let Some((before, group)) = theirs.next_if(|(their, _)| *their < name) {
                joined.push(made(before, group, &mut both));
            }
            match theirs.next_if(|(their, _)| *their == name) {
                Some((_, group)) => both(&mut mine, group),
                None => alone(&mut mine),
            }
            joined.push((name, mine));
        }
        joined.extend(theirs.map(|(name, group)| made(name, group, &mut both)));
        self.rows = joined;
        true
    }

    /// Tells whether both have the same names. Those of one observer are the same texts in memory.
    fn has_names_of(&self, other: &Self) -> bool {
        let mut pairs = self.rows.iter().zip(&other.rows);
        self.rows.len() == other.rows.len()
            && pairs.all(|((mine, _), (theirs, _))| Arc::ptr_eq(mine, theirs) || mine == theirs)
    }

    /// Those that the other does not have, to be changed.
    pub fn iter_alone_mut(&mut self, other: &Self) -> impl Iterator<Item = &mut Group> {
        self.rows.iter_mut().filter(|(name, _)| other.place(name).is_err()).map(|(_, group)| group)
    }
}

fn made(name: &Arc<str>, group: &Group, both: &mut impl FnMut(&mut Group, &Group)) -> (Arc<str>, Group) {
    let mut mine = Group::default();
    both(&mut mine, group);
    (name.clone(), mine)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn rows(names: &BTreeMap<u8, u64>) -> GroupRows {
        let mut rows = GroupRows::default();
        for (name, instants) in names {
            rows.push(format!("{name:03}").into(), Group { instants: *instants, ..Group::default() });
        }
        rows
    }

    fn read(rows: &GroupRows) -> BTreeMap<String, (u64, u64)> {
        rows.iter().map(|(name, group)| (name.to_string(), (group.instants, group.gaps))).collect()
    }

    proptest! {
        #[test]
        fn joining_is_adding_up_by_name_and_touching_what_is_alone(
            mine in proptest::collection::btree_map(0_u8..40, 1_u64..9, 0..30),
            theirs in proptest::collection::btree_map(0_u8..40, 1_u64..9, 0..30),
        ) {
            let mut joined = rows(&mine);
            let other = rows(&theirs);
            let both = |mine: &mut Group, theirs: &Group| mine.instants += theirs.instants;
            prop_assert!(joined.join(&other, 64, both, |alone| alone.gaps += 1));
            let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for (name, instants) in mine.iter().chain(&theirs) {
                expected.entry(format!("{name:03}")).or_default().0 += instants;
            }
            for name in mine.keys().filter(|name| !theirs.contains_key(name)) {
                expected.entry(format!("{name:03}")).or_default().1 = 1;
            }
            prop_assert_eq!(read(&joined), expected);
            let names: Vec<&Arc<str>> = joined.iter().map(|(name, _)| name).collect();
            prop_assert!(names.is_sorted());
        }
    }

    #[test]
    fn past_the_bound_nothing_is_joined_and_an_entry_falls_into_its_bucket() {
        let mut full = rows(&(0..4).map(|name| (name, 1)).collect());
        let other = rows(&BTreeMap::from([(9, 1)]));
        assert!(!full.join(&other, 4, |_, _| {}, |_| {}));
        let bucket = || "bucket".into();
        assert!(!full.entry(&"002".into(), 4, bucket).1, "it is there");
        let (group, beyond) = full.entry(&"009".into(), 4, bucket);
        group.gaps = 7;
        assert!(beyond);
        assert_eq!(read(&full).get("bucket"), Some(&(0, 7)));
    }
}
