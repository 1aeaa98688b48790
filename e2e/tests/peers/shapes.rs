//! Both halves of every published shape, judged by those who run them: the Collector and the agent.

use anyhow::{Result, ensure};

use super::{adopt, peer, shape, stand_ins};

#[tokio::test]
#[ignore = "needs a real Collector: make test-peers"]
async fn a_collector_and_an_agent_take_their_halves_of_every_shape() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let collector = peer("collector");
    let mut tried = 0;
    for found in std::fs::read_dir(shape("").parent().expect("the folder of shapes"))? {
        let name = found?.file_name().to_string_lossy().into_owned();
        let file = shape(&name);
        if !file.is_file() {
            continue;
        }
        for placement in ["observe", "loop"] {
            let words = ["--placement", placement];
            let document = adopt(&file, dir.path(), &words, "").await?;
            let named = stand_ins(&document).join(",");
            let collector = collector.to_string_lossy();
            let words = [&words[..], &["--validate-with", &collector]].concat();
            let document = adopt(&file, dir.path(), &words, &named).await?;
            for (half, check) in [("agent", 0), ("Collector", 1)] {
                let check = &document["checks"][check];
                ensure!(
                    check["half"] == half && check["outcome"] == "taken",
                    "{name} {placement}: {check:#}"
                );
            }
            tried += 1;
        }
    }
    ensure!(tried == 26, "13 shapes in two placements: {tried}");
    Ok(())
}
