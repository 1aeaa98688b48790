//! Shadow: all of the candidate's output goes to a destination of its own, besides what is delivered.
//!
//! What always holds: nothing waits for the shadow, and it takes nothing of the budget by which requests are admitted. A
//! payload that finds its queue or its own budget full is dropped and counted.

use std::sync::Arc;

use observe::Variant;
use pipelines::batch::Encoded;

use super::Engine;
use crate::deliver::Awaited;
use crate::request::Payload;
use crate::signal::Signal;

/// Bytes that may wait for the shadow.
pub const BUDGET: usize = 16 << 20;

impl Engine {
    /// Queues what the candidate made, if there is a shadow and room in its queue.
    pub(super) fn shadow(&self, encoded: Option<Encoded>) {
        let current = self.current.load();
        let (Some(destination), Some(encoded)) = (&current.routes.shadow, encoded) else { return };
        if encoded.points == 0 {
            return;
        }
        let room =
            destination.reserve(encoded.bytes.len()).ok().zip(self.shadow_budget.take(encoded.bytes.len()));
        let Some((slot, permit)) = room else {
            self.metrics.shadow_dropped(encoded.points);
            return;
        };
        let payload = Payload {
            signal: Signal::Metrics,
            permit: Arc::new(permit),
            message: encoded.bytes,
            wire: None,
            items: encoded.points,
            pipeline: Arc::clone(&self.pipeline),
            variant: Variant::Candidate,
            generation: current.generation.number,
            // It is no delivery of the candidate's: a shadow that refuses says nothing of the destination.
            meter: None,
        };
        destination.enqueue((payload, current.routes.rules.metrics[1]), slot, Awaited::default());
    }
}
