//! User names by uid, from the `passwd` file.

use std::collections::HashMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Owners(HashMap<u32, String>);

impl Owners {
    /// Reads `/etc/passwd` once. Where there is none (a scratch container), every owner is its uid.
    pub fn of_this_machine() -> Self {
        Self::parse(&std::fs::read_to_string("/etc/passwd").unwrap_or_default())
    }

    /// The first name of a uid wins, as in `getpwuid`; lines that are no entry are skipped.
    pub fn parse(passwd: &str) -> Self {
        let mut names = HashMap::new();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if let Ok(uid) = uid.parse() {
                names.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        Self(names)
    }

    /// The user's name, or the number where the uid has none here.
    pub fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}
