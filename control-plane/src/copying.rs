//! Copies of the database, made by a person: each is looked at before it is said to be one.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::app;
use crate::audit::{self, Chain};
use crate::store::{Address, Connection, NotAnAddress, Schema, copies, tenants};

/// Writes the database that is served into a new file.
///
/// # Errors
/// It is on a server; it cannot be read or written, or its copy is not sound.
pub async fn backup(served: &Result<Address, NotAnAddress>, to: &Path) -> Result<()> {
    let served = served.clone().context("--database or DATABASE_URL")?;
    let Address::Sqlite(file) = &served else {
        bail!("the state is in {served}, and no file of a data directory is a backup of it; use pg_dump");
    };
    copy(file, to, false).await
}

/// Makes the database of a data directory of a backup, which may be of an earlier release.
///
/// # Errors
/// There is one; the backup is not sound; and the system's.
pub async fn restore(from: &Path, data_dir: &Path) -> Result<()> {
    app::data_dir(data_dir)?;
    let Address::Sqlite(file) = Address::of_data_dir(data_dir) else { bail!("a data directory has a file") };
    if file.exists() {
        bail!("{} is there; a backup is restored into a data directory without a database", file.display());
    }
    copy(from, &file, true).await
}

/// Copies a file, by one beside it that gets the name once it is sound: nobody ever finds a part under that.
async fn copy(from: &Path, to: &Path, migrated: bool) -> Result<()> {
    if to.exists() {
        bail!("{} exists, and is left as it is; name a new file", to.display());
    }
    let part = to.with_added_extension("part");
    copies::of_file(from, &part).await.with_context(|| format!("cannot copy {}", from.display()))?;
    let looked_at = look_at(&part, migrated).await.with_context(|| {
        format!("{} is not sound, or not of this release, and no copy of it is kept", from.display())
    });
    // A link never takes the place of a file that somebody else has made meanwhile.
    let named = looked_at.and_then(|rows| {
        fs::hard_link(&part, to).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(rows)
    });
    fs::remove_file(&part).with_context(|| format!("cannot remove {}", part.display()))?;
    let rows = named?;
    say(&format!("{} is written; its audit chains are intact ({rows} entries)", to.display()))
}

/// Number of entries of the audit chains of a copy, with the schema of this binary if it is to have that.
async fn look_at(part: &Path, migrated: bool) -> Result<i64> {
    if migrated {
        let schema = Schema::open(&Address::Sqlite(part.to_owned())).await?;
        let up = schema.up().await;
        schema.close().await;
        let lock = part.with_added_extension("migrating");
        fs::remove_file(&lock).with_context(|| format!("cannot remove {}", lock.display()))?;
        up?;
    }
    chains(&mut copies::look_at_copy(part).await?).await
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
    schema.up().await.with_context(|| to.to_string())?;
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
        // By its hashes: the keys of the signatures are not in the database.
        match audit::verify(connection, tenant, None).await?.0 {
            Chain::Intact { rows } => entries += rows,
            Chain::Broken { seq } => bail!("the audit chain of tenant {tenant} is broken at entry {seq}"),
        }
    }
    Ok(entries)
}

fn say(text: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{text}").context("cannot write to standard output")
}
