//! A template that is to be there as it is written.

use anyhow::Context as _;
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
    let path = path(document);
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
    let would_be = if dry_run { checked(&path, document, client).await? } else { String::new() };
    let Some(known) = known else {
        if dry_run {
            return Ok(applied(Change::Created, would_be, Vec::new()));
        }
        let made = client.post("/templates", &Value::Object(document.body.clone())).await?;
        return Ok(applied(Change::Created, version(&made), Vec::new()));
    };
    if document.body["text"] == text(&known, "text")? {
        return Ok(applied(Change::Unchanged, version(&known), Vec::new()));
    }
    let difference = of_fields(&known, &Value::Object(document.body.clone()), &["text"]);
    if dry_run {
        return Ok(applied(Change::NewVersion, would_be, difference));
    }
    let body = json!({ "text": document.body["text"] });
    let made = client.post(&format!("{path}/versions"), &body).await?;
    Ok(applied(Change::NewVersion, version(&made), difference))
}

/// The version that a document would become, which the control plane checks and does not keep.
///
/// # Errors
/// The control plane's refusals.
pub async fn check(document: &Document, client: &Client) -> anyhow::Result<String> {
    checked(&path(document), document, client).await
}

async fn checked(path: &str, document: &Document, client: &Client) -> anyhow::Result<String> {
    let body = json!({ "text": document.body["text"] });
    match client.post(&format!("{path}/check"), &body).await {
        Ok(would_be) => Ok(format!("version {}", would_be["version"])),
        // It keeps what it checks.
        Err(Error::Refused { status: 404 | 405, .. }) => {
            Ok("not checked: this control plane is of a release that cannot".to_owned())
        }
        Err(error) => Err(error).with_context(|| document.called()),
    }
}

fn path(document: &Document) -> String {
    format!("/templates/{}", utf8_percent_encode(&document.name, NON_ALPHANUMERIC))
}
