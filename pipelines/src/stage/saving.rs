//! State of a pipeline as bytes: what a process that ends leaves for the next one.
//!
//! Each stage stands by its id and config digest, so that a changed one begins without state, as at a swap.

use crate::config::ComponentId;

use super::pipeline::Pipeline;
use super::saved::{Saved, take};

/// Version of the bytes.
const VERSION: u8 = 1;

impl Pipeline {
    /// State of all stages, with which [`Self::restore`] goes on; nothing if none has any. What waits in them is no part of it:
    /// [`Self::shutdown`] has sent that.
    pub fn save(&self) -> Option<Vec<u8>> {
        let mut saved = vec![VERSION];
        for (id, digest, state) in self.states() {
            let mut bytes = Vec::new();
            state.save(&mut bytes);
            if !bytes.is_empty() {
                (id.as_str().len() as u32).save(&mut saved);
                saved.extend(id.as_str().as_bytes());
                saved.extend(digest.as_bytes());
                (bytes.len() as u64).save(&mut saved);
                saved.append(&mut bytes);
            }
        }
        (saved.len() > 1).then_some(saved)
    }

    /// Takes over saved state, for each stage that has the id and the config of one that was saved. Returns these; a stage
    /// whose state cannot be read begins at `start`, Unix nanoseconds, as all do that are not among them.
    pub fn restore(&mut self, mut saved: &[u8], start: u64) -> Vec<ComponentId> {
        let mut restored = Vec::new();
        if u8::restore(&mut saved) != Some(VERSION) {
            return restored;
        }
        while let Some(([id, digest], mut bytes)) = next(&mut saved) {
            let known = self.stages_mut().find(|stage| {
                let (known, config) = stage.key();
                known.as_str().as_bytes() == id && config.as_bytes() == digest
            });
            let Some(stage) = known else { continue };
            if stage.restore(&mut bytes, start) {
                restored.push(stage.key().0.clone());
            }
        }
        restored
    }
}

/// Id and config digest of the next stage, and its state.
fn next<'a>(saved: &mut &'a [u8]) -> Option<([&'a [u8]; 2], &'a [u8])> {
    let id = u32::restore(saved)?;
    let key = [take(saved, id as usize)?, take(saved, 32)?];
    let bytes = u64::restore(saved)?;
    Some((key, take(saved, usize::try_from(bytes).ok()?)?))
}
