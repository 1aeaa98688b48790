//! `phoenix demo` with the control plane's state on a server of PostgreSQL.

use std::process::Command;

use anyhow::Result;
use e2e::agent::binary;
use serde_json::Value;

use crate::ALONE;
use crate::postgres_server::{OWNER, Postgres, SERVICE};

#[test]
fn the_demo_ends_well_on_postgresql() -> Result<()> {
    let _beside_none_that_measures = ALONE.blocking_read();
    let (postgres, temporary) = (Postgres::start(), tempfile::tempdir()?);
    let [service, owner] = [SERVICE, OWNER].map(|login| postgres.address(login, "postgres"));
    // They are found beside the demo, which does not say where.
    let _others = ["phoenix-agent", "phoenix-control-plane"].map(binary);
    let done = Command::new(binary("phoenix"))
        .args(["demo", "--json", "--database", &service, "--database-owner", &owner])
        .env("TMPDIR", temporary.path())
        .output()?;
    let [report, said] = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(done.status.success(), "{report}\n{said}");
    assert!(serde_json::from_str::<Value>(&report)?.is_object(), "{report}");
    // It was this database that it ran on.
    let schema = Command::new(binary("phoenix-control-plane"))
        .args(["migrate", "status", "--database", &owner])
        .output()?;
    let schema = String::from_utf8_lossy(&schema.stdout);
    assert!(schema.contains("applied") && !schema.contains("pending"), "{schema}");
    Ok(())
}
