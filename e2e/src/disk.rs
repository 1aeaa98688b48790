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

    /// Lets no file be made or opened to write any more, while those that are open still can be written: as a path sees a disk that
    /// has become read-only. [`Self::unveil`] ends it.
    pub fn veil(&self) -> Result<()> {
        mount(&["--bind", &self.dir.to_string_lossy()], &self.dir)?;
        mount(&["-o", "remount,bind,ro"], &self.dir)
    }

    /// Ends what [`Self::veil`] began.
    pub fn unveil(&self) -> Result<()> {
        run(Command::new("umount").arg("-l").arg(&self.dir))
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

fn mount(words: &[&str], dir: &Path) -> Result<()> {
    run(Command::new("mount").args(words).arg(dir))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}: is util-linux there?"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A disk that can be made to hang: every write waits until it goes on. Only the machine's own root can make one.
#[derive(Debug)]
pub struct HangingDisk {
    dir: PathBuf,
}

impl HangingDisk {
    /// Mounts one of so many MiB at `dir`, which is made; its image lies beside it. Returns nothing where this user may not. Set
    /// `PHOENIX_TEST_ROOT` to let that be a failure.
    pub fn mount(dir: &Path, mib: u64) -> Result<Option<Self>> {
        fs::create_dir_all(dir)?;
        let image = dir.with_extension("image");
        fs::File::create(&image)?.set_len(mib << 20)?;
        let made = run(Command::new("mkfs.ext4").arg("-q").arg(&image))
            .and_then(|()| run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(dir)));
        if std::env::var_os("PHOENIX_TEST_ROOT").is_some() {
            made?;
        } else if made.is_err() {
            return Ok(None);
        }
        Ok(Some(Self { dir: dir.to_owned() }))
    }

    /// Lets every write wait from now on.
    pub fn hang(&self) -> Result<()> {
        run(Command::new("fsfreeze").arg("-f").arg(&self.dir))
    }

    /// Lets them go on.
    pub fn go_on(&self) -> Result<()> {
        run(Command::new("fsfreeze").arg("-u").arg(&self.dir))
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        let _it_does_not_hang = self.go_on();
        let _left_to_the_next_boot = run(Command::new("umount").arg("-l").arg(&self.dir));
    }
}
