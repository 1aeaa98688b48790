//! Delivery: one [`Destination`] per exporter, each with its own queue and retries.
//!
//! A place in the queue is reserved when a request is admitted, so what was accepted can always be
//! queued. A queued payload is a task waiting its turn at a fair semaphore: when nothing is in its
//! way it is sent from the thread that received it, without a hand-over. A slow destination holds up
//! nobody but itself; bytes are shared, never copied per destination. Where `batch` says so, payloads wait for company and
//! large ones are cut, and each is settled once all of its parts are. A queue may be on disk (`disk_queue`): what it has survives
//! the process.

mod authorization;
mod batcher;
mod channel;
mod destination;
mod destinations;
mod disk_queue;
mod exporter;
mod file;
mod held_log;
mod kept_log;
mod oauth2;
mod otlp;
mod otlp_http;
mod queued;
mod record;
mod retry;
mod rolling_file;
mod saved_stages;
mod secret;
mod settings;
mod stored;

pub use authorization::{TokenFile, TokenSource};
pub use batcher::{BatchRule, BatchRules, MOST_BYTES};
pub use destination::{Destination, NoPlace};
pub use destinations::Destinations;
pub use disk_queue::{DiskQueue, StorageSettings, StorageStatus};
pub use exporter::{Client, Exporter, ExporterError};
pub use held_log::{HeldContent, HeldDamage, HeldLog, Leaving, ids_before};
pub use oauth2::OAuth2Settings;
pub use otlp::Attempt;
pub use queued::{Awaited, Kept, Outcome, OwedItems};
pub use rolling_file::{FileSettings, Rotation};
pub use saved_stages::{SavedStages, StageStates, VariantStates};
pub use secret::Secret;
pub use settings::{
    ExporterKind, ExporterSettings, HttpTarget, MOST_REQUESTS, OtlpSettings, QueueSettings, Sizer,
};
