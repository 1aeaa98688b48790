//! Typed access: each says what stands there if it is something else.

use std::borrow::Cow;
use std::time::Duration;

use super::{Entry, Fields, Kind, Located, Node, Problem, keep, parse_duration};

impl Node {
    fn mismatch(&self, expected: &str) -> Problem {
        Problem::new(self.location, format!("{} stands here", self.describe())).expected(expected)
    }

    /// The entries, to be asked for by key. Null is an empty map.
    ///
    /// # Errors
    /// Anything but a map or null.
    pub fn map(&self) -> Result<Fields<'_>, Problem> {
        Ok(Fields::new(self.location, self.entries()?))
    }

    /// The entries of a section that can be switched off: nothing where it says `enabled: false`, as in the Collector.
    pub fn optional_map(&self, problems: &mut impl Extend<Problem>) -> Option<Fields<'_>> {
        let mut fields = keep(self.map(), problems)?;
        let enabled = fields.take("enabled").map(|node| keep(node.bool(), problems));
        (enabled != Some(Some(false))).then_some(fields)
    }

    /// Returns whether the section says nothing: `enabled: false`, or an empty list.
    pub fn is_switched_off(&self) -> bool {
        let enabled = || self.map().ok()?.take("enabled")?.bool().ok();
        matches!(&self.kind, Kind::List(items) if items.is_empty()) || enabled() == Some(false)
    }

    /// The entries of a map whose keys are names that the user chose. Null is an empty map.
    ///
    /// # Errors
    /// Anything but a map or null.
    pub fn entries(&self) -> Result<&[Entry], Problem> {
        match &self.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Null => Ok(&[]),
            _ => Err(self.mismatch("a map")),
        }
    }

    /// The items of a list. Null is an empty list.
    ///
    /// # Errors
    /// Anything but a list or null.
    pub fn list(&self) -> Result<&[Self], Problem> {
        match &self.kind {
            Kind::List(items) => Ok(items),
            Kind::Null => Ok(&[]),
            _ => Err(self.mismatch("a list")),
        }
    }

    /// The items of a list of texts. One text stands for what commas divide in it, as in the Collector; null is an empty list.
    ///
    /// # Errors
    /// Anything but a list, a text or null.
    pub fn items(&self) -> Result<Cow<'_, [Self]>, Problem> {
        let Kind::Text(text) = &self.kind else { return self.list().map(Cow::Borrowed) };
        let item =
            |part: Located| Self { expanded: self.expanded, ..Self::new(part.start(), Kind::Text(part)) };
        Ok(text.between_commas().into_iter().map(item).collect())
    }

    /// A text. A number or boolean is none, unless a variable brought it.
    ///
    /// # Errors
    /// Anything but text.
    pub fn text(&self) -> Result<&str, Problem> {
        match (&self.kind, &self.spelling) {
            (Kind::Text(text), _) => Ok(text.text()),
            (_, Some(spelling)) => Ok(spelling),
            (Kind::Bool(_) | Kind::Int(_) | Kind::Float(_), None) => {
                Err(self.mismatch("text: put it in quotes"))
            }
            _ => Err(self.mismatch("text")),
        }
    }

    /// A text with the places of its characters.
    ///
    /// # Errors
    /// Anything but text.
    pub fn located_text(&self) -> Result<Located, Problem> {
        match &self.kind {
            Kind::Text(text) => Ok(text.clone()),
            _ => self.text().map(|text| Located::new(text, self.location)),
        }
    }

    /// The texts of a list of texts; what is none is reported.
    pub fn texts(&self, problems: &mut impl Extend<Problem>) -> Vec<String> {
        let mut texts = Vec::new();
        for item in keep(self.items(), problems).unwrap_or_default().iter() {
            texts.extend(keep(item.text(), problems).map(str::to_owned));
        }
        texts
    }

    /// The same, where null is an empty text, as in the Collector's lists of names.
    pub fn texts_or_null(&self, problems: &mut impl Extend<Problem>) -> Vec<String> {
        let mut texts = Vec::new();
        for item in keep(self.items(), problems).unwrap_or_default().iter() {
            match item.is_null() {
                true => texts.push(String::new()),
                false => texts.extend(keep(item.text(), problems).map(str::to_owned)),
            }
        }
        texts
    }

    /// A boolean.
    ///
    /// # Errors
    /// Anything but `true` or `false`.
    pub fn bool(&self) -> Result<bool, Problem> {
        match self.kind {
            Kind::Bool(value) => Ok(value),
            _ => Err(self.mismatch("true or false")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// Anything but an integer.
    pub fn int(&self) -> Result<i64, Problem> {
        match self.kind {
            Kind::Int(value) => Ok(value),
            // The Collector takes a double that is whole.
            Kind::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(value as i64),
            _ => Err(self.mismatch("a whole number")),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// Anything but an integer from 0 on.
    pub fn unsigned(&self) -> Result<u64, Problem> {
        u64::try_from(self.int()?).map_err(|_| self.mismatch("0 or more"))
    }

    /// A number.
    ///
    /// # Errors
    /// Anything but an integer or a double.
    pub fn float(&self) -> Result<f64, Problem> {
        match self.kind {
            Kind::Float(value) => Ok(value),
            Kind::Int(value) => Ok(value as f64),
            _ => Err(self.mismatch("a number")),
        }
    }

    /// A duration as Go writes it: `10s`, `1m30s`, `250ms`, `0`.
    ///
    /// # Errors
    /// Anything else; a negative duration, or one of more than 292 years, too.
    pub fn duration(&self) -> Result<Duration, Problem> {
        let expected = "a duration such as 250ms, 10s, 1m30s";
        if let Kind::Int(0) = self.kind {
            return Ok(Duration::ZERO);
        }
        let Kind::Text(text) = &self.kind else { return Err(self.mismatch(expected)) };
        let nanoseconds = parse_duration(text.text()).and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
        nanoseconds.map(Duration::from_nanos).ok_or_else(|| self.mismatch(expected))
    }

    /// One of a few words.
    ///
    /// # Errors
    /// Another word, with the nearest of the known ones.
    pub fn one_of<T: Clone>(&self, what: &str, words: &[(&'static str, T)]) -> Result<T, Problem> {
        self.word(what, words, |known, word| known == word)
    }

    /// The same in capitals, small letters or both.
    ///
    /// # Errors
    /// As [`Self::one_of`].
    pub fn one_of_any_case<T: Clone>(&self, what: &str, words: &[(&'static str, T)]) -> Result<T, Problem> {
        self.word(what, words, str::eq_ignore_ascii_case)
    }

    fn word<T: Clone>(
        &self,
        what: &str,
        words: &[(&'static str, T)],
        is_same: impl Fn(&str, &str) -> bool,
    ) -> Result<T, Problem> {
        let word = self.text()?;
        let shown = if self.expanded { "a value that is not shown" } else { word };
        let found = words.iter().find(|(known, _)| is_same(known, word));
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            Problem::unknown(self.location, what, shown, words.iter().map(|(known, _)| *known))
        })
    }
}
