//! A person who types `phoenix …` and reads what it says.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::process::Command;

use crate::agent::binary;
use crate::control_plane::{ControlPlane, EMAIL, PASSWORD};

/// A person in a folder, where the session is kept, too.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The folder.
    pub dir: &'a Path,
}

impl Person<'_> {
    /// Logs in as the first administrator; what that says.
    ///
    /// # Errors
    /// As [`Self::ok`], and when the folder cannot be written.
    pub async fn logs_in(&self, control_plane: &ControlPlane) -> Result<String> {
        std::fs::write(self.dir.join("password"), format!("{PASSWORD}\n"))?;
        let server = format!("http://{}", control_plane.listening.rest);
        self.ok(&["login", "--server", &server, "--email", EMAIL, "--password-file", "password"]).await
    }

    /// Runs `phoenix` with these words.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub async fn types(&self, words: &[&str]) -> Result<Output> {
        let session = self.dir.join("session").join("session.json");
        let run = Command::new(binary("phoenix"))
            .args(words)
            .env("PHOENIX_SESSION", session)
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        Ok(tokio::time::timeout(Duration::from_secs(60), run).await??)
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Errors
    /// As [`Self::types`], and when it prints no text.
    pub async fn ok(&self, words: &[&str]) -> Result<String> {
        let output = self.types(words).await?;
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Standard output of a command, as JSON.
    ///
    /// # Errors
    /// As [`Self::ok`], and when it prints no JSON.
    pub async fn json(&self, words: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.ok(&[words, &["-o", "json"]].concat()).await?)?)
    }

    /// Standard error of a command that must refuse.
    ///
    /// # Errors
    /// As [`Self::ok`].
    pub async fn refused(&self, words: &[&str]) -> Result<String> {
        let output = self.types(words).await?;
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
        Ok(String::from_utf8(output.stderr)?)
    }
}
