//! `deploy/` as a user finds it: the units' command lines start the binaries, on the files that lie beside the units.
//!
//! What needs Helm, systemd's or Prometheus' own tools is held by `make test-deploy`.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::agent::binary;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(30);

fn systemd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd")
}

/// Words of each line `key=` of a unit, as systemd would run them with `state` as %S and the folder of units as
/// /etc/phoenix, and with no more options.
fn command_lines(unit: &str, key: &str, state: &Path) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(systemd().join(unit))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let word = |word: &str| {
        let word = word.replace("%S", &state.display().to_string());
        let word = word.replace("/etc/phoenix", &systemd().display().to_string());
        word.strip_prefix("/usr/bin/").map_or(word.clone(), |name| binary(name).display().to_string())
    };
    let words = lines.map(|line| line.split(' ').filter(|one| !one.starts_with('$')).map(word).collect());
    Ok(words.collect())
}

/// Variables of an environment file.
fn variables(file: &str) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(systemd().join(file))?;
    let set = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Ok(set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn command(words: &[String], file: &str) -> Result<Command> {
    let (program, rest) = words.split_first().context("an empty command line")?;
    let mut command = Command::new(program);
    command.args(rest).env_clear().envs(variables(file)?).kill_on_drop(true);
    Ok(command)
}

async fn output(words: &[String], file: &str) -> Result<Output> {
    Ok(command(words, file)?.output().await?)
}

/// Starts the command line with more words, and waits until it says where it listens.
async fn started(words: &[String], file: &str, more: &[&str]) -> Result<(Child, serde_json::Value)> {
    let mut command = command(words, file)?;
    let mut child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().context("no standard output")?);
    tokio::time::timeout(PATIENCE, said.read_line(&mut line)).await.context("it says nothing")??;
    let said = serde_json::from_str(&line).with_context(|| format!("it does not serve: {line:?}"))?;
    Ok((child, said))
}

#[tokio::test]
async fn the_agents_unit_starts_it_on_the_file_beside_it_and_a_reload_checks_that_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let start = command_lines("phoenix-agent.service", "ExecStart", dir.path())?;
    ensure!(start.len() == 1, "{start:?}");
    // The same file, with ports and a folder that a test may take.
    let here = format!(
        "yaml:receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }}, http: {{ endpoint: '127.0.0.1:0' }} }} }} }}\n\
         extensions: {{ health_check: {{ endpoint: '127.0.0.1:0' }} }}\n\
         service: {{ extensions: [health_check] }}\n\
         phoenix: {{ data_dir: {}, admin: '127.0.0.1:0' }}\n",
        dir.path().display()
    );
    let (_agent, said) = started(&start[0], "agent.env", &["--config", &here]).await?;
    ensure!(said["listening"]["otlp_grpc"].is_string(), "{said}");
    let reload = command_lines("phoenix-agent.service", "ExecReload", dir.path())?;
    let checked = output(&reload[0], "agent.env").await?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    ensure!(reload[1] == ["/bin/kill", "-HUP"], "{reload:?}");
    // Without its variable it ends by the code of a wrong config, which the unit does not try again.
    let alone = output(&reload[0], "control-plane.env").await?;
    let why = String::from_utf8(alone.stderr)?;
    ensure!(alone.status.code() == Some(2) && why.contains("PHOENIX_DESTINATION"), "{why}");
    let unit = std::fs::read_to_string(systemd().join("phoenix-agent.service"))?;
    ensure!(unit.contains("RestartPreventExitStatus=2\n"));
    Ok(())
}

#[tokio::test]
async fn what_the_agents_file_says_of_a_control_plane_can_be_used_once_it_is_uncommented() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let text = std::fs::read_to_string(systemd().join("agent.yaml"))?;
    let (before, section) =
        text.split_once("  # control_plane:\n").context("no control_plane in agent.yaml")?;
    let section: String = section.lines().map(|line| format!("{}\n", line.replacen("# ", "", 1))).collect();
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, format!("{before}  control_plane:\n{section}"))?;
    let words = [binary("phoenix-agent").display().to_string(), "validate".into(), "--config".into()];
    let words: Vec<_> = words.into_iter().chain([file.display().to_string()]).collect();
    let unset = output(&words, "agent.env").await?;
    let said = String::from_utf8(unset.stdout)?;
    ensure!(
        said.contains("${env:CREDENTIALS_DIRECTORY} is not set"),
        "systemd sets it by the drop-in: {said}"
    );
    let checked = command(&words, "agent.env")?.env("CREDENTIALS_DIRECTORY", dir.path()).output().await?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let said = String::from_utf8(checked.stdout)?;
    ensure!(!said.contains("is not set"), "{said}");
    let drop_in = std::fs::read_to_string(systemd().join("phoenix-agent.service.d/control-plane.conf"))?;
    ensure!(section.contains("}/enrollment-token\n") && drop_in.contains("LoadCredential=enrollment-token:"));
    Ok(())
}

#[tokio::test]
async fn the_control_planes_unit_starts_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let start = command_lines("phoenix-control-plane.service", "ExecStart", dir.path())?;
    ensure!(start.len() == 1, "{start:?}");
    let ports = ["--listen", "127.0.0.1:0", "--fleet-listen", "127.0.0.1:0"];
    let (_served, said) = started(&start[0], "control-plane.env", &ports).await?;
    ensure!(said["listening"]["fleet"].is_string(), "{said}");
    ensure!(dir.path().join("phoenix-control-plane").is_dir(), "its folder is its StateDirectory");
    Ok(())
}
