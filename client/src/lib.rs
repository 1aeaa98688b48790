//! Client of a control plane's REST, over HTTP or HTTPS.
//!
//! What always holds: a call ends, by an answer or after 30 seconds, and a stream of events a minute after it has fallen
//! silent; an answer and an event are bounded; a refusal is told as the control plane words it. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`, …), but a loopback address is
//! never asked through one.

mod error;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures_util::StreamExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use serde_json::{Value, json};

use error::innermost;

pub use error::Error;
pub use reqwest::Method;

/// The most bytes of an answer.
const MAX_BYTES: usize = 64 << 20;
/// Items of a page of a list, and the most of a whole one.
const PAGE: usize = 200;
const MAX_ITEMS: usize = 100_000;
/// Time within which a call ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for a question about the server itself.
const SHORT: Duration = Duration::from_secs(5);
/// Silence after which a stream is dead. A control plane sends a comment every 15 seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// A control plane, and who asks it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Status and body of an answer, whatever the status is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl Client {
    /// A control plane that nobody has logged in to yet. `server` is `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// [`Error::Address`], and [`Error::Unreachable`] if TLS cannot be set up.
    pub fn new(server: &str) -> Result<Self, Error> {
        let address = || Error::Address(server.to_owned());
        let url: Url = server.parse().map_err(|_| address())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(address)?;
        let builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(SILENCE);
        let builder = match (is_loopback(host), url.scheme()) {
            // Without TLS on any part of the way; reading the system's certificates would take most of a short call.
            (true, "http") => builder.no_proxy().tls_certs_only([]),
            (true, _) => builder.no_proxy(),
            (false, _) => builder,
        };
        // An error means that the process has chosen a provider already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let server = server.trim_end_matches('/').to_owned();
        let http = builder.build().map_err(|error| Error::unreachable(&server, &error))?;
        Ok(Self { http, server, token: None })
    }

    /// The same control plane, asked by the holder of an access token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The same control plane, asked as somebody who logs in with a password. Returns the login's answer, too.
    ///
    /// # Errors
    /// As [`Self::call`], and [`Error::Answer`] for one without a token.
    pub async fn login(self, email: &str, password: &str) -> Result<(Self, Value), Error> {
        let answer = self.post("/auth/login", &json!({ "email": email, "password": password })).await?;
        let token = answer["access_token"].as_str().ok_or_else(|| self.strange("it has no access_token"))?;
        let token = token.to_owned();
        Ok((self.with_token(&token), answer))
    }

    /// One call below `/api/v1`. Returns the answer's document, null where it has none.
    ///
    /// # Errors
    /// [`Error`]; what the control plane refuses is [`Error::Refused`].
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let Answer { status, body } = self.answer(method, &format!("/api/v1{path}"), body).await?;
        if !(200..300).contains(&status) {
            return Err(Error::Refused { status, body });
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| self.strange(error))
    }

    /// `GET` below `/api/v1`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::GET, path, None).await
    }

    /// All items of a list below `/api/v1`, page after page, as one page that has no next.
    ///
    /// # Errors
    /// As [`Self::call`], and [`Error::Answer`] for a page that is none, and for a list that goes on past 100,000 items.
    pub async fn list(&self, path: &str) -> Result<Value, Error> {
        let first = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut after) = (Vec::new(), String::new());
        while items.len() <= MAX_ITEMS {
            let mut page = self.get(&format!("{path}{first}limit={PAGE}{after}")).await?;
            let Value::Array(of_page) = page["items"].take() else {
                return Err(self.strange("it has no items"));
            };
            items.extend(of_page);
            let Some(next) = page["next"].as_str() else {
                return Ok(json!({ "items": items, "next": null }));
            };
            let next = format!("&after={}", utf8_percent_encode(next, NON_ALPHANUMERIC));
            if next == after {
                return Err(self.strange("a page is followed by itself"));
            }
            after = next;
        }
        Err(self.strange(format!("{path} goes on past {MAX_ITEMS} items")))
    }

    /// `POST` below `/api/v1`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// One call to a path of the server. Returns the answer, whatever its status is.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::TooLate`], and [`Error::Answer`] for one that is too large.
    pub async fn answer(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let exchange = async {
            let response = self.send(method, path, body).await?;
            let (status, body) = (response.status().as_u16(), self.read(response).await?);
            Ok(Answer { status, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| Error::TooLate(self.server.clone()))?
    }

    /// Server-sent events below `/api/v1`, each handed to `each` as its document, until the server ends them. A stream that
    /// the server ends before its time ends with what it says of it.
    ///
    /// # Errors
    /// As [`Self::call`], and those of `each`.
    pub async fn events<E: From<Error>>(
        &self,
        path: &str,
        each: impl FnMut(&Value) -> Result<(), E>,
    ) -> Result<(), E> {
        self.events_after(path, &mut String::new(), || {}, each).await
    }

    /// The same from behind an event on: `last` is its id, empty for none, and becomes that of each event that came. `opened` is
    /// called once the server has begun to answer.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn events_after<E: From<Error>>(
        &self,
        path: &str,
        last: &mut String,
        opened: impl FnOnce(),
        mut each: impl FnMut(&Value) -> Result<(), E>,
    ) -> Result<(), E> {
        let since = Some(last.as_str()).filter(|last| !last.is_empty());
        let response = self.send_since(Method::GET, &format!("/api/v1{path}"), None, since).await?;
        if !response.status().is_success() {
            let (status, body) = (response.status().as_u16(), self.read(response).await?);
            return Err(Error::Refused { status, body }.into());
        }
        opened();
        // Bytes since the last event: the parser itself would go on for ever.
        let pending = AtomicUsize::new(0);
        let chunks = response.bytes_stream().map(|chunk| {
            let chunk = chunk.map_err(|error| Error::broken(&self.server, &error))?;
            let length = pending.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            if length > MAX_BYTES { Err(self.strange(too_large())) } else { Ok(chunk) }
        });
        let mut events = chunks.eventsource();
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| match error {
                EventStreamError::Transport(error) => error,
                other => self.strange(other),
            })?;
            pending.store(0, Ordering::Relaxed);
            if event.event == "problem" {
                return Err(Error::problem(event.data).into());
            }
            let document = serde_json::from_str(&event.data).map_err(|error| self.strange(error))?;
            each(&document)?;
            if !event.id.is_empty() {
                *last = event.id;
            }
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, Error> {
        self.send_since(method, path, body, None).await
    }

    async fn send_since(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        since: Option<&str>,
    ) -> Result<Response, Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(since) = since {
            request = request.header("last-event-id", since);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        match request.send().await {
            Ok(response) => Ok(response),
            Err(error) => Err(self.why(&error).await),
        }
    }

    /// Reason for which the server gave no answer. Where it closed or said what is no HTTP, it is asked whether it speaks TLS.
    async fn why(&self, error: &reqwest::Error) -> Error {
        let crossed = |speaks_tls| Error::Crossed { server: self.server.clone(), speaks_tls };
        let said = innermost(error);
        match self.server.split_once("://") {
            // What rustls says of a first record that is none.
            Some(("https", _)) if said.contains("InvalidContentType") => crossed(false),
            Some(("http", rest)) if !error.is_connect() && speaks_tls(rest).await => crossed(true),
            _ => Error::unreachable(&self.server, error),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BYTES => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(self.strange(too_large())),
                Ok(None) => return Ok(body),
                Err(error) => return Err(Error::broken(&self.server, &error)),
            }
        }
    }

    fn strange(&self, what: impl ToString) -> Error {
        Error::Answer { server: self.server.clone(), what: what.to_string() }
    }
}

/// Tells whether a server takes part in a handshake. It is believed nothing: no authority is known, so that it ends there.
async fn speaks_tls(host: &str) -> bool {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(SHORT);
    let Ok(http) = builder.build() else { return false };
    match http.get(format!("https://{host}/")).send().await {
        Ok(_) => true,
        Err(error) => ["certificate", "alert"].iter().any(|word| innermost(&error).contains(word)),
    }
}

fn too_large() -> String {
    format!("it has more than {MAX_BYTES} bytes")
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
