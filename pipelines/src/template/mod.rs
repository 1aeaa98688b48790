//! Templates: Collector configs with typed parameters.
//!
//! A template is read as YAML first, and only its scalars are rendered, each on its own, so that a value can
//! never make structure: numbers, booleans and durations stand plain; text is a whole scalar or an OTTL literal
//! (`|ottl`); a dollar sign of a value is doubled; a list comes in by an `!each` node. What comes out is written
//! by the emitter, never by pasting. It is a fragment that `CollectorFile::parse` reads, with a digest of its bytes.

mod claim;
mod decode;
pub(crate) mod emit;
mod engine;
mod invalid;
mod literal;
mod parameter;
mod render;
mod value;

use serde_json::{Map, Value};

use crate::config::Digest;
use crate::yaml::{Node, Problems};

pub use claim::{Claim, Sample};
pub use invalid::{Invalid, ParameterProblem};
pub use parameter::{Parameter, ParameterKind};

/// A checked template.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    text: String,
    description: String,
    audience: String,
    claim: Option<Claim>,
    parameters: Vec<Parameter>,
    samples: Vec<Sample>,
    config: Node,
}

/// Template rendered with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// A Collector fragment in YAML.
    pub text: String,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
}

impl Template {
    /// Parses a template. `name` is what its problems are reported under, and must be the name it gives itself.
    ///
    /// # Errors
    /// All that is wrong with the YAML, the parameters and their defaults, the samples, and the expressions of
    /// the config; also a config that some sample's values do not render.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        decode::template(name, text)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its source.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Description of its work.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// People that it is for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Its claim, if it has one.
    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// Its parameters, in the order of the file.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Values with which it is tried.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Renders the config. What `values` leaves out has its default.
    ///
    /// # Errors
    /// Everything that is wrong with the values: unknown, missing, of the wrong type, out of range, or not
    /// fit for the place where the template puts it.
    pub fn render(&self, values: &Map<String, Value>) -> Result<Rendered, Invalid> {
        self.render_within(values, &mut render::Work::default())
    }

    fn render_within(
        &self,
        values: &Map<String, Value>,
        work: &mut render::Work,
    ) -> Result<Rendered, Invalid> {
        let values = value::complete(&self.parameters, values)?;
        let text = render::config(&self.config, &values, work)?;
        let digest = Digest::of_bytes(text.as_bytes());
        Ok(Rendered { text, digest })
    }
}

#[cfg(test)]
mod tests;
