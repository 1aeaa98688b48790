//! Lists in pages: each names the place behind which the next one begins.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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

/// A part of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Value to give as `after` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
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

impl<T> Page<T> {
    /// A page of what was found, asked for one more than `limit` to see whether there is a next.
    pub fn of<R: Into<T>>(mut found: Vec<R>, limit: u32, key: impl Fn(&R) -> String) -> Self {
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = if more { found.last().map(key) } else { None };
        Self { items: found.into_iter().map(Into::into).collect(), next }
    }
}
