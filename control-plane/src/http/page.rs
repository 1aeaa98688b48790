//! Lists in pages: each names the place behind which the next one begins.

use api::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::refusal::Refusal;

const DEFAULT: u32 = 50;
const MOST: u32 = 200;

/// Query of a page of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Number of items at most; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

impl PageQuery {
    /// Number of items.
    ///
    /// # Errors
    /// 422 for none and for too many.
    pub fn limit(&self) -> Result<u32, Refusal> {
        match self.limit.unwrap_or(DEFAULT) {
            limit @ 1..=MOST => Ok(limit),
            other => Err(Refusal::invalid_field("limit", format!("{other} items"), "1 to 200")),
        }
    }

    /// Behind what, as the list's own key.
    ///
    /// # Errors
    /// 422 for what is no such key.
    pub fn after<K: std::str::FromStr>(&self) -> Result<Option<K>, Refusal> {
        let parse = |text: &String| {
            text.parse().map_err(|_| Refusal::invalid_field("after", "no such place", "the next of a page"))
        };
        self.after.as_ref().map(parse).transpose()
    }
}

/// A page of what was found, asked for one more than `limit` to see whether there is a next.
pub fn page<R: Into<T>, T>(mut found: Vec<R>, limit: u32, key: impl Fn(&R) -> String) -> Page<T> {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = if more { found.last().map(key) } else { None };
    Page { items: found.into_iter().map(Into::into).collect(), next }
}
