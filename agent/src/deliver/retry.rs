//! gRPC codes after which an attempt is repeated.
//!
//! Only the codes the OTLP specification calls retryable are retried, `RESOURCE_EXHAUSTED` only with
//! a `RetryInfo`. Everything else is dropped and counted: a request the destination refuses will not
//! get better.

use crate::grpc_status::Code;

/// Tells whether a gRPC status may be retried.
pub fn is_retryable(code: i32, has_retry_info: bool) -> bool {
    const RETRYABLE: [Code; 6] = [
        Code::Canceled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];
    RETRYABLE.iter().any(|&retryable| retryable as i32 == code)
        || (code == Code::ResourceExhausted as i32 && has_retry_info)
}

/// Tells whether the destination may have kept the data all the same. `UNAVAILABLE` with a `RetryInfo` is
/// OTLP's way of refusing on overload and leaves no doubt.
pub fn is_ambiguous(code: i32, has_retry_info: bool) -> bool {
    code == Code::Canceled as i32
        || code == Code::DeadlineExceeded as i32
        || (code == Code::Unavailable as i32 && !has_retry_info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_codes_of_the_specification_are_retried() {
        let retried: Vec<i32> = (0..17).filter(|&code| is_retryable(code, false)).collect();
        assert_eq!(retried, [1, 4, 10, 11, 14, 15]);
        assert!(is_retryable(8, true));
        assert!(!is_retryable(13, true));
    }
}
