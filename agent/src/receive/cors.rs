//! Requests of pages of other origins, from a browser (Fetch, "CORS protocol").
//!
//! A page whose origin is allowed reads the answer, also with credentials unless every origin is allowed; its browser asks
//! first whether it may send. What is not allowed gets an answer without the headers that allow it: it is the browser that refuses then.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request};

/// Headers that a page may send where the config names none.
const HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];
const VARIES: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// `cors` of a receiver, with the Collector's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins, each perhaps with one `*` for any text.
    pub allowed_origins: Vec<String>,
    /// Headers that a page may send; `*` for any.
    pub allowed_headers: Vec<String>,
    /// Headers of an answer that a page may read.
    pub exposed_headers: Vec<String>,
    /// Seconds for which a browser remembers an answer; nothing for its own default.
    pub max_age: Option<u64>,
}

impl Cors {
    /// Tells whether a request asks whether another one may be sent.
    pub fn is_preflight<B>(request: &Request<B>) -> bool {
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Headers of the answer to such a question.
    pub fn preflight(&self, asked: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        answer.insert(VARY, VARIES);
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|method| *method == "POST");
        let headers = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let (Some(origin), Some(method)) = (self.allowed(asked.get(ORIGIN)), method) else { return answer };
        if !headers.is_none_or(|headers| self.takes(headers)) {
            return answer;
        }
        self.name(origin, &mut answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(headers) = headers {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        if let Some(seconds) = self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        answer
    }

    /// Lets the page at `origin` read an answer with these headers, if it may.
    pub fn allow(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.allowed(origin) else { return };
        self.name(origin, answer);
        if let Ok(exposed) = HeaderValue::from_str(&self.exposed_headers.join(", "))
            && !exposed.is_empty()
        {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// Names the origin that is allowed, or all of them: then nothing with credentials is.
    fn name(&self, origin: HeaderValue, answer: &mut HeaderMap) {
        if self.allowed_origins.iter().any(|pattern| pattern == "*") {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The origin of a request, if it is allowed.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        let matches = |pattern: &String| is_like(&text, &pattern.to_ascii_lowercase());
        self.allowed_origins.iter().any(matches).then(|| origin.clone())
    }

    /// Tells whether a page may send all of these headers.
    fn takes(&self, asked: &HeaderValue) -> bool {
        let allowed = |name: &str| {
            let own =
                self.allowed_headers.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name));
            own || (self.allowed_headers.is_empty()
                && HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)))
        };
        let Ok(text) = asked.to_str() else { return false };
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).all(allowed)
    }
}

/// Tells whether a text is as a pattern with at most one `*` says.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], headers: &[&str]) -> Cors {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Cors {
            allowed_origins: texts(origins),
            allowed_headers: texts(headers),
            exposed_headers: vec!["retry-after".to_owned()],
            max_age: Some(600),
        }
    }

    fn asked(origin: &'static str, method: &'static str, headers: &'static str) -> HeaderMap {
        let pairs = [
            (ORIGIN, origin),
            (ACCESS_CONTROL_REQUEST_METHOD, method),
            (ACCESS_CONTROL_REQUEST_HEADERS, headers),
        ];
        pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_may_send_what_its_origin_and_its_headers_are_allowed_to() {
        let shop = "https://shop.example.com";
        for (origins, headers, question, allowed) in [
            (&["https://*.example.com"][..], &[][..], asked(shop, "POST", "content-type"), true),
            (&["HTTPS://SHOP.example.com"], &[], asked(shop, "POST", "Content-Type, Accept"), true),
            (&["https://*.example.org"], &[], asked(shop, "POST", "content-type"), false),
            (&["https://example.com"], &[], asked(shop, "POST", "content-type"), false),
            (&["https://*.example.com"], &[], asked(shop, "POST", "x-anything"), false),
            (&["https://*.example.com"], &["x-one"], asked(shop, "POST", "x-one, content-type"), false),
            (&["https://*.example.com"], &[], asked(shop, "DELETE", "content-type"), false),
        ] {
            let answer = cors(origins, headers).preflight(&question);
            let origin = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(HeaderValue::as_bytes);
            assert_eq!(origin, allowed.then_some(shop.as_bytes()), "{origins:?} {headers:?} {question:?}");
            assert_eq!(answer.contains_key(ACCESS_CONTROL_MAX_AGE), allowed);
            assert!(answer.contains_key(VARY), "no cache answers another origin with it");
        }
    }

    #[test]
    fn where_every_origin_is_allowed_none_sends_with_credentials() {
        let answer = cors(&["*"], &["*"]).preflight(&asked("https://evil.example", "POST", "x-anything"));
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn an_answer_is_read_by_a_page_that_may_and_by_no_other() {
        let cors = cors(&["https://*.example.com"], &[]);
        let read = |origin: Option<&'static str>| {
            let mut answer = HeaderMap::new();
            cors.allow(origin.map(HeaderValue::from_static).as_ref(), &mut answer);
            answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(
            read(Some("https://a.example.com")),
            Some(HeaderValue::from_static("https://a.example.com"))
        );
        assert_eq!((read(Some("https://evil.example.org")), read(None)), (None, None));
    }
}
