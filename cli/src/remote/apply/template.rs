//! A template that is to be there as it is written.

use client::{Client, Error};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::documents::{Document, Kind};
use super::{Applied, Change, text};
use crate::remote::difference::of_fields;

/// Creates it, adds a version whose text is another, or leaves it alone.
///
/// # Errors
/// The control plane's refusals.
pub async fn apply(document: &Document, client: &Client, dry_run: bool) -> anyhow::Result<Applied> {
    let name = &document.name;
    let path = format!("/templates/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    let known = match client.get(&path).await {
        Ok(known) => Some(known),
        Err(Error::Refused { status: 404, .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let applied = |change, state: String, difference| Applied {
        kind: Kind::Template,
        name: name.clone(),
        change,
        id: None,
        state,
        difference,
    };
    let version = |answer: &Value| format!("version {}", answer["version"]);
    let Some(known) = known else {
        if dry_run {
            return Ok(applied(Change::Created, "version 1".to_owned(), Vec::new()));
        }
        let made = client.post("/templates", &Value::Object(document.body.clone())).await?;
        return Ok(applied(Change::Created, version(&made), Vec::new()));
    };
    if document.body["text"] == text(&known, "text")? {
        return Ok(applied(Change::Unchanged, version(&known), Vec::new()));
    }
    let difference = of_fields(&known, &Value::Object(document.body.clone()), &["text"]);
    if dry_run {
        return Ok(applied(Change::NewVersion, format!("after {}", version(&known)), difference));
    }
    let body = json!({ "text": document.body["text"] });
    let made = client.post(&format!("{path}/versions"), &body).await?;
    Ok(applied(Change::NewVersion, version(&made), difference))
}
