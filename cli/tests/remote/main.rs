//! Commands that ask a control plane, where there is none: what they say, and by which way they go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod applied;
mod contexts;
mod server;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use server::Server;

fn login(server: &str, proxy: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "correct horse battery staple").unwrap();
    Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .args(["login", "--server", server, "--email", "a@example.org", "--password-file"])
        .arg(&password)
        .env("PHOENIX_SESSION", dir.path().join("session.json"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("HTTPS_PROXY", proxy)
        .env("HTTP_PROXY", proxy)
        .output()
        .unwrap()
}

#[test]
fn a_control_plane_behind_a_proxy_is_asked_through_it_and_one_on_loopback_is_not() {
    let (proxy, address) = Server::start();
    let asked = thread::spawn(move || proxy.exchange(403, ""));
    let loopback = login("http://127.0.0.1:1", &address);
    let said = String::from_utf8(loopback.stderr).unwrap();
    assert!(said.contains("cannot reach http://127.0.0.1:1: Connection refused"), "{said}");
    let refused = login("https://phoenix.example.org", &address);
    assert!(!refused.status.success());
    assert_eq!(asked.join().unwrap().line, "CONNECT phoenix.example.org:443 HTTP/1.1");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("cannot reach https://phoenix.example.org"), "{said}");
}

/// Keeps a session, and runs a command with it.
fn with_session(dir: &Path, (server, expires_at): (&str, u64), words: &[&str]) -> Output {
    let session = format!(
        r#"{{"server":"{server}","token":"the-session's","expires_at":{expires_at},"refresh_token":"r"}}"#
    );
    std::fs::write(dir.join("session.json"), session).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
    command.args(words).env("PHOENIX_SESSION", dir.join("session.json"));
    if expires_at > 0 {
        command.env("PHOENIX_API_KEY", "the-key's").env("PHOENIX_URL", server);
    }
    command.output().unwrap()
}

#[test]
fn a_session_that_cannot_be_kept_is_not_renewed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("session.new")).unwrap();
    let list = ["experiment", "list"];
    let said = with_session(dir.path(), ("http://127.0.0.1:1", 0), &list).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("session.new") && !said.contains("cannot reach"), "nobody was asked: {said}");
    std::fs::remove_dir(dir.path().join("session.new")).unwrap();
    let said = with_session(dir.path(), ("http://127.0.0.1:1", 0), &list).stderr;
    assert!(String::from_utf8(said).unwrap().contains("cannot reach"));
    with_session(dir.path(), ("http://127.0.0.1:1", 0), &["logout"]);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["session.lock"], "no token stays");
}

