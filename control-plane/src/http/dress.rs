//! What every answer of a listener has: the request's id, headers that keep a browser from doing more with it than it is for,
//! and, for pages of allowed origins, leave to read it.
//!
//! No cookie lets anybody in, so that an origin is given no credentials.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::{Request, Response};

/// Header with the id of a request: who asks may say one, and the answer and the log have it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of an id.
const LONGEST: usize = 64;

const FIXED: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
];

/// Origins whose pages may read answers, such as `https://console.example.org`.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub Vec<HeaderValue>);

/// Part of an answer that is known from its request.
#[derive(Debug, Clone)]
pub struct Dress {
    /// The request's id.
    pub id: HeaderValue,
    origin: Option<HeaderValue>,
    by_origin: bool,
    tls: bool,
}

impl Dress {
    /// Of a request.
    pub fn of<B>(request: &Request<B>, origins: &Origins, tls: bool) -> Self {
        let headers = request.headers();
        let origin = headers.get(ORIGIN).filter(|origin| origins.0.contains(origin)).cloned();
        Self { id: id(headers), origin, by_origin: !origins.0.is_empty(), tls }
    }

    /// Answer to a browser that asks beforehand; nothing for any other request.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        self.origin.as_ref()?;
        let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = "authorization, content-type, idempotency-key, if-match, last-event-id, x-request-id";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(asked));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// The answer with all of it.
    pub fn put(self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.id);
        for (name, value) in FIXED {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if self.tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if self.by_origin {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let shown = HeaderValue::from_static("etag, idempotency-replayed, retry-after, x-request-id");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
        }
        response
    }
}

/// The id that a request says, if it is one; else one by chance.
fn id(headers: &HeaderMap) -> HeaderValue {
    let is_id = |id: &&HeaderValue| {
        let plain = |c: &u8| c.is_ascii_alphanumeric() || b"-._".contains(c);
        (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    let said = headers.get(REQUEST_ID).filter(is_id).cloned();
    said.unwrap_or_else(|| {
        let made = HeaderValue::try_from(format!("{:016x}", rand::random::<u64>()));
        made.unwrap_or(HeaderValue::from_static("0"))
    })
}
