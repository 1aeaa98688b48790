//! Experiment that a command is about: by its id, or by a name that it alone has.

use anyhow::{Context as _, bail};
use api::{Experiment, Page};
use client::Client;
use serde::Deserialize as _;

#[derive(clap::Args)]
pub struct Which {
    /// The experiment's id, or its name if no other one has it
    id: String,
}

impl Which {
    /// Path of the experiment and of what is asked of it.
    ///
    /// # Errors
    /// A name that no experiment has, or several.
    pub async fn path(&self, client: &Client, what: &str) -> anyhow::Result<String> {
        Ok(format!("/experiments/{}{what}", self.id(client).await?))
    }

    async fn id(&self, client: &Client) -> anyhow::Result<String> {
        let name = &self.id;
        if is_id(name) {
            return Ok(name.clone());
        }
        let answer = client.list("/experiments").await?;
        let all = Page::<Experiment>::deserialize(&answer).context("the answer is not as expected")?;
        let named: Vec<String> =
            all.items.iter().filter(|one| one.name == *name).map(|one| one.id.to_string()).collect();
        match named.as_slice() {
            [id] => Ok(id.clone()),
            [] => bail!("there is no experiment {name:?}; `phoenix experiment list` shows ids and names"),
            several => bail!(
                "{} experiments have the name {name:?}; say an id: {}",
                several.len(),
                several.join(", ")
            ),
        }
    }
}

/// Tells whether a text has the form of a UUID: then it is never taken for a name.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|one| one == '-' || one.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_a_name() {
        assert!(is_id("01a22550-f91a-7c40-a0e8-bbb596c05ad6"));
        assert!(!is_id("cheaper") && !is_id("") && !is_id("a name of just as many letters, 36 of"));
    }
}