#[test]
fn logging_out_ends_the_session_whatever_key_there_is() {
    let (server, address) = Server::start();
    let asked = thread::spawn(move || server.exchange(204, ""));
    let dir = tempfile::tempdir().unwrap();
    let output = with_session(dir.path(), (&address, u64::MAX), &["logout"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = asked.join().unwrap();
    assert!(asked.headers.contains("the-session's"), "{}", asked.headers);
    assert!(asked.line.starts_with("POST /api/v1/auth/logout"), "{}", asked.line);
    assert!(!dir.path().join("session.json").exists());
}

/// What a server that gives these answers, one after the other, was asked, and what a command said that asked it.
fn answered(answers: &[(u16, &str)], words: &[&str]) -> (Vec<String>, Output) {
    let answers: Vec<(u16, String)> =
        answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    let (server, address) = Server::start();
    let asked = thread::spawn(move || {
        let one = |(status, body): &(u16, String)| {
            let asked = server.exchange(*status, body);
            format!("{} {}", asked.line, asked.body)
        };
        answers.iter().map(one).collect()
    });
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .args(words)
        .env("PHOENIX_API_KEY", "key")
        .env("PHOENIX_URL", &address)
        .output()
        .unwrap();
    (asked.join().unwrap(), output)
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

const FREEZE: &str = r#"{"since":"2026-11-28T12:00:00Z","by":"a@b","reason":"sales week"}"#;

#[test]
fn a_freeze_is_made_shown_and_lifted() {
    let (asked, output) = answered(&[(200, FREEZE)], &["freeze", "--reason", "sales week"]);
    assert_eq!(asked, [r#"PUT /api/v1/freeze HTTP/1.1 {"reason":"sales week"}"#]);
    assert_eq!(said(&output), "frozen by a@b since 2026-11-28T12:00:00Z: sales week\n");
    let (asked, output) = answered(&[(200, r#"{"frozen":null}"#)], &["freeze"]);
    assert_eq!(asked, ["GET /api/v1/freeze HTTP/1.1 "]);
    assert!(said(&output).starts_with("not frozen"));
    let (asked, output) = answered(&[(204, "")], &["unfreeze"]);
    assert_eq!(
        (asked, said(&output)),
        (vec!["DELETE /api/v1/freeze HTTP/1.1 ".into()], "the freeze is lifted\n".into())
    );
}

#[test]
fn things_are_listed_by_their_names_alone_for_scripts() {
    const PAGE: &str = r#"{"items":[{"id":"1","name":"a"},{"id":"2","name":"b c"}]}"#;
    let words = ["experiment", "list", "-o", "name", "--phase", "running", "--search", "a b"];
    let (asked, output) = answered(&[(200, PAGE)], &words);
    assert_eq!(
        asked,
        ["GET /api/v1/experiments?oldest_first=false&phase=running&search=a%20b&limit=200 HTTP/1.1 "]
    );
    assert_eq!(said(&output), "a\nb c\n");
    let (_, output) =
        answered(&[(200, r#"{"items":[{"uid":"u-1","host":"h"}]}"#)], &["agent", "list", "-o", "name"]);
    assert_eq!(said(&output), "u-1\n");
}

#[test]
fn things_are_listed_with_every_field_and_as_yaml() {
    const PAGE: &str =
        r#"{"items":[{"id":"1","name":"a","made_by":"x"},{"id":"2","name":"b","of":[1]}],"next":null}"#;
    let wide = said(&answered(&[(200, PAGE)], &["experiment", "list", "-o", "wide"]).1);
    let rows: Vec<Vec<&str>> = wide.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows, [vec!["id", "made", "by", "name", "of"], vec!["1", "x", "a"], vec!["2", "b", "[1]"]]);
    let yaml = said(&answered(&[(200, PAGE)], &["experiment", "list", "-o", "yaml"]).1);
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
    assert_eq!(read, serde_json::from_str::<serde_json::Value>(PAGE).expect("JSON"));
    const ONE: &str = r#"{"id":"1","name":"a: b","phase":"pending","last_seen":null}"#;
    let one = said(&answered(&[(200, ONE)], &["experiment", "get", "a", "-o", "wide"]).1);
    assert_eq!(one, "id     1\nname   a: b\nphase  pending\n");
}

/// Generations of an agent, the newest first: the number, whether it is in force, and the candidate's text.
fn told(all: &[(i64, bool, &str)]) -> String {
    let one = |(generation, in_force, candidate): &(i64, bool, &str)| {
        let body = serde_json::json!({ "generation": generation, "candidate": { "config": candidate } });
        serde_json::json!({
            "generation": generation, "experiment_id": null, "step": null, "status": "pending", "error": null,
            "config_hash": "", "body": body.to_string(), "in_force": in_force, "told_at": "2026-11-28T22:00:00Z",
            "applied_at": null,
        })
    };
    serde_json::json!({ "items": all.iter().map(one).collect::<Vec<_>>(), "next": null }).to_string()
}

#[test]
fn what_an_agent_runs_is_compared_with_what_it_was_last_told() {
    let page = told(&[(5, false, "a\nc\n"), (3, true, "a\nb\n"), (2, false, "a\n")]);
    let (asked, output) = answered(&[(200, &page)], &["agent", "diff", "u-1"]);
    assert_eq!(asked, ["GET /api/v1/agents/u-1/generations?limit=200 HTTP/1.1 "]);
    assert_eq!(said(&output), "generation 3 (in force) → 5 (pending)\ncandidate.config:\n- b\n+ c\n");
    let (_, output) =
        answered(&[(200, &page)], &["agent", "diff", "u-1", "--from", "2", "--to", "3", "-o", "json"]);
    assert_eq!(said(&output), "{\"changes\":[\"candidate.config:\",\"+ b\"],\"from\":2,\"to\":3}\n");
    let same = told(&[(5, true, "a\n")]);
    let (_, output) = answered(&[(200, &same)], &["agent", "diff", "u-1"]);
    assert_eq!(said(&output), "generation 5 (in force) is compared with itself: nothing differs\n");
    for (page, words, expected) in [
        (told(&[]), vec!["agent", "diff", "u-1"], "was told nothing: it runs its own file"),
        (told(&[(5, false, "a\n")]), vec!["agent", "diff", "u-1"], "runs none of what it was told"),
        (page, vec!["agent", "diff", "u-1", "--from", "4"], "was told no generation 4"),
    ] {
        let (_, output) = answered(&[(200, &page)], &words);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(expected), "{told}");
    }
}

#[test]
fn a_name_is_asked_for_as_it_is_and_a_start_may_have_a_time() {
    const REFUSED: &str = r#"{"type":"x","title":"x","status":404,"detail":"there is no experiment a/b"}"#;
    let words = ["experiment", "start", "a/b", "--at", "2026-11-28T22:00:00Z"];
    let (asked, output) = answered(&[(404, REFUSED)], &words);
    assert_eq!(asked, [r#"POST /api/v1/experiments/a%2Fb/start HTTP/1.1 {"at":"2026-11-28T22:00:00Z"}"#]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("there is no experiment a/b"), "{told}");
}

#[test]
fn a_chain_that_is_not_as_it_was_written_is_a_failure() {
    let verify = |state: &str| {
        let state = format!(r#"{{"tenant_id":"{TENANT}",{state}}}"#);
        // A chain that is not as it was written says nothing of evidence, and none is asked for.
        let number = if state.contains(r#""intact":true"#) { 2 } else { 1 };
        let answers = [(200, state.as_str()), (200, NO_EVIDENCE)];
        let (asked, output) = answered(&answers[..number], &["audit", "verify"]);
        let paths = ["GET /api/v1/audit/chain HTTP/1.1 ", "GET /api/v1/audit/evidence?limit=5 HTTP/1.1 "];
        assert_eq!(asked, paths[..number]);
        output
    };
    let alone = said(&verify(r#""intact":true,"entries":7"#));
    assert!(alone.starts_with("7 entries fit each other\nthey are not signed: this control plane has no keys of the audit chains\nthere were no anchors"), "{alone}");
    let held = verify(
        r#""intact":true,"entries":7,"signatures":{"signed":7,"unsigned":0},"anchors":{"compared":2,"last_seq":7,"unreadable":0}"#,
    );
    assert!(
        said(&held)
            .ends_with("\nall of them are signed\n2 anchors of the chain fit it, the last one at entry 7\nno verdict is named in the chain, so that no evidence was compared\n")
    );
    let begun = said(&verify(r#""intact":true,"entries":7,"signatures":{"signed":4,"unsigned":3}"#));
    assert!(begun.contains("\nthe first 3 have no signature, being of before there was a key"), "{begun}");
    assert!(
        begun.contains("compare: one that was cut short, or is of an older copy, would not be found\n"),
        "{begun}"
    );
    let forged = r#""intact":false,"entries":7,"signatures":{"signed":2,"unsigned":5,"unfit_at":3,"because":"it has no signature"}"#;
    let forged = verify(forged);
    assert_eq!((forged.status.code(), forged.stdout), (Some(1), b"7 entries fit each other\n".to_vec()));
    let told = String::from_utf8_lossy(&forged.stderr).into_owned();
    assert!(told.ends_with("the chain is not vouched for from entry 3 on: it has no signature\n"), "{told}");
    let held = verify(r#""intact":true,"entries":7,"anchors":{"compared":2,"last_seq":5,"unreadable":1}"#);
    assert!(said(&held).contains("at entry 5; those behind it, the chain alone holds\n"));
    assert!(String::from_utf8_lossy(&held.stderr).contains("that are no anchors: 1"));
    let broken = verify(r#""intact":false,"broken_at":3"#);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("from entry 3 on"));
    let misfit = r#""intact":false,"entries":7,"anchors":{"compared":1,"unreadable":0,"misfit":{"line":4,"anchor":ANCHOR}}"#;
    let misfit = verify(&misfit.replace("ANCHOR", &anchor(8, "ab")));
    let told = String::from_utf8_lossy(&misfit.stderr).into_owned();
    assert_eq!(
        (misfit.status.code(), String::from_utf8_lossy(&misfit.stdout).into_owned()),
        (Some(1), "7 entries fit each other\nthey are not signed: this control plane has no keys of the audit chains\n".to_owned())
    );
    assert!(
        told.contains("by line 4")
            && told.contains("entry 8 and the hash ab, and that entry is not there now"),
        "{told}"
    );
}

const NO_EVIDENCE: &str = r#"{"items":[]}"#;

#[test]
fn evidence_that_is_not_as_the_chain_says_is_a_failure_and_what_is_not_kept_is_told() {
    const STATE: &str = r#"{"tenant_id":"018f4f9e-0000-7000-8000-000000000001","intact":true,"entries":9,"signatures":{"signed":9,"unsigned":0}}"#;
    let verdict = |entry: i64, agreement: &str| {
        format!(
            r#"{{"entry":{entry},"at":"2026-11-28T12:00:00Z","action":"experiment.advance","fingerprint":{{"number":1,"horizons":4,"digest":"d"}},{agreement}}}"#
        )
    };
    let experiment = |stored: bool, uncovered: u64, verdicts: &[String]| {
        format!(
            r#"{{"experiment_id":"{TENANT}","stored":{stored},"horizons":4,"reports":3,"uncovered":{uncovered},"changes":[],"verdicts":[{}]}}"#,
            verdicts.join(",")
        )
    };
    let (agrees, gone) = (r#""agreement":"agrees""#, r#""agreement":"not_stored""#);
    let first = experiment(true, 2, &[verdict(3, agrees), verdict(5, agrees)]);
    let second = experiment(false, 0, &[verdict(8, gone)]);
    let pages = [format!(r#"{{"items":[{first}],"next":"2"}}"#), format!(r#"{{"items":[{second}]}}"#)];
    let answers = [(200, STATE), (200, pages[0].as_str()), (200, pages[1].as_str())];
    let (asked, output) = answered(&answers, &["audit", "verify"]);
    assert_eq!(asked[2], "GET /api/v1/audit/evidence?limit=5&after=2 HTTP/1.1 ");
    assert!(
        said(&output).ends_with(
            "\nthe chain names 3 verdicts on 2 experiments: the evidence of 2 is as it was\nthe evidence of 1 is not kept any more: \
             their experiments were deleted\nit is of 8 horizons: of 6 the reports are kept, and are as they came; of the others, \
             their digests alone\nin no fingerprint: 2 horizons, which came after the last verdict, or to a release that took none\n"
        ),
        "{}",
        said(&output)
    );
    let changed = verdict(5, r#""agreement":"changed","because":"the policy is another""#);
    let page = format!(r#"{{"items":[{}]}}"#, experiment(true, 0, &[verdict(3, agrees), changed]));
    let (_, output) = answered(&[(200, STATE), (200, &page)], &["audit", "verify"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains("named by entry 5 of the chain at 2026-11-28T12:00:00Z: the policy is another"),
        "{told}"
    );
    let stated = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stated.contains("names 2 verdicts on 1 experiment: the evidence of 1 is"), "{stated}");
    const UNKNOWN: &str = r#"{"type":"x","title":"x","status":404,"detail":"nothing is here"}"#;
    let (_, output) = answered(&[(200, STATE), (404, UNKNOWN)], &["audit", "verify"]);
    assert!(said(&output).ends_with("no evidence was compared\n"), "of a release before");
}

const TENANT: &str = "018f4f9e-0000-7000-8000-000000000001";

fn anchor(seq: i64, hash: &str) -> String {
    format!(r#"{{"tenant_id":"{TENANT}","seq":{seq},"hash":"{hash}","at":"2026-11-28T12:00:00Z"}}"#)
}

#[test]
fn anchors_of_ones_own_are_compared_with_the_entries_in_their_places() {
    const STATE: &str = r#"{"tenant_id":"018f4f9e-0000-7000-8000-000000000001","intact":true,"entries":9}"#;
    let entry = |seq: i64, hash: &str| {
        format!(
            r#"{{"seq":{seq},"at":"2026-11-28T12:00:00Z","actor":"a","action":"b","object":"c","detail":{{}},"previous_hash":"","hash":"{hash}"}}"#
        )
    };
    let page = format!(r#"{{"items":[{},{}]}}"#, entry(2, "two"), entry(5, "five"));
    let message = format!(
        r#"{{"type":"audit.anchor","timestamp":"2026-11-28T12:00:00Z","data":{{"tenant_id":"{TENANT}","detail":{{"seq":5,"hash":"five"}}}}}}"#
    );
    let foreign = anchor(1, "one").replace("8000-000000000001", "8000-000000000002");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("anchors");
    let verify = |lines: &[&str]| {
        std::fs::write(&file, lines.join("\n")).unwrap();
        let words = ["audit", "verify", "--anchors", file.to_str().unwrap()];
        answered(&[(200, STATE), (200, &page), (200, NO_EVIDENCE)], &words)
    };
    let (asked, output) = verify(&[&message, &foreign, &anchor(2, "two")]);
    assert_eq!(asked[1], "GET /api/v1/audit?limit=200&after=1 HTTP/1.1 ");
    let held =
        "2 anchors of the chain fit it, the last one at entry 5; those behind it, the chain alone holds";
    assert!(said(&output).starts_with("9 entries fit") && said(&output).contains(&format!("\n{held}\n")));
    let (_, output) = verify(&[&foreign, &message.replace("five", "V"), &anchor(2, "II")]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("by line 2 of the file") && told.contains("has the hash five now"), "{told}");
}

#[test]
fn somebody_is_found_by_their_address() {
    const LIST: &str = r#"{"items":[{"id":"u1","email":"a@b"}]}"#;
    const USER: &str = r#"{"id":"018f4f9e-0000-7000-8000-000000000000","tenant_id":"018f4f9e-0000-7000-8000-000000000001","email":"a@b","role":"operator","created_at":"2026-11-28T12:00:00Z"}"#;
    let (asked, output) = answered(&[(200, LIST), (200, USER)], &["user", "role", "A@b", "operator"]);
    assert_eq!(asked[1], r#"PATCH /api/v1/users/u1 HTTP/1.1 {"role":"operator"}"#);
    assert!(said(&output).contains("operator"));
    let (_, output) = answered(&[(200, LIST)], &["user", "disable", "c@d"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no user c@d"));
}

#[test]
fn a_deployment_is_rolled_back_to_a_version_and_its_config_is_shown() {
    const VERSION: &str = r#"{"id":"018f4f9e-0000-7000-8000-000000000000","version":3,"selector":"env=prod","pipeline":null,"config":"processors: {}\n","experiment_id":null,"created_by":"user/1","created_at":"2026-11-28T12:00:00Z"}"#;
    let (asked, output) = answered(&[(200, VERSION)], &["deployment", "rollback", "d1", "--to", "1"]);
    assert_eq!(asked, [r#"POST /api/v1/deployments/d1/rollback HTTP/1.1 {"to":1}"#]);
    assert!(said(&output).contains("env=prod"));
    let (_, output) = answered(&[(200, VERSION)], &["deployment", "get", "d1"]);
    assert!(said(&output).ends_with("\n\nprocessors: {}\n"));
}

#[test]
fn a_tenant_is_deleted_by_who_says_that_it_is_meant() {
    let (asked, output) = answered(&[(204, "")], &["tenant", "delete", "t1", "--yes"]);
    assert_eq!((asked, said(&output)), (vec!["DELETE /api/v1/tenants/t1 HTTP/1.1 ".into()], String::new()));
    let (_, output) = answered(&[], &["tenant", "delete", "t1"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes"));
}

#[test]
fn each_shell_is_told_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (_, output) = answered(&[], &["completions", shell]);
        let script = said(&output);
        assert!(script.contains("phoenix") && script.contains("unfreeze"), "{shell}: {script}");
    }
}

const WEBHOOK: &str = r#"{"id":"018f4f9e-0000-7000-8000-000000000000","name":"a","place":"https://a.org/…","events":["*"],"format":"json","enabled":true,"waiting":0,"dropped":0,"version":1,"created_by":"a@b","created_at":"2026-11-28T12:00:00Z","updated_at":"2026-11-28T12:00:00Z","secret":"whsec_x"}"#;

#[test]
fn a_webhook_is_made_with_its_secret_alone_on_the_line_and_followed() {
    let words =
        ["webhook", "create", "a", "https://a.org/x", "--event", "tenant.freeze", "--format", "slack"];
    let (asked, output) = answered(&[(201, WEBHOOK)], &words);
    let body = r#"{"events":["tenant.freeze"],"format":"slack","name":"a","url":"https://a.org/x"}"#;
    assert_eq!(asked, [format!("POST /api/v1/webhooks HTTP/1.1 {body}")]);
    assert_eq!(said(&output), "whsec_x\n");
    let (asked, output) = answered(&[(200, WEBHOOK)], &["webhook", "change", "a", "--enabled", "false"]);
    assert_eq!(asked, [r#"PATCH /api/v1/webhooks/a HTTP/1.1 {"enabled":false}"#]);
    assert!(said(&output).contains("https://a.org/…"));
    const LOG: &str = r#"{"items":[{"seq":3,"message_id":"w_3","event":"tenant.freeze","at":"2026-11-28T12:00:00Z","state":"waiting","attempts":2,"last_status":302,"last_error":"redirects are not followed"}]}"#;
    let (asked, output) = answered(&[(200, LOG)], &["webhook", "log", "a", "--state", "waiting"]);
    assert_eq!(asked, ["GET /api/v1/webhooks/a/deliveries?state=waiting&limit=200 HTTP/1.1 "]);
    assert!(said(&output).contains("302: redirects are not followed"));
}

/// Id of whoever asks.
const ID: &str = "0193a0c0-0000-7000-8000-000000000001";

/// Takes a request, and answers it with this document. Returns its first line and its body.
fn exchanged(server: &Server, body: &str) -> (String, serde_json::Value) {
    let asked = server.exchange(200, body);
    (asked.line, serde_json::from_str(&asked.body).unwrap_or_default())
}

#[test]
fn a_new_token_is_alone_on_its_line_and_how_many_agents_it_lets_in_is_said_beside() {
    let made = |uses: &str| {
        format!(
            r#"{{"id":"t","labels":{{}},"max_uses":{uses},"uses":0,"created_by":"{ID}","created_at":"2026-11-28T12:00:00Z","expires_at":"2026-11-29T12:00:00Z","token":"phe_x"}}"#
        )
    };
    for (uses, beside) in [
        (
            "1",
            "lets in one agent, until 2026-11-29T12:00:00Z; one for several agents is made with --max-uses",
        ),
        ("5", "lets in 5 agents, until"),
        (r#""unlimited""#, "lets in any number of agents"),
    ] {
        let (_, output) = answered(&[(201, &made(uses))], &["token", "create"]);
        assert_eq!(said(&output), "phe_x\n");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(beside), "{beside}: {told}");
    }
}

#[test]
fn a_login_by_a_browser_hands_on_the_code_that_comes_back_with_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::start();
    let asked = thread::spawn(move || {
        let begun = r#"{"authorization_url":"https://idp.example.org/authorize?state=s%2F1&nonce=n","flow":"sealed"}"#;
        let (line, sent) = exchanged(&server, begun);
        assert_eq!(line, "POST /api/v1/auth/sso HTTP/1.1");
        let back = sent["redirect_uri"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let (at, path) = back.split_once('/').unwrap();
        for (query, status) in [("code=evil&state=other", "404"), ("code=c-1&state=s%2F1", "200")] {
            let mut browser = std::net::TcpStream::connect(at).unwrap();
            browser.write_all(format!("GET /{path}?{query} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
            let mut said = String::new();
            std::io::Read::read_to_string(&mut browser, &mut said).unwrap();
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {said}");
        }
        let tokens = r#"{"access_token":"t","token_type":"Bearer","expires_in":900,"refresh_token":"r","refresh_expires_in":9,"role":"operator"}"#;
        let (line, sent) = exchanged(&server, tokens);
        assert_eq!(line, "POST /api/v1/auth/sso/finish HTTP/1.1");
        assert_eq!(sent, serde_json::json!({ "flow": "sealed", "state": "s/1", "code": "c-1" }));
        let me = r#"{"tenant_id":"018f4f9e-0000-7000-8000-000000000000","user_id":"018f4f9e-0000-7000-8000-000000000001","email":"ann@one.io","role":"operator"}"#;
        assert_eq!(exchanged(&server, me).0, "GET /api/v1/auth/me HTTP/1.1");
    });
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .args(["login", "--sso", "--no-browser", "--server", &address])
        .env("PHOENIX_SESSION", dir.path().join("session.json"))
        .output()
        .unwrap();
    assert!(said(&output).contains("ann@one.io"));
    asked.join().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("https://idp.example.org/authorize?state="), "{told}");
    assert!(
        std::fs::read_to_string(dir.path().join("session.json")).unwrap().contains(r#""refresh_token":"r""#)
    );
}
