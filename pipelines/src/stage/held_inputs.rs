//! Inputs of the stage that holds points, as requests: what a later process plays again if this one does not end cleanly.
//!
//! What always holds: what waits in the stage is what waits after its inputs were played in their order to an empty one, or what
//! [`Pipeline::held_as_input`] returns and the inputs behind it. To play one a second time changes nothing.

use bytes::Bytes;

use crate::Batch;
use crate::batch::{Encoded, Keep, Malformed};

use super::Stop;
use super::pipeline::{Pipeline, Refusal, Turn, never, run};

impl Pipeline {
    /// Says whether inputs of the stage that holds points are kept until they are asked for.
    pub fn keep_inputs(&mut self, keeps: bool) {
        if let Some(stage) = self.holding() {
            let stage = &mut self.stages[stage];
            stage.inputs = keeps.then(|| stage.inputs.take().unwrap_or_default());
        }
    }

    /// Inputs of which the stage that holds points has taken some since this was last asked: each without what it always passes
    /// on, which has left.
    pub fn take_inputs(&mut self) -> Vec<Encoded> {
        self.stages.iter_mut().filter_map(|stage| stage.inputs.as_mut()).flat_map(std::mem::take).collect()
    }

    /// All that waits in the stage that holds points, as one input of it; nothing if nothing waits.
    pub fn held_as_input(&self) -> Option<Encoded> {
        let state = self.stages[self.holding()?].state.as_ref()?;
        let flush = state.copy().finish(0, None)?;
        Some(flush.output.encode(Keep::All))
    }

    /// Plays an input of a stage of type `kind` that held points, at `now`, Unix nanoseconds. The stages of the ids `before` had made
    /// it, so none of them runs again, nor one in front of them: it goes to the first stage of that type behind them that holds points
    /// now and on through the rest, or through all behind them where none does. Returns what leaves at once.
    ///
    /// # Errors
    /// As [`Batch::parse`]; and within, as [`Self::process`].
    pub fn play(
        &mut self,
        input: Bytes,
        (kind, before): (&str, &[&str]),
        now: u64,
    ) -> Result<Result<Encoded, Refusal>, Malformed> {
        let mut input = Batch::parse(input)?;
        input.identify();
        let mut batch = Batch::default();
        batch.copy_from(&input);
        self.batches += 1;
        let turn = Turn { input: &input, now, number: self.batches, stop: &Stop::new(&never) };
        let behind = self.stages.iter().rposition(|stage| before.contains(&stage.id.as_str()));
        let stages = &mut self.stages[behind.map_or(0, |last| last + 1)..];
        let from = stages.iter().position(|stage| stage.holds() && stage.kind() == kind);
        let outcome = run(&mut stages[from.unwrap_or_default()..], &turn, &mut batch);
        Ok(match outcome {
            Err(refused) if !refused.passed_on => Err(refused),
            _ => Ok(batch.encode(Keep::All)),
        })
    }

    /// Place of the stage that holds points, if there is one alone.
    fn holding(&self) -> Option<usize> {
        let mut holding = self.stages.iter().enumerate().filter(|(_, stage)| stage.holds());
        let (place, _) = holding.next()?;
        holding.next().is_none().then_some(place)
    }
}
