//! Tests that what holds a secret does not show it to a log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use api::{
    AccessToken, BegunSso, ChangePassword, ChangeWebhook, CreateTenant, CreateUser, CreateWebhook,
    CreatedApiKey, CreatedToken, CreatedUser, Enrolled, FinishSso, Login, Refresh, SecretWebhook, Setup,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Debug output of a document.
fn shown<T: DeserializeOwned + Debug>(document: Value) -> String {
    format!("{:?}", serde_json::from_value::<T>(document).unwrap())
}

#[test]
fn no_secret_is_shown() {
    let id = "018f4f9e-0000-7000-8000-000000000001";
    let at = "2026-01-01T00:00:00Z";
    let tokens = json!({ "access_token": "hush", "token_type": "Bearer", "expires_in": 1, "refresh_token": "hush",
        "refresh_expires_in": 1, "role": "viewer" });
    let key = json!({ "id": "k1", "name": "ci", "role": "viewer", "owner_id": id, "created_at": at,
        "expires_at": at, "key": "hush" });
    let token = json!({ "id": "e1", "labels": {}, "max_uses": 1, "uses": 0, "created_by": id, "created_at": at, "expires_at": at,
        "token": "hush" });
    let user = json!({ "id": id, "tenant_id": id, "email": "a@b", "role": "viewer", "created_at": at,
        "password": "hush" });
    let webhook = json!({ "id": id, "name": "a", "place": "https://a.org/…", "events": [], "format": "json",
        "enabled": true, "waiting": 0, "dropped": 0, "version": 1, "created_by": "a", "created_at": at, "updated_at": at,
        "secret": "hush" });
    for shown in [
        shown::<Setup>(json!({ "token": "hush", "email": "a@b", "password": "hush" })),
        shown::<Login>(json!({ "email": "a@b", "password": "hush" })),
        shown::<AccessToken>(tokens),
        shown::<Refresh>(json!({ "refresh_token": "hush" })),
        shown::<ChangePassword>(json!({ "current": "hush", "new": "hush" })),
        shown::<CreatedApiKey>(key),
        shown::<CreatedToken>(token),
        shown::<CreateUser>(json!({ "email": "a@b", "role": "viewer", "password": "hush" })),
        shown::<CreateTenant>(json!({ "name": "b", "email": "a@b", "password": "hush" })),
        shown::<CreatedUser>(user),
        shown::<Enrolled>(json!({ "token": "hush" })),
        shown::<BegunSso>(json!({ "authorization_url": "hush", "flow": "hush" })),
        shown::<FinishSso>(json!({ "flow": "hush", "state": "hush", "code": "hush" })),
        shown::<CreateWebhook>(json!({ "name": "a", "url": "https://a.org/hush", "events": [] })),
        shown::<ChangeWebhook>(json!({ "url": "https://a.org/hush" })),
        shown::<SecretWebhook>(webhook),
    ] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}
