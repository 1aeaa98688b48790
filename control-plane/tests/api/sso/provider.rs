//! An identity provider of a test's own: it signs with its own keys, exchanges a code once, and lies where it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use ring::{digest, hmac};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const CLIENT: &str = "phoenix";
pub const SECRET: &str = "the client's own";

/// A key that signs ID tokens.
pub struct Key {
    pub kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { kid, pair }
    }

    fn shown(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y })
    }
}

/// Manner of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should be.
    Es256,
    /// Not at all.
    None,
    /// With the public key as if it were a secret.
    Hs256,
    /// With the client's secret.
    Hs256OfClient,
}

/// Grant that waits for its code to be exchanged.
struct Grant {
    challenge: String,
    redirect_uri: String,
    claims: Value,
}

pub struct Inner {
    issuer: String,
    pub keys: Vec<Key>,
    /// The key that signs, which may not be shown.
    pub signs: Key,
    pub manner: Manner,
    grants: BTreeMap<String, Grant>,
    /// Number of times that the keys were asked for.
    pub asked: u32,
}

#[derive(Clone)]
pub struct Provider {
    pub inner: Arc<Mutex<Inner>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let key = Key::new("one");
        let inner = Inner {
            issuer: format!("http://{at}"),
            keys: Vec::new(),
            signs: key,
            manner: Manner::Es256,
            grants: BTreeMap::new(),
            asked: 0,
        };
        let provider = Self { inner: Arc::new(Mutex::new(inner)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub fn issuer(&self) -> String {
        self.inner.lock().unwrap().issuer.clone()
    }

    /// What the person's browser does at the provider: it logs in, and is sent back with a code and the state.
    pub fn visited(&self, url: &str, claims: Value) -> (String, String) {
        let url: url::Url = url.parse().unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!((query["client_id"].as_str(), query["code_challenge_method"].as_str()), (CLIENT, "S256"));
        assert!(query["scope"].contains("openid"), "{query:?}");
        let mut all = json!({
            "iss": self.issuer(), "aud": CLIENT, "sub": "s-1", "iat": 1_800_000_000, "exp": 1_800_003_600,
            "nonce": query["nonce"], "email": "Ann@One.io", "email_verified": true, "groups": ["telemetry"],
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut inner = self.inner.lock().unwrap();
        let code = format!("code-{}", inner.grants.len());
        let grant = Grant {
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            claims: all,
        };
        inner.grants.insert(code.clone(), grant);
        (code, query["state"].clone())
    }
}

async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.issuer();
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"], "scopes_supported": ["openid", "email", "groups"],
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut inner = provider.inner.lock().unwrap();
    inner.asked += 1;
    let mut shown: Vec<Value> = inner.keys.iter().map(Key::shown).collect();
    if inner.keys.is_empty() {
        shown.push(inner.signs.shown());
    }
    Json(json!({ "keys": shown }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> impl IntoResponse {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+").replace('\'', "%27")))
    );
    if headers["authorization"] != basic.as_str() {
        return refused("invalid_client");
    }
    let mut inner = provider.inner.lock().unwrap();
    // A code is good once.
    let Some(grant) = inner.grants.get_mut(&form["code"]).filter(|grant| !grant.challenge.is_empty()) else {
        return refused("invalid_grant");
    };
    let verifier = digest::digest(&digest::SHA256, form["code_verifier"].as_bytes());
    let proven =
        URL_SAFE_NO_PAD.encode(verifier) == grant.challenge && form["redirect_uri"] == grant.redirect_uri;
    grant.challenge.clear();
    if !proven {
        return refused("invalid_grant");
    }
    let claims = grant.claims.clone();
    let token = sign(&inner, &claims);
    (
        StatusCode::OK,
        Json(json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token })),
    )
}

fn sign(inner: &Inner, claims: &Value) -> String {
    let alg = match inner.manner {
        Manner::Es256 => "ES256",
        Manner::None => "none",
        Manner::Hs256 | Manner::Hs256OfClient => "HS256",
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": alg, "kid": inner.signs.kid, "typ": "JWT" });
    let signed = format!("{}.{}", part(&header), part(claims));
    let hs256 =
        |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes()).as_ref().to_vec();
    let signature = match inner.manner {
        Manner::Es256 => {
            inner.signs.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
        }
        Manner::None => Vec::new(),
        Manner::Hs256 => hs256(inner.signs.pair.public_key().as_ref()),
        Manner::Hs256OfClient => hs256(SECRET.as_bytes()),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
