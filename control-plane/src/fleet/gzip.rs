//! gzip of bodies: inflated within a bound, and deflated for who takes it.

use std::io::{self, Read as _, Write as _};

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Reason for which a body is not read.
#[derive(Debug, thiserror::Error)]
pub enum Inflating {
    /// It is larger than the bound.
    #[error("the body is larger than {0} bytes once it is inflated")]
    TooLarge(usize),
    /// It is no gzip.
    #[error("the body is no gzip: {0}")]
    Broken(#[from] io::Error),
    /// It is encoded in another way.
    #[error("the body is encoded as {0:?}, expected gzip or nothing")]
    Unknown(String),
}

/// The body, as its headers say that it is encoded.
///
/// # Errors
/// [`Inflating`].
pub fn inflated(headers: &HeaderMap, body: &[u8], most: usize) -> Result<Vec<u8>, Inflating> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" if body.len() > most => Err(Inflating::TooLarge(most)),
        "" | "identity" => Ok(body.to_vec()),
        "gzip" | "x-gzip" => {
            let mut inflated = Vec::new();
            let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
            MultiGzDecoder::new(body).take(bound).read_to_end(&mut inflated)?;
            if inflated.len() > most { Err(Inflating::TooLarge(most)) } else { Ok(inflated) }
        }
        other => Err(Inflating::Unknown(other.chars().take(64).collect())),
    }
}

/// Tells whether who asks takes gzip.
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        named && !parts.any(refused)
    })
}

/// A body deflated.
///
/// # Errors
/// None that memory has.
pub fn deflated(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_body_is_inflated_up_to_its_bound() {
        let gzip = headers(CONTENT_ENCODING, "GZIP");
        let body = deflated(&[7; 10_000]).unwrap();
        assert_eq!(inflated(&gzip, &body, 10_000).unwrap(), [7; 10_000]);
        assert!(matches!(inflated(&gzip, &body, 9_999), Err(Inflating::TooLarge(_))));
        assert!(matches!(inflated(&gzip, b"no gzip", 10), Err(Inflating::Broken(_))));
        assert!(matches!(inflated(&gzip, &body[..body.len() - 4], 20_000), Err(Inflating::Broken(_))));
        assert!(matches!(
            inflated(&headers(CONTENT_ENCODING, "br"), &body, 20_000),
            Err(Inflating::Unknown(_))
        ));
        assert_eq!(inflated(&HeaderMap::new(), b"plain", 5).unwrap(), b"plain");
        assert!(matches!(inflated(&HeaderMap::new(), b"plain", 4), Err(Inflating::TooLarge(4))));
    }

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        for (value, taken) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
        ] {
            assert_eq!(is_accepted(&headers(ACCEPT_ENCODING, value)), taken, "{value}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
