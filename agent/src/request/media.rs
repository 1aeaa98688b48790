//! Encoding of a body of HTTP.

use http::HeaderValue;

/// The two encodings of OTLP over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

impl Media {
    /// Its name in `content-type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// The `content-type` of what is in it.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }
}
