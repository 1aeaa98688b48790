//! `--stay`: everything keeps running, and a person is told what to try.

use std::time::Duration;

use tokio::sync::watch;

use super::configs::CHEAPER;
use super::live::View;
use super::stage::Stage;

/// How often it is looked whether everything still runs.
const LOOK: Duration = Duration::from_secs(1);

/// Starts the sources again with the cheaper candidate at 25 %, says what to try, and waits for the wish to
/// stop.
///
/// # Errors
/// When a process ends by itself in between.
pub async fn until(
    mut stage: Stage,
    view: &mut View,
    stopping: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    stage.edit(&CHEAPER, 25)?;
    stage.start_sources().await?;
    view.say(&invitation(&stage))?;
    while tokio::time::timeout(LOOK, stopping.wait_for(|stop| *stop)).await.is_err() {
        stage.check()?;
    }
    view.say("\nStopping.")?;
    stage.clear().await
}

fn invitation(stage: &Stage) -> String {
    let mut text = String::from(
        "\nEverything keeps running until Ctrl-C, with the cheaper candidate at 25 %. What to try:\n",
    );
    for agent in &stage.agents {
        let (admin, health) = (agent.listening.admin, agent.listening.health);
        text.push_str(&format!("\n  {} (pid {})", agent.part.name, agent.process.pid));
        text.push_str(&format!("\n    curl -s http://{admin}/experiment   # what it compares, as JSON"));
        text.push_str(&format!("\n    curl -s http://{admin}/metrics      # what it counts about itself"));
        text.push_str(&format!("\n    curl -s http://{health}/health       # how it is\n"));
    }
    let sink = stage.sink_listening.admin;
    text.push_str(&format!("\n  the sink\n    curl -s http://{sink}/counts         # what has arrived\n"));
    if let Some(agent) = stage.agents.last() {
        let (file, pid) = (agent.file.display(), agent.process.pid);
        text.push_str(&format!(
            "\n  Move the split of {}, or write another candidate into its file:\n\
             \x20   sed -i 's/weight: .*/weight: 50%/' {file} && kill -HUP {pid}\n\
             \x20   $EDITOR {file} && kill -HUP {pid}",
            agent.part.name
        ));
    }
    text
}
