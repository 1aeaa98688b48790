//! Experiment that a command is about: by its id, or by its name.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(clap::Args, Clone)]
pub struct Which {
    /// The experiment's id or name
    id: String,
}

impl Which {
    /// Path of the experiment and of what is asked of it.
    pub fn path(&self, what: &str) -> String {
        path(&self.id, what)
    }
}

/// Path of the experiment of a name, and of what is asked of it.
pub fn path(name: &str, what: &str) -> String {
    format!("/experiments/{}{what}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_is_in_it() {
        assert_eq!(path("50 %/night?", "/start"), "/experiments/50%20%25%2Fnight%3F/start");
    }
}
