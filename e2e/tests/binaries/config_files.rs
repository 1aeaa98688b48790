//! A config whose files change while the agent runs, as those of a mounted ConfigMap do.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::eventually;
use simulator::sink::Sink;

const PATIENCE: Duration = Duration::from_secs(30);

fn config(dir: &Path, sink: &Sink, stage: &str) -> String {
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }} }} }} }}
processors: {{ attributes/stage: {stage} }}
exporters: {{ otlp: {{ endpoint: '{}', compression: none, tls: {{ insecure: true }} }} }}
extensions: {{ health_check: {{ endpoint: '127.0.0.1:0' }} }}
service:
  extensions: [health_check]
  pipelines: {{ metrics: {{ receivers: [otlp], processors: [attributes/stage], exporters: [otlp] }} }}
phoenix: {{ data_dir: '{}', admin: '127.0.0.1:0' }}
",
        sink.endpoint(),
        dir.join("data").display()
    )
}

/// Puts content into the mount at once: `..data` leads to another folder then.
fn put(mount: &Path, day: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(mount.join(day))?;
    std::fs::write(mount.join(day).join("config.yaml"), text)?;
    symlink(day, mount.join("..data_tmp"))?;
    Ok(std::fs::rename(mount.join("..data_tmp"), mount.join("..data"))?)
}

#[tokio::test]
async fn a_changed_mount_is_swapped_in_and_a_bad_one_refused_while_the_old_one_stays() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let mount = dir.path().join("mount");
    let inserting = |value: &str| {
        config(
            dir.path(),
            &sink,
            &format!("{{ actions: [ {{ key: stage, value: {value}, action: insert }} ] }}"),
        )
    };
    put(&mount, "first", &inserting("one"))?;
    symlink("..data/config.yaml", mount.join("config.yaml"))?;
    let agent = Agent::start_on(dir.path(), &mount.join("config.yaml"), &[]).await?;
    let first = agent.generation().await?;

    put(&mount, "second", &inserting("two"))?;
    let second = eventually("the new config is in force", PATIENCE, || async {
        agent.generation().await.ok().filter(|generation| *generation > first)
    })
    .await;
    assert_eq!(agent.metric("phoenix_config_last_reload_successful", "").await?, 1.0);

    put(&mount, "third", &config(dir.path(), &sink, "{ acton: [] }"))?;
    let why = eventually("the bad one is told", PATIENCE, || async {
        agent.health().await.ok()?["config_error"].as_str().map(str::to_owned)
    })
    .await;
    assert!(why.contains("config.yaml:2:") && why.contains("acton"), "{why}");
    assert_eq!(agent.metric("phoenix_config_last_reload_successful", "").await?, 0.0);
    assert_eq!(agent.health().await?["status"], "degraded");
    assert_eq!(agent.generation().await?, second, "the old one stays");

    std::fs::remove_file(mount.join("..data"))?;
    let why = eventually("its want is told", PATIENCE, || async {
        let why = agent.health().await.ok()?["config_error"].as_str()?.to_owned();
        why.contains("No such file").then_some(why)
    })
    .await;
    assert!(why.contains("config.yaml"), "{why}");
    assert_eq!(agent.generation().await?, second, "the old one stays");

    put(&mount, "fourth", &inserting("four"))?;
    eventually("the next one is in force", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["generation"].as_u64() > Some(second) && health["config_error"].is_null()).then_some(())
    })
    .await;
    assert_eq!(agent.metric("phoenix_config_last_reload_successful", "").await?, 1.0);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_watches_nothing_reads_its_file_on_a_signal_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, config(dir.path(), &sink, "{ actions: [ { key: stage, action: delete } ] }"))?;
    let agent = Agent::start_on(dir.path(), &file, &["--no-watch"]).await?;
    std::fs::write(&file, "receivers: [")?;
    // Several looks of one that watches.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(agent.health().await?["config_error"].is_null());
    agent.signal("HUP")?;
    eventually("it is told", PATIENCE, || async {
        agent.health().await.ok()?["config_error"].as_str().map(|_| ())
    })
    .await;
    Ok(())
}
