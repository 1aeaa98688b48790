//! Warm-up of a generation aside: both pipelines are built and run once, before anything of the agent depends on them.
//!
//! A mistake in the request is the request's. A panic is the pipeline's, and the generation is not put in charge.

use bytes::Bytes;
use pipelines::Batch;

use super::variant::VariantPipeline;
use crate::generation::Intent;

/// A request of one gauge point, `phoenix.warm` = 1, of the resource `service.name` = `phoenix`.
const REQUEST: &[u8] = b"\x0a\x45\
    \x0a\x1b\x0a\x19\x0a\x0cservice.name\x12\x09\x0a\x07phoenix\
    \x12\x26\x12\x24\x0a\x0cphoenix.warm\x2a\x14\x0a\x12\x19\x01\0\0\0\0\0\0\0\x31\x01\0\0\0\0\0\0\0";

/// Builds both pipelines of `intent` and runs them once, at `now`, Unix nanoseconds.
///
/// # Errors
/// The panic of one of them, for a person.
pub fn warm(intent: &Intent, now: u64) -> Result<(), String> {
    let Ok(mut batch) = Batch::parse(Bytes::from_static(REQUEST)) else { return Ok(()) };
    batch.identify();
    let candidate = intent.experiment.as_ref().map(|experiment| &experiment.candidate);
    for (variant, plan) in [("baseline", intent.baseline.as_ref()), ("candidate", candidate)] {
        let Some(plan) = plan else { continue };
        VariantPipeline::warm(plan, &batch, now).map_err(|panic| format!("the {variant}: {panic}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_one_point_of_one_resource() {
        let batch = Batch::parse(Bytes::from_static(REQUEST)).expect("OTLP");
        assert_eq!((batch.point_count(), batch.resources().len()), (1, 1));
        let service = batch.attribute(batch.resources()[0].attrs, b"service.name");
        assert!(matches!(service, Some(pipelines::batch::Value::Text(b"phoenix"))), "{service:?}");
    }
}
