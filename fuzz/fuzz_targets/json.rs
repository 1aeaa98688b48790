//! OTLP/JSON: reading never panics; what is read is written, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::json::{Request, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    for request in [Request::Metrics, Request::Traces, Request::Logs] {
        let _ = encode(request, bytes);
        let Ok(protobuf) = decode(request, bytes, 1 << 20) else { continue };
        let written = encode(request, &protobuf).expect("what was read is a request");
        let again = decode(request, written.as_bytes(), 1 << 20).expect("what was written is OTLP/JSON");
        assert_eq!(encode(request, &again).expect("a request"), written);
    }
});
