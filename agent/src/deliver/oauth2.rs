//! Tokens of a server, by the grant of client credentials (RFC 6749, section 4.4).
//!
//! A token is asked for once and kept until shortly before it ends; all who need it meanwhile wait for the one answer. Where
//! the server does not answer in time, the token that is there serves until its end. No message holds an id, a secret or a token.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::authorization::TokenFile;
use super::secret::Secret;
use super::settings::HttpTarget;
use crate::net::Connector;

/// Largest answer of a server.
const MAX_ANSWER: usize = 64 << 10;
/// Time after which a server that did not answer is asked again, while there is a token.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest life of a token; what is longer is as good as without an end.
const LONGEST: u64 = 10 * 365 * 86_400;
/// Characters that stand for themselves in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Settings of the extension `oauth2client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Settings {
    /// Name of this client.
    pub client_id: Secret,
    /// Its secret.
    pub client_secret: Secret,
    /// URL at which tokens are asked for.
    pub token_url: HttpTarget,
    /// Permissions that are asked for.
    pub scopes: Vec<String>,
    /// Parameters besides, each with its values.
    pub params: Vec<(String, Secret)>,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Time before the end of a token from which another one is asked for.
    pub expiry_buffer: Duration,
}

impl OAuth2Settings {
    /// Reads the files of secrets, and forgets what they hold.
    ///
    /// # Errors
    /// When one cannot be read, or holds nothing; says which.
    pub fn read_files(&self) -> Result<(), String> {
        self.client_id.read()?;
        self.client_secret.read()?;
        Ok(())
    }
}

/// A server of tokens, and the last of them.
#[derive(Debug)]
pub struct OAuth2 {
    settings: OAuth2Settings,
    connector: Connector,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// True if the server wants the secret in the form, and not in a header.
    in_form: bool,
    failed: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Token {
    value: HeaderValue,
    renewal: Option<Instant>,
    end: Option<Instant>,
}

impl State {
    fn keep(&mut self, (token, in_form): (Token, bool)) -> HeaderValue {
        let value = token.value.clone();
        (self.token, self.in_form, self.failed) = (Some(token), in_form, None);
        value
    }
}

/// Answer that is no token.
enum NoToken {
    /// The server does not know the client, by this way of saying who it is.
    Client(String),
    /// Anything else.
    Other(String),
}

impl OAuth2 {
    /// A server that is not asked yet.
    ///
    /// # Errors
    /// When a file of a secret cannot be read, or TLS not be set up.
    pub fn new(settings: OAuth2Settings) -> Result<Self, String> {
        settings.read_files()?;
        let connector = Connector::new(settings.token_url.endpoint.clone(), "http/1.1");
        let connector = connector.map_err(|error| format!("token_url: {error}"))?;
        Ok(Self { settings, connector, state: Mutex::default() })
    }

