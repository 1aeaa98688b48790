//! Contexts: which control plane is asked, as whom, and of which tenant.

use std::process::{Command, Output};
use std::thread;

use super::server::Server;
use super::{ID, said};

#[test]
fn contexts_choose_the_server_and_the_credential_and_the_environment_goes_before_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "phx_hush\n").unwrap();
    let run = |words: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
        command.args(words).env("XDG_CONFIG_HOME", dir.path());
        for name in ["PHOENIX_SESSION", "PHOENIX_API_KEY", "PHOENIX_URL", "PHOENIX_CONTEXT"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied()).output().unwrap()
    };
    let refused = |output: &Output| {
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr.clone()).unwrap()
    };
    assert!(said(&run(&["context", "list"], &[])).starts_with("there are no contexts"));
    said(&run(&["context", "set", "prod", "--server", "http://127.0.0.1:1"], &[]));
    let words =
        ["context", "set", "test", "--server", "http://127.0.0.1:2", "--api-key-file", key.to_str().unwrap()];
    said(&run(&words, &[]));
    let listed = said(&run(&["context", "list", "-o", "json"], &[]));
    assert!(listed.contains(r#""in_use":true,"name":"prod""#) && !listed.contains("hush"), "{listed}");
    let mode = std::fs::metadata(dir.path().join("phoenix/contexts.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let list = ["experiment", "list"];
    let told = refused(&run(&list, &[]));
    assert!(told.contains("not logged in to http://127.0.0.1:1 (context prod)"), "{told}");
    let told = refused(&run(&list, &[("PHOENIX_CONTEXT", "test")]));
    assert!(told.contains("cannot reach http://127.0.0.1:2"), "{told}");
    said(&run(&["context", "use", "test"], &[]));
    let told = refused(&run(&list, &[]));
    assert!(told.contains("cannot reach http://127.0.0.1:2"), "{told}");
    let told = refused(&run(&list, &[("PHOENIX_URL", "http://127.0.0.1:3")]));
    assert!(told.contains("the context test is of http://127.0.0.1:2"), "{told}");
    let environment = [("PHOENIX_URL", "http://127.0.0.1:3"), ("PHOENIX_API_KEY", "k")];
    let told = refused(&run(&list, &environment));
    assert!(told.contains("cannot reach http://127.0.0.1:3"), "{told}");
    let told = refused(&run(&["login", "--email", "a@b", "--server", "http://127.0.0.1:9"], &[]));
    assert!(told.contains("the context test is of http://127.0.0.1:2"), "{told}");
    let told = refused(&run(&["context", "use", "other"], &[]));
    assert!(told.contains("there is no context other; there are prod, test"), "{told}");
    let told = refused(&run(&["context", "set", "../x", "--server", "http://127.0.0.1:1"], &[]));
    assert!(told.contains("a name has"), "{told}");

    // A session of a control plane that the context was of before lets nobody in.
    let session =
        r#"{"server":"http://127.0.0.1:7","token":"t","expires_at":9999999999,"refresh_token":"r"}"#;
    std::fs::write(dir.path().join("phoenix/session-prod.json"), session).unwrap();
    let told = refused(&run(&list, &[("PHOENIX_CONTEXT", "prod")]));
    assert!(told.contains("its session of http://127.0.0.1:7"), "{told}");
    said(&run(&["context", "delete", "prod"], &[]));
    assert!(!dir.path().join("phoenix/session-prod.json").exists());
    said(&run(&["context", "delete", "test"], &[]));
    assert!(refused(&run(&list, &[])).contains("not logged in: run"));
}

#[test]
fn another_tenant_is_used_by_the_context_of_somebody_who_is_of_it() {
    let (server, address) = Server::start();
    // Whose key it is says of which tenant they are.
    thread::spawn(move || {
        loop {
            server.answer(200, |asked| {
                let tenant = if asked.headers.contains("key-of-one") { "one" } else { "two" };
                format!(
                    r#"{{"tenant_id":"{ID}","tenant":"{tenant}","user_id":"{ID}","email":"a@{tenant}.io","role":"admin"}}"#
                )
            });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
        command.args(words).env("XDG_CONFIG_HOME", dir.path());
        for name in ["PHOENIX_SESSION", "PHOENIX_API_KEY", "PHOENIX_URL", "PHOENIX_CONTEXT"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    };
    let refused = run(&["tenant", "use", "one"]);
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("no context is of tenant one (there are no contexts)")
    );
    for name in ["one", "two"] {
        let key = dir.path().join(name);
        std::fs::write(&key, format!("key-of-{name}\n")).unwrap();
        let key = key.display().to_string();
        said(&run(&["context", "set", &format!("at-{name}"), "--server", &address, "--api-key-file", &key]));
    }
    said(&run(&["context", "set", "nobody", "--server", &address]));
    let used = said(&run(&["tenant", "use", "two"]));
    assert_eq!(used, format!("tenant two by the context at-two: a@two.io at {address}\n"));
    let listed = said(&run(&["context", "list", "-o", "json"]));
    assert!(listed.contains(r#""in_use":true,"name":"at-two""#), "{listed}");
    let refused = String::from_utf8(run(&["tenant", "use", "three"]).stderr).unwrap();
    for part in
        ["no context is of tenant three", "at-one is of tenant one", "nobody: not logged in", "phoenix login"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(
        said(&run(&["tenant", "use", "one"])),
        format!("tenant one by the context at-one: a@one.io at {address}\n")
    );
}
