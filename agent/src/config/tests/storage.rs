//! Queues on disk, and when senders are answered then.

use std::path::PathBuf;

use super::{bad, good};
use crate::deliver::StorageSettings;
use crate::engine::AcknowledgeMode;

/// Two exporters with these queues, an extension with these keys, and more.
fn text(queues: [&str; 2], extension: &str, more: &str) -> String {
    let [one, other] = queues.map(|queue| format!("sending_queue: {{ {queue} }}"));
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ otlp: {{ endpoint: 'a:1', {one} }}, otlp_http/b: {{ endpoint: 'http://b:1', {other} }}, debug: }}
extensions: {{ file_storage/q: {{ {extension} }}, zpages: }}
service:
  extensions: [file_storage/q, zpages]
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp, otlp_http/b, debug] }} }}
{more}"
    )
}

const STORED: &str = "storage: file_storage/q";

fn storage(queue: &str, extension: &str) -> StorageSettings {
    let settings = good(&text([queue, ""], extension, ""));
    assert_eq!(settings.exporters[1].storage, None);
    settings.exporters[0].storage.clone().expect("a queue on disk")
}

#[test]
fn the_extension_has_the_collectors_keys_and_defaults() {
    let directory = PathBuf::from("/var/lib/otelcol/file_storage");
    let plain =
        StorageSettings { directory, create: None, fsync: false, most_bytes: 8 << 30, most_age: None };
    assert_eq!(storage(STORED, ""), plain);
    let all = "directory: /q, create_directory: true, directory_permissions: '0700', fsync: true, timeout: 1s, recreate: true, \
               compaction: { on_start: true, directory: /tmp, max_transaction_size: 1 }";
    let expected = StorageSettings { directory: "/q".into(), create: Some(0o700), fsync: true, ..plain };
    assert_eq!(storage(STORED, all), expected);
    assert_eq!(storage(STORED, "create_directory: true").create, Some(0o750));
    let sized = storage(&format!("{STORED}, sizer: bytes, queue_size: 1000000000"), "");
    assert_eq!(sized.most_bytes, 1_000_000_000 + (128 << 20));
    let name = |id: &str| storage(STORED, "directory: /q").queue_of(id);
    assert_eq!(name("otlp_http/b ü"), PathBuf::from("/q/phoenix_otlp_http%2Fb%20%C3%BC"));
}

#[test]
fn what_cannot_be_kept_is_refused_by_name_and_place() {
    for (queues, extension, said) in [
        (["storage: file_storage", ""], "", "there is no extension \"file_storage\" in service.extensions"),
        (["storage: file_storage/p", ""], "", "did you mean \"file_storage/q\""),
        (["storage: zpages", ""], "", "Phoenix keeps no queue in \"zpages\""),
        ([&format!("{STORED}, wait_for_result: true"), ""], "", "wait_for_result goes with no storage"),
        ([STORED, ""], "directory_permissions: '0999'", "are no permissions"),
        ([STORED, ""], "directroy: /q", "did you mean \"directory\""),
        ([STORED, ""], "compaction: { on_strat: true }", "did you mean \"on_start\""),
    ] {
        let problems = bad(&text(queues, extension, ""));
        assert!(problems.contains(said), "{said}: {problems}");
        assert_eq!(problems.matches("agent.yaml:").count(), 1, "told once: {problems}");
    }
    let unused = bad(&text(["", ""], "fsnyc: true", ""));
    assert!(unused.contains("did you mean \"fsync\""), "{unused}");
}

#[test]
fn senders_are_answered_once_a_request_is_on_disk_unless_the_file_says_otherwise() {
    let mode = |queues, more: &str| good(&text(queues, "", more)).acknowledge;
    let says = |word: &str| format!("phoenix: {{ acknowledge: {{ otlp: {word} }} }}\n");
    assert_eq!(
        mode([STORED, STORED], ""),
        (AcknowledgeMode::OnPersist, "the sending queues are on disk".into())
    );
    let (mixed, why) = mode([STORED, ""], "");
    assert_eq!(mixed, AcknowledgeMode::OnPersist);
    assert!(
        why.contains("the queue of otlp is on disk; that of otlp_http/b is in memory, and a crash loses"),
        "{why}"
    );
    assert_eq!(mode([STORED, "enabled: false"], "").0, AcknowledgeMode::OnDelivery);
    assert_eq!(mode(["storage: file_storage/q, enabled: false", ""], "").0, AcknowledgeMode::OnDelivery);
    assert_eq!(mode([STORED, STORED], &says("on_accept")).0, AcknowledgeMode::OnAccept);
    assert_eq!(mode([STORED, STORED], &says("on_delivery")).0, AcknowledgeMode::OnDelivery);
    let (asked, why) = mode([STORED, ""], &says("on_persist"));
    assert_eq!(asked, AcknowledgeMode::OnPersist);
    assert!(why.contains("says so; the queue of otlp is on disk"), "{why}");
    let none = bad(&text(["", ""], "", &says("on_persist")));
    assert!(none.contains("on_persist, and no exporter has a queue on disk"), "{none}");
}

#[test]
fn a_shadow_has_no_queue_on_disk() {
    let text = text(["", STORED], "", "phoenix: { experiment: { baseline: metrics, candidate: metrics/new, unit: process, weight: 0%, shadow: otlp_http/b } }\n")
        .replace("exporters: [otlp, otlp_http/b, debug] }", "exporters: [otlp] }, metrics/new: { receivers: [otlp], exporters: [] }");
    let said = bad(&text);
    assert!(said.contains("otlp_http/b has a queue on disk, and nothing waits for a shadow"), "{said}");
}

#[test]
fn what_waits_on_disk_has_an_age_that_the_file_bounds() {
    let aged =
        |queue: &str, age: &str| text([queue, ""], "", &format!("phoenix: {{ max_queue_age: {age} }}\n"));
    let settings = good(&aged(STORED, "36h"));
    let age = settings.exporters[0].storage.as_ref().and_then(|storage| storage.most_age);
    assert_eq!(age, Some(std::time::Duration::from_secs(36 * 3_600)));
    let short = bad(&aged(STORED, "10ms"));
    assert!(short.contains("max_queue_age is 10ms") && short.contains("1s or more"), "{short}");
    let none = bad(&aged("", "1h"));
    assert!(none.contains("max_queue_age, and no exporter has a queue on disk"), "{none}");
}
