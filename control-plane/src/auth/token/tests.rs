use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, Entropy};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);

fn keys(dir: &std::path::Path) -> Keys {
    Keys::open(dir, &Clock::from_fn(|| T0), &Entropy::system()).unwrap()
}

fn login() -> Login {
    let (tenant_id, user_id) = (TenantId(Uuid::nil()), UserId(Uuid::max()));
    let ends_at = T0.plus(10 * LIFETIME);
    Login { id: LoginId(Uuid::nil()), tenant_id, user_id, created_at: T0, ends_at, ended_at: None }
}

fn claims() -> Claims {
    Claims::new(&login(), Uuid::nil(), T0)
}

/// The same token with a header of its own.
fn reheaded(token: &str, change: impl Fn(&mut Value)) -> String {
    let (head, rest) = token.split_once('.').unwrap();
    let mut head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    change(&mut head);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(head.to_string()))
}

#[test]
fn a_token_is_good_until_its_last_second() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let token = sign(&keys, &claims()).unwrap();
    assert_eq!(verify(&keys, &token, T0), Ok(claims()));
    assert_eq!(verify(&keys, &token, UnixMillis(T0.0 + 899_999)), Ok(claims()));
    assert_eq!(verify(&keys, &token, T0.plus(LIFETIME)), Err(NotGood::Over(T0.plus(LIFETIME))));
}

#[test]
fn a_token_does_not_outlive_its_login() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let ends_at = UnixMillis(T0.0 + 60_000);
    let token = sign(&keys, &Claims::new(&Login { ends_at, ..login() }, Uuid::nil(), T0)).unwrap();
    assert!(verify(&keys, &token, UnixMillis(T0.0 + 59_999)).is_ok());
    assert_eq!(verify(&keys, &token, ends_at), Err(NotGood::Over(ends_at)));
}

#[test]
fn a_token_of_another_key_issuer_audience_or_shape_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (keys, strange) = (keys(dir.path()), keys(other.path()));
    let ours = sign(&keys, &claims()).unwrap();
    let kid = jsonwebtoken::decode_header(&ours).unwrap().kid.unwrap();
    let forged = reheaded(&sign(&strange, &claims()).unwrap(), |head| head["kid"] = json!(kid));
    let iss = sign(&keys, &Claims { iss: "somebody".to_owned(), ..claims() }).unwrap();
    let aud = sign(&keys, &Claims { aud: "somebody".to_owned(), ..claims() }).unwrap();
    let nobody = reheaded(&ours, |head| head["kid"] = json!("another"));
    let unnamed = reheaded(&ours, |head| drop(head.as_object_mut().unwrap().remove("kid")));
    let unsigned = reheaded(&ours, |head| head["alg"] = json!("none"));
    let cut = ours.rsplit_once('.').unwrap().0.to_owned();
    for (what, token) in [
        ("another key under our kid", forged),
        ("another issuer", iss),
        ("another audience", aud),
        ("an unknown kid", nobody),
        ("no kid", unnamed),
        ("no algorithm", unsigned),
        ("no signature", format!("{cut}.")),
        ("two parts", cut),
        ("nothing", String::new()),
        ("very much", "e".repeat(1 << 20)),
    ] {
        assert_eq!(verify(&keys, &token, T0), Err(NotGood::Foreign), "{what}");
        assert_eq!(verify(&keys, &token, T0.plus(LIFETIME)), Err(NotGood::Foreign), "{what}, later");
    }
}

#[test]
fn the_public_key_does_not_sign_as_a_shared_secret() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let kid = jsonwebtoken::decode_header(sign(&keys, &claims()).unwrap()).unwrap().kid.unwrap();
    let seed: Value =
        serde_json::from_slice(&fs::read(dir.path().join("signing-keys.json")).unwrap()).unwrap();
    let seed = URL_SAFE_NO_PAD.decode(seed[0]["seed"].as_str().unwrap()).unwrap();
    let public = crate::auth::ed25519::public_key(&seed).unwrap();
    for (name, algorithm) in [("HS256", ring::hmac::HMAC_SHA256), ("HS512", ring::hmac::HMAC_SHA512)] {
        let parts = [json!({ "alg": name, "typ": "JWT", "kid": kid }), json!(claims())];
        let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let secret = ring::hmac::Key::new(algorithm, &public);
        let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
        assert_eq!(verify(&keys, &format!("{message}.{tag}"), T0), Err(NotGood::Foreign), "{name}");
    }
}

#[test]
fn a_rotation_logs_nobody_out_and_two_end_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let first = sign(&keys, &claims()).unwrap();
    keys.rotate(T0, &Entropy::system()).unwrap();
    let second = sign(&keys, &claims()).unwrap();
    assert_ne!(first, second);
    assert!(verify(&keys, &first, T0).is_ok() && verify(&keys, &second, T0).is_ok());
    let reopened = self::keys(dir.path());
    assert!(verify(&reopened, &first, T0).is_ok() && verify(&reopened, &second, T0).is_ok());
    keys.rotate(T0, &Entropy::system()).unwrap();
    assert_eq!(verify(&keys, &first, T0), Err(NotGood::Foreign));
    assert!(verify(&keys, &second, T0).is_ok());
    let mode = fs::metadata(dir.path().join("signing-keys.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
