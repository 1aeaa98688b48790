//! Lists in pages, as gRPC names them: a size, and a token that is the last item's key.

use std::str::FromStr;

use crate::refusal::Refusal;

const DEFAULT: u32 = 50;
const MOST: u32 = 200;

/// Number of items.
///
/// # Errors
/// 422 for too many.
pub(super) fn size(page_size: u32) -> Result<u32, Refusal> {
    match page_size {
        0 => Ok(DEFAULT),
        1..=MOST => Ok(page_size),
        other => Err(Refusal::invalid_field("page_size", format!("{other} items"), "1 to 200, or 0 for 50")),
    }
}

/// Behind what; nothing for the first page.
///
/// # Errors
/// 422 for what is no such key.
pub(super) fn after<K: FromStr>(page_token: &str) -> Result<Option<K>, Refusal> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        Refusal::invalid_field("page_token", "no such place", "the next_page_token of a page, or nothing")
    };
    page_token.parse().map(Some).map_err(wrong)
}

/// A page of what was found, asked for one more than `size`, and the token of the next.
pub(super) fn cut<T>(mut found: Vec<T>, size: u32, key: impl Fn(&T) -> String) -> (Vec<T>, String) {
    let size = size as usize;
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(key).unwrap_or_default();
    (found, next)
}
