//! Tests of a database in a file, which one process serves alone.

use anyhow::{Result, ensure};
use e2e::agent::binary;
use e2e::control_plane::ControlPlane;
use tokio::process::Command;

#[tokio::test]
async fn a_directory_that_is_served_is_not_served_by_another_process_and_can_be_backed_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut first = ControlPlane::start(dir.path()).await?;
    let data = dir.path().join("control-plane").display().to_string();
    let second = async |words: &[&str]| {
        let said = Command::new(binary("phoenix-control-plane"))
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_OWNER_URL")
            .args(words)
            .args(["--data-dir", &data])
            .kill_on_drop(true)
            .output();
        let said = tokio::time::timeout(std::time::Duration::from_secs(60), said).await??;
        anyhow::Ok((said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned()))
    };
    let (code, said) = second(&["serve", "--listen", "127.0.0.1:0", "--fleet-listen", "127.0.0.1:0"]).await?;
    let holder = format!("process {} since", first.pid().unwrap_or(0));
    ensure!(
        code == Some(1) && said.contains("another process serves it") && said.contains(&holder),
        "{said}"
    );
    let (code, said) = second(&["migrate", "status"]).await?;
    ensure!(code == Some(0), "{said}");
    let copy = dir.path().join("copy.sqlite3").display().to_string();
    let (code, said) = second(&["backup", "--to", &copy]).await?;
    ensure!(code == Some(0), "{said}");
    let (code, said) = second(&["restore", "--from", &copy]).await?;
    ensure!(code == Some(1) && said.contains("is there"), "{said}");
    // Whoever dies holds it no more.
    first = first.crash_and_restart().await?;
    first.end().await
}
