//! `--stay`: everything keeps running, and a person is told what to try.

use std::time::Duration;

use tokio::sync::watch;

use super::configs::{LABEL, TEMPLATE};
use super::live::View;
use super::processes::Processes;

/// Time between two checks that everything still runs.
const LOOK: Duration = Duration::from_secs(1);

/// Starts the sources again, says what to try, and waits for the wish to stop.
///
/// # Errors
/// When a process ends by itself in between.
pub async fn until(
    mut processes: Processes,
    view: &mut View,
    stopping: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    processes.start_sources().await?;
    view.say(&invitation(&processes))?;
    while tokio::time::timeout(LOOK, stopping.wait_for(|stop| *stop)).await.is_err() {
        processes.check()?;
    }
    view.say("\nStopping.")?;
    processes.clear().await
}

fn invitation(processes: &Processes) -> String {
    let mut text = String::from("\nEverything keeps running until Ctrl-C. What to try, in a shell:\n\n");
    for line in session(processes) {
        text.push_str(&format!("  {line}\n"));
    }
    for agent in &processes.agents {
        let (admin, health) = (agent.listening.admin, agent.listening.health);
        text.push_str(&format!(
            "\n  # {} (pid {}, {})\n",
            agent.part.name,
            agent.process.pid,
            agent.file.display()
        ));
        text.push_str(&format!("  curl -sf http://{admin}/experiment   # what it compares, as JSON\n"));
        text.push_str(&format!("  curl -sf http://{admin}/metrics      # what it counts about itself\n"));
        text.push_str(&format!("  curl -sf http://{health}/health       # how it is\n"));
    }
    let sink = processes.sink_listening.admin;
    text.push_str(&format!("\n  # the sink\n  curl -sf http://{sink}/counts         # what has arrived\n"));
    text
}

/// A rollout by hand, as the operator: each line works after the ones before.
fn session(processes: &Processes) -> Vec<String> {
    let operator = &processes.operator.people[1];
    let [name, value] = [LABEL.0, LABEL.1];
    let template = TEMPLATE.0;
    let auth = "-H \"authorization: Bearer $TOKEN\"";
    let json = "-H 'content-type: application/json'";
    let field = |name: &str| format!("sed -E 's/.*\"{name}\": ?\"([^\"]*)\".*/\\1/'");
    vec![
        format!("API=http://{}/api/v1", processes.control.rest),
        format!(
            "TOKEN=$(curl -sf $API/auth/login {json} -d '{{\"email\": \"{}\", \"password\": \"{}\"}}' | {})",
            operator.email,
            operator.password,
            field("access_token")
        ),
        format!("curl -sf $API/agents {auth}"),
        format!("curl -sf $API/experiments {auth}"),
        format!(
            "ID=$(curl -sf $API/experiments {auth} {json} -d '{{\"name\": \"by hand\", \"selector\": \"{name}={value}\", \
             \"window\": \"2s\", \"report_every\": \"10s\", \"candidate\": {{\"template\": {{\"name\": \"{template}\", \
             \"parameters\": {{\"floor\": 50000000}}}}}}}}' | {})",
            field("id")
        ),
        format!("curl -sf -X POST $API/experiments/$ID/start {auth}"),
        format!("curl -sf $API/experiments/$ID/status {auth}"),
        format!("curl -sfN --max-time 30 $API/experiments/$ID/events {auth} || true"),
        format!("curl -sf $API/experiments/$ID/results {auth}"),
        format!("curl -sf -X POST $API/experiments/$ID/rollback {auth}"),
    ]
}
