//! A small disk of a test's own, which can be filled, freed and made read-only. Needs a mount namespace.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A file system in memory; it ends with the namespace.
#[derive(Clone, Debug)]
pub struct Disk {
    dir: PathBuf,
}

impl Disk {
    /// Mounts one of so many bytes at `dir`, which is made.
    pub fn mount(dir: &Path, bytes: usize) -> Result<Self> {
        fs::create_dir_all(dir)?;
        mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], dir)?;
        Ok(Self::at(dir))
    }

    /// The one that is mounted at `dir`.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Leaves no byte of it.
    pub fn fill(&self) -> Result<()> {
        let mut filler = fs::File::options().create(true).append(true).open(self.filler())?;
        while filler.write_all(&[0; 512]).is_ok() {}
        Ok(())
    }

    /// Gives back what was filled.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    /// Lets nothing be written any more.
    pub fn protect(&self) -> Result<()> {
        mount(&["-o", "remount,ro"], &self.dir)
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

fn mount(words: &[&str], dir: &Path) -> Result<()> {
    let output =
        Command::new("mount").args(words).arg(dir).output().context("mount (util-linux) is needed")?;
    ensure!(output.status.success(), "mount {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