    /// The header of a token that is still good.
    ///
    /// # Errors
    /// When there is none; says why.
    pub async fn value(&self) -> Result<HeaderValue, String> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| token.renewal.is_none_or(|at| asked < at)) {
            return Ok(token.value.clone());
        }
        if let Some(token) = state.token.as_mut().filter(|token| token.end.is_some_and(|end| asked < end)) {
            // Who comes meanwhile takes the one that is there.
            token.renewal = Some(asked + self.settings.timeout + PAUSE);
            let (value, in_form) = (token.value.clone(), state.in_form);
            drop(state);
            return Ok(self.renewed(in_form).await.unwrap_or(value));
        }
        if let Some((_, why)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(why.clone());
        }
        let fetched = self.fetch(state.in_form).await;
        match fetched {
            Ok(fetched) => Ok(state.keep(fetched)),
            Err(why) => {
                (state.token, state.failed) = (None, Some((Instant::now(), why.clone())));
                Err(why)
            }
        }
    }

    /// Another token in the place of one that is still good; nothing where there is none.
    async fn renewed(&self, in_form: bool) -> Option<HeaderValue> {
        let fetched = self.fetch(in_form).await;
        let mut state = self.state.lock().await;
        match fetched {
            Ok(fetched) => Some(state.keep(fetched)),
            Err(why) => {
                tracing::warn!(why, "the token that is there serves until its end");
                if let Some(token) = &mut state.token {
                    token.renewal = Some(Instant::now() + PAUSE);
                }
                None
            }
        }
    }

    /// Forgets the token.
    pub async fn forget(&self) {
        self.state.lock().await.token = None;
    }

    /// Asks for a token, in the other way where the server does not know the client by the first; tells which it was.
    async fn fetch(&self, in_form: bool) -> Result<(Token, bool), String> {
        let asked = async {
            match self.ask(in_form).await {
                Ok(token) => Ok((token, in_form)),
                Err(NoToken::Other(why)) => Err(why),
                Err(NoToken::Client(why)) => {
                    self.ask(!in_form).await.map(|token| (token, !in_form)).map_err(|_| why)
                }
            }
        };
        let fetched = tokio::time::timeout(self.settings.timeout, asked).await;
        let fetched = fetched.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        fetched.map_err(|why| format!("no token of {}: {why}", self.connector.authority()))
    }

    async fn ask(&self, in_form: bool) -> Result<Token, NoToken> {
        let other = |error: &dyn Display| NoToken::Other(error.to_string());
        let (id, secret) = self.client().await.map_err(NoToken::Other)?;
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if !self.settings.scopes.is_empty() {
            form.push(("scope", self.settings.scopes.join(" ")));
        }
        for (name, value) in &self.settings.params {
            form.push((name, value.read().map_err(NoToken::Other)?));
        }
        let mut request = Request::new(());
        if in_form {
            form.extend([("client_id", id), ("client_secret", secret)]);
        } else {
            let pair = STANDARD.encode(format!("{}:{}", encoded(&id), encoded(&secret)));
            let value =
                TokenFile::value("Basic", &pair).ok_or_else(|| other(&"the client's id is not legal"))?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let form: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let (status, body) = self.post(request, form.join("&")).await.map_err(|error| other(&error))?;
        let asked = Instant::now();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            let why = refusal(status, &answer);
            let unknown = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
            return Err(if unknown { NoToken::Client(why) } else { NoToken::Other(why) });
        }
        token(&answer, asked, self.settings.expiry_buffer).ok_or_else(|| other(&"the answer holds no token"))
    }

    /// Name and secret of this client, as their files hold them now.
    async fn client(&self) -> Result<(String, String), String> {
        let (id, secret) = (self.settings.client_id.clone(), self.settings.client_secret.clone());
        let read = tokio::task::spawn_blocking(move || Ok((id.read()?, secret.read()?))).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn post(&self, head: Request<()>, form: String) -> std::io::Result<(StatusCode, Bytes)> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| std::io::Error::other(error);
        let mut request = head.map(|()| Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        let authority = self.connector.authority();
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|error| failed(error.into()))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let path = &self.settings.token_url.path;
        let url = match self.connector.forwarder() {
            None => path.clone(),
            Some(proxy) => {
                headers.extend(proxy.authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
                format!("http://{authority}{path}")
            }
        };
        *request.uri_mut() = url.parse().map_err(|error: http::uri::InvalidUri| failed(error.into()))?;
        let stream = TokioIo::new(self.connector.connect().await?);
        let (mut sender, connection) = handshake(stream).await.map_err(|error| failed(error.into()))?;
        tokio::spawn(connection);
        let (head, body) =
            sender.send_request(request).await.map_err(|error| failed(error.into()))?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(failed)?;
        Ok((head.status, body.to_bytes()))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

/// Reason of a refusal: its status, and its code if that is one (RFC 6749, section 5.2). A text could repeat a secret.
fn refusal(status: StatusCode, answer: &serde_json::Value) -> String {
    let code = answer.get("error").and_then(|code| code.as_str()).filter(|code| {
        let known = ["invalid_request", "invalid_client", "invalid_grant", "invalid_scope"];
        known.contains(code) || ["unauthorized_client", "unsupported_grant_type"].contains(code)
    });
    match code {
        Some(code) => format!("HTTP status {}: {code}", status.as_u16()),
        None => format!("HTTP status {}", status.as_u16()),
    }
}

/// The token of an answer (RFC 6749, section 5.1). One that is short-lived is renewed after half of its life.
fn token(answer: &serde_json::Value, asked: Instant, buffer: Duration) -> Option<Token> {
    let kind = answer.get("token_type").and_then(|kind| kind.as_str()).unwrap_or("Bearer");
    let kind = if kind.eq_ignore_ascii_case("bearer") { "Bearer" } else { kind };
    let token = answer.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let value = TokenFile::value(kind, token)?;
    let life = answer.get("expires_in").and_then(|life| {
        let number = life.as_u64().or_else(|| life.as_f64().map(|life| life as u64));
        number.or_else(|| life.as_str()?.parse().ok())
    });
    let life = life.filter(|seconds| *seconds > 0).map(|life| Duration::from_secs(life.min(LONGEST)));
    let renewal = life.map(|life| asked + (life - buffer.min(life / 2)));
    Some(Token { value, renewal, end: life.map(|life| asked + life) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_lives_as_long_as_the_server_says_and_is_renewed_before() {
        let (now, buffer) = (Instant::now(), Duration::from_secs(300));
        let read = |answer: serde_json::Value| {
            let token = token(&answer, now, buffer)?;
            let until = |at: Option<Instant>| at.map(|at| (at - now).as_secs());
            Some((token.value.to_str().expect("text").to_owned(), until(token.renewal), until(token.end)))
        };
        let answer = json!({ "access_token": "t", "token_type": "bearer", "expires_in": 3600 });
        assert_eq!(read(answer), Some(("Bearer t".into(), Some(3_300), Some(3_600))));
        let short = json!({ "access_token": "t", "expires_in": "60" });
        assert_eq!(read(short), Some(("Bearer t".into(), Some(30), Some(60))));
        let other = json!({ "access_token": "t", "token_type": "MAC", "expires_in": u64::MAX });
        assert_eq!(read(other).map(|(value, ..)| value), Some("MAC t".into()));
        assert_eq!(read(json!({ "access_token": "t" })), Some(("Bearer t".into(), None, None)));
        for none in [json!({}), json!({ "access_token": "" }), json!({ "access_token": "a\nb" }), json!([])] {
            assert_eq!(read(none), None);
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_never_by_a_text_of_the_server() {
        let told = |answer| refusal(StatusCode::UNAUTHORIZED, &answer);
        assert_eq!(told(json!({ "error": "invalid_client" })), "HTTP status 401: invalid_client");
        assert_eq!(
            told(json!({ "error": "no client hush", "error_description": "hush" })),
            "HTTP status 401"
        );
    }
}
