//! Inputs of the stage that holds points, as requests: what a later process plays again if this one does not end cleanly.
//!
//! What always holds: what waits in the stage is what waits after its inputs were played in their order to an empty one, or what
//! [`Pipeline::held_as_input`] returns and the inputs behind it. To play one a second time changes nothing.

use bytes::Bytes;

use crate::Batch;
use crate::batch::{Encoded, Keep, Malformed};

use super::Stop;
use super::pipeline::{Pipeline, Turn, never, run};

impl Pipeline {
    /// Says whether inputs of the stage that holds points are kept until they are asked for.
    pub fn keep_inputs(&mut self, keeps: bool) {
        if let Some(stage) = self.holding() {
            let stage = &mut self.stages[stage];
            stage.inputs = keeps.then(|| stage.inputs.take().unwrap_or_default());
        }
    }

    /// Inputs of which the stage that holds points has taken some since this was last asked: each with all that came to it.
    pub fn take_inputs(&mut self) -> Vec<Encoded> {
        self.stages.iter_mut().filter_map(|stage| stage.inputs.as_mut()).flat_map(std::mem::take).collect()
    }

    /// All that waits in the stage that holds points, as one input of it; nothing if nothing waits.
    pub fn held_as_input(&self) -> Option<Encoded> {
        let state = self.stages[self.holding()?].state.as_ref()?;
        let flush = state.copy().finish(0, None)?;
        Some(flush.output.encode(Keep::All))
    }

    /// Has the stage that holds points take an input once more, at `now`, Unix nanoseconds. What it passes on at once has left
    /// when it came first.
    ///
    /// # Errors
    /// As [`Batch::parse`].
    pub fn play(&mut self, input: Bytes, now: u64) -> Result<(), Malformed> {
        let Some(stage) = self.holding() else { return Ok(()) };
        let mut input = Batch::parse(input)?;
        input.identify();
        let mut batch = Batch::default();
        batch.copy_from(&input);
        self.batches += 1;
        let turn = Turn { input: &input, now, number: self.batches, stop: &Stop::new(&never) };
        // What it says of metrics without a type it said when they came first.
        let _said_before = run(&mut self.stages[stage..=stage], &turn, &mut batch);
        Ok(())
    }

    /// Place of the stage that holds points, if there is one alone.
    fn holding(&self) -> Option<usize> {
        let mut holding = self.stages.iter().enumerate().filter(|(_, stage)| stage.holds());
        let (place, _) = holding.next()?;
        holding.next().is_none().then_some(place)
    }
}
