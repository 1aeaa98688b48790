//! Copies of the database, made by a person: each is looked at before it is said to be one.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::app;
use crate::audit::{self, Chain};
use crate::store::{Address, Connection, NotAnAddress, Schema, copies, tenants};

/// Writes the database of a data directory into a new file.
///
/// # Errors
/// It cannot be read or written, or its copy is not sound.
pub async fn backup(data_dir: &Path, to: &Path) -> Result<()> {
    let Address::Sqlite(file) = Address::of_data_dir(data_dir) else { bail!("a data directory has a file") };
    copy(&file, to).await
}

/// Makes the database of a data directory of a backup.
///
/// # Errors
/// There is one; the backup is not sound; and the system's.
pub async fn restore(from: &Path, data_dir: &Path) -> Result<()> {
    app::data_dir(data_dir)?;
    let Address::Sqlite(file) = Address::of_data_dir(data_dir) else { bail!("a data directory has a file") };
    if file.exists() {
        bail!("{} is there; a backup is restored into a data directory without a database", file.display());
    }
    copy(from, &file).await
}

/// Copies a file; what turns out not to be sound is removed.
async fn copy(from: &Path, to: &Path) -> Result<()> {
    copies::of_file(from, to).await.with_context(|| format!("cannot copy {}", from.display()))?;
    let looked_at = async {
        let mut copy = copies::look_at(to).await?;
        chains(&mut copy).await
    };
    match looked_at.await {
        Ok(rows) => {
            say(&format!("{} is written; its audit chains are intact ({rows} entries)", to.display()))
        }
        Err(error) => {
            fs::remove_file(to).with_context(|| format!("cannot remove {}", to.display()))?;
            Err(error.context(format!("{} is not sound, and no copy of it is kept", from.display())))
        }
    }
}

/// Moves a file into a server.
///
/// # Errors
/// There is something in the server's database; a count or an audit chain is not the file's; and the engines'.
pub async fn move_to_server(
    from: &Result<Address, NotAnAddress>,
    to: &Result<Address, NotAnAddress>,
) -> Result<()> {
    let (from, to) = (from.clone().context("--from")?, to.clone().context("--to")?);
    let (Address::Sqlite(file), Address::Postgres(options)) = (&from, &to) else {
        bail!(
            "a database is moved from sqlite:FILE to postgres://OWNER@HOST/NAME, and in no other direction"
        );
    };
    let mut file = copies::look_at(file).await.with_context(|| from.to_string())?;
    let before = chains(&mut file).await.with_context(|| from.to_string())?;
    let schema = Schema::open(&to).await.with_context(|| to.to_string())?;
    schema.up().await?;
    schema.close().await;
    let mut moved = copies::into_server(&mut file, options).await.with_context(|| to.to_string())?;
    let after = chains(moved.connection()).await.with_context(|| to.to_string())?;
    if before != after {
        bail!("the audit chains had {before} entries and have {after}; nothing was moved");
    }
    let rows = moved.rows;
    moved.commit().await?;
    say(&format!("{rows} rows are in {to}; its audit chains are intact ({after} entries)"))
}

/// Number of entries of all audit chains, if each is intact.
async fn chains(connection: &mut Connection) -> Result<i64> {
    let mut entries = 0;
    for tenant in tenants::all(connection).await? {
        match audit::verify(connection, tenant).await? {
            Chain::Intact { rows } => entries += rows,
            Chain::Broken { seq } => bail!("the audit chain of tenant {tenant} is broken at entry {seq}"),
        }
    }
    Ok(entries)
}

fn say(text: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{text}").context("cannot write to standard output")
}
