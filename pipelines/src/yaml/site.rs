//! Sites: the place of each value in a document's text, for edits that leave the rest as it was written.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};

/// A value as it stands in the text. An alias is a site of its own.
#[derive(Debug)]
pub(crate) struct Site {
    /// Bytes from its first character to behind its last, anchors and tags before it apart. Empty where nothing stands.
    pub range: Range<usize>,
    /// True if other places may refer to it.
    pub anchor: bool,
    pub form: Form,
}

/// Form of a value in the text.
#[derive(Debug)]
pub(crate) enum Form {
    /// A scalar: its text, and whether it stands without quotes and is no block.
    Scalar {
        text: String,
        plain: bool,
    },
    Alias,
    List {
        flow: bool,
        items: Vec<Site>,
    },
    Map {
        flow: bool,
        entries: Vec<SiteEntry>,
    },
}

/// A key of a map as it stands in the text, and its value. Merge keys are entries like others.
#[derive(Debug)]
pub(crate) struct SiteEntry {
    pub key: String,
    pub at: Range<usize>,
    pub value: Site,
}

/// Sites of the only document of a text that was read before: limits hold, and it is valid. None where it has none.
pub(crate) fn sites(text: &str) -> Option<Site> {
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader { text, parser: Parser::new_from_str_with_options(text, options) };
    loop {
        match reader.next()? {
            (Event::DocumentStart(..), _) => {
                let first = reader.next()?;
                return reader.site(first);
            }
            (Event::StreamEnd, _) => return None,
            _ => {}
        }
    }
}

impl Site {
    /// The entry of a map by its key.
    pub fn entry(&self, key: &str) -> Option<&SiteEntry> {
        match &self.form {
            Form::Map { entries, .. } => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The value at a path of keys.
    pub fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |site, key| site.entry(key).map(|entry| &entry.value))
    }

    /// Tells whether it is a scalar of this text.
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.form, Form::Scalar { text, .. } if text.trim() == word)
    }

    /// Tells whether it stands for a value elsewhere.
    pub fn is_alias(&self) -> bool {
        matches!(self.form, Form::Alias)
    }

    /// Tells whether other places may refer to it or to something in it.
    pub fn has_anchor(&self) -> bool {
        let within = match &self.form {
            Form::List { items, .. } => items.iter().any(Self::has_anchor),
            Form::Map { entries, .. } => entries.iter().any(|entry| entry.value.has_anchor()),
            Form::Scalar { .. } | Form::Alias => false,
        };
        self.anchor || within
    }

    /// Tells whether nothing stands there, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.form, Form::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

struct Reader<'s> {
    text: &'s str,
    parser: Parser<'s, StrInput<'s>>,
}

impl<'s> Reader<'s> {
    fn next(&mut self) -> Option<(Event<'s>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn site(&mut self, (event, span): (Event<'s>, Span)) -> Option<Site> {
        let range = span.byte_range()?;
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let form = Form::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Some(Site { range, anchor: anchor != 0, form })
            }
            Event::Alias(_) => Some(Site { range, anchor: false, form: Form::Alias }),
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let (items, end) = self.items()?;
                let (start, end) = match (items.first(), items.last()) {
                    // A list at its key's own column is told to begin behind its first dash.
                    (Some(first), Some(last)) if !flow => {
                        let dash = self.text[..first.range.start].rfind('-').unwrap_or(range.start);
                        (dash.min(range.start), last.range.end)
                    }
                    _ => (range.start, end),
                };
                let range = start..end;
                Some(Site { range, anchor: anchor != 0, form: Form::List { flow, items } })
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let (entries, end) = self.entries()?;
                let last = entries.last().map_or(range.end, |entry| entry.value.range.end.max(entry.at.end));
                let range = range.start..if flow { end } else { last };
                Some(Site { range, anchor: anchor != 0, form: Form::Map { flow, entries } })
            }
            _ => None,
        }
    }

    /// The items of a list, and the end of what closes it.
    fn items(&mut self) -> Option<(Vec<Site>, usize)> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => return Some((items, span.byte_range()?.end)),
                event => items.push(self.site(event)?),
            }
        }
    }

    fn entries(&mut self) -> Option<(Vec<SiteEntry>, usize)> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Some((entries, span.byte_range()?.end));
            }
            let key = match &event {
                Event::Scalar(text, ..) => text.clone().into_owned(),
                _ => String::new(),
            };
            let at = self.site((event, span))?.range;
            let value = self.next()?;
            let mut value = self.site(value)?;
            if value.range.is_empty() {
                value.range = at.end..at.end;
            }
            entries.push(SiteEntry { key, at, value });
        }
    }
}
