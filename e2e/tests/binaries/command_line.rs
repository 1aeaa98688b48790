//! `phoenix login`, `template`, `token`, `experiment` and `agent` against a real control plane.

use anyhow::Result;
use e2e::control_plane::ControlPlane;
use e2e::person::Person;
use serde_json::Value;

/// A template with a parameter.
pub const TEMPLATE: &str = r#"name: floor
description: Drops what is small.
for: whoever has many small processes
parameters:
  floor: { type: integer, min: 0, max: 1000000, default: 100, description: Bytes below which memory is dropped. }
samples:
  - { name: default }
config:
  processors:
    filter/small:
      metrics:
        datapoint:
          - metric.name == "process.memory.usage" and value_int < {{ floor }}
  service:
    pipelines:
      metrics: { processors: [filter/small] }
"#;

#[tokio::test]
async fn a_person_does_the_whole_story_from_the_command_line() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    assert!(person.refused(&["experiment", "list"]).await?.contains("phoenix login"));
    assert!(person.logs_in(&control_plane).await?.contains("admin"));
    let kept = std::fs::metadata(dir.path().join("session/session.json"))?;
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&kept.permissions()) & 0o777, 0o600);

    std::fs::write(dir.path().join("floor.yaml"), TEMPLATE)?;
    person.ok(&["template", "create", "floor", "floor.yaml"]).await?;
    let rendered = person.ok(&["template", "render", "floor", "--set", "floor=7"]).await?;
    assert!(rendered.contains("value_int < 7"), "{rendered}");
    std::fs::write(dir.path().join("bad.yaml"), TEMPLATE.replace("datapoint", "datapont"))?;
    let refused = person.refused(&["template", "version", "floor", "bad.yaml"]).await?;
    assert!(refused.contains("did you mean \"datapoint\""), "{refused}");
    assert!(refused.contains("bad.yaml: template floor: "), "{refused}");
    std::fs::write(dir.path().join("bad.yaml"), format!("{}\nnothing: 1\n", TEMPLATE.trim_end()))?;
    let refused = person.refused(&["template", "version", "floor", "bad.yaml"]).await?;
    let place = format!("bad.yaml:{}:1: template floor: text", TEMPLATE.trim_end().lines().count() + 1);
    assert!(refused.contains(&place), "{place}: {refused}");

    let token = person.ok(&["token", "create", "--label", "env=prod", "--max-uses", "unlimited"]).await?;
    assert!(token.starts_with("phx_") && token.trim().lines().count() == 1, "a script can take it as it is");
    let listed = person.json(&["token", "list"]).await?;
    assert_eq!(listed["items"][0]["labels"]["env"], "prod");
    person.ok(&["token", "revoke", listed["items"][0]["id"].as_str().expect("an id")]).await?;

    let body =
        r#"{"name": "smaller", "candidate": {"template": {"name": "floor", "parameters": {"floor": 1000}}}}"#;
    std::fs::write(dir.path().join("experiment.json"), body)?;
    let made = person.json(&["experiment", "create", "experiment.json"]).await?;
    assert_eq!((&made["phase"], &made["template"]["version"]), (&"pending".into(), &1.into()));
    let id = made["id"].as_str().expect("an id");
    assert!(person.refused(&["experiment", "start", id]).await?.contains("no agent is enrolled yet"));
    let sooner = ["experiment", "create", "experiment.json", "--name", "sooner", "--start"];
    let refused = person.refused(&sooner).await?;
    for part in [
        "experiment sooner is created, and pending",
        "phoenix experiment start sooner",
        "no agent is enrolled yet",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let listed = person.ok(&["experiment", "list"]).await?;
    assert!(listed.contains("smaller") && listed.contains("sooner"), "{listed}");
    let refused = person.refused(&["experiment", "promote", id, "--force"]).await?;
    assert!(refused.contains("--force needs --reason: it promotes"), "{refused}");
    person.ok(&["experiment", "cancel", id]).await?;
    let watched = person.ok(&["experiment", "watch", id]).await?;
    assert!(watched.contains("create") && watched.contains("cancel"), "{watched}");
    assert!(person.ok(&["experiment", "status", id]).await?.contains("cancelled"));
    let forced = ["experiment", "promote", id, "--force", "--reason", "it is urgent"];
    assert!(person.refused(&forced).await?.contains("it is cancelled"));
    person.ok(&["experiment", "results", id]).await?;
    person.ok(&["experiment", "delete", id]).await?;
    assert!(person.refused(&["experiment", "get", id]).await?.contains("there is no experiment"));
    assert_eq!(
        person.json(&["agent", "list", "--labels", "env=prod"]).await?["items"],
        serde_json::json!([])
    );
    person.ok(&["logout"]).await?;
    assert!(person.refused(&["agent", "list"]).await?.contains("phoenix login"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_renewed_by_itself_once_by_several_commands_until_it_has_ended() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    let file = dir.path().join("session/session.json");
    let kept = || -> Result<Value> { Ok(serde_json::from_str(&std::fs::read_to_string(&file)?)?) };
    let first = kept()?;
    person.ok(&["experiment", "list"]).await?;
    assert_eq!(kept()?, first, "a token that is good is not renewed");

    let mut over = first.clone();
    over["expires_at"] = 0.into();
    std::fs::write(&file, over.to_string())?;
    let list = ["experiment", "list"];
    tokio::try_join!(person.ok(&list), person.ok(&list), person.ok(&list), person.ok(&list))?;
    let second = kept()?;
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file)?.permissions());
    assert_eq!(mode & 0o777, 0o600);

    // What an earlier renewal has put aside is good for nobody.
    std::fs::write(&file, over.to_string())?;
    let mut once_more = second.clone();
    once_more["expires_at"] = 0.into();
    person.ok(&list).await?;
    std::fs::write(&file, once_more.to_string())?;
    let refused = person.refused(&list).await?;
    assert!(refused.contains("has ended: run `phoenix login` again"), "{refused}");
    person.logs_in(&control_plane).await?;
    person.ok(&list).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_with_an_api_key_needs_no_login_and_is_told_what_it_may_not() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    let words =
        ["api-key", "create", "ci", "--role", "operator", "--kind", "experiments", "--expires-in", "2h"];
    let key = person.ok(&words).await?.trim().to_owned();
    assert!(key.starts_with("phx_k"), "a script can take it as it is: {key}");
    let listed = person.json(&["api-key", "list"]).await?;
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();

    let server = format!("http://{}", control_plane.listening.rest);
    let script = async |words: &[&str], server: &str| -> Result<(bool, String)> {
        let mut command = tokio::process::Command::new(e2e::agent::binary("phoenix"));
        command.args(words).env("PHOENIX_API_KEY", &key).env("PHOENIX_URL", server);
        let output = command.env("PHOENIX_SESSION", dir.path().join("none/at/all")).output().await?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8(said)?))
    };
    let (done, said) = script(&["experiment", "list"], &server).await?;
    assert!(done, "{said}");
    for (words, server, expected) in [
        (["agent", "list"], server.as_str(), "this API key reaches experiments alone, not agents"),
        (["api-key", "list"], server.as_str(), "this is for people who log in, not for API keys"),
        (["experiment", "list"], "", "PHOENIX_API_KEY is set, and PHOENIX_URL is not"),
    ] {
        let (done, said) = script(&words, server).await?;
        assert!(!done && said.contains(expected) && !said.contains(&key), "{words:?}: {said}");
    }
    // Without a key, the address is that of a login, and a session of another one is not used for it.
    let named = async |words: &[&str], server: &str| -> Result<(bool, String)> {
        let mut command = tokio::process::Command::new(e2e::agent::binary("phoenix"));
        command.args(words).current_dir(dir.path()).env("PHOENIX_URL", server);
        let output = command.env("PHOENIX_SESSION", dir.path().join("named/session.json")).output().await?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8(said)?))
    };
    let login = ["login", "--email", e2e::control_plane::EMAIL, "--password-file", "password"];
    let (done, said) = named(&login, &server).await?;
    assert!(done && said.contains(&server), "{said}");
    for (url, expected) in [(format!("{server}/"), None), ("http://elsewhere:1".to_owned(), Some(&server))] {
        let (done, said) = named(&["experiment", "list"], &url).await?;
        let tells = |kept: &String| said.contains(&format!("{url}, and the session is of {kept}"));
        assert!(expected.map_or(done, |kept| !done && tells(kept)), "{url}: {said}");
    }
    person.ok(&["api-key", "revoke", &id]).await?;
    let (done, said) = script(&["experiment", "list"], &server).await?;
    assert!(!done && said.contains(&format!("the API key {id} was revoked")), "{said}");
    Ok(())
}
