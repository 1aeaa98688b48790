use serde_json::json;

use super::*;

fn read_text(text: &str) -> Read {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cheaper.yaml"), "processors: {}\n").unwrap();
    let path = dir.path().join("all.yaml");
    std::fs::write(&path, text).unwrap();
    read(&[path])
}

fn refused(text: &str) -> String {
    read_text(text).mistakes.join("\n")
}

fn right(read: Read) -> Vec<Document> {
    assert!(read.mistakes.is_empty(), "{:?}", read.mistakes);
    read.documents
}

#[test]
fn templates_come_first_and_files_beside_are_read() {
    let text = "name: e\nselector: env=prod\ncandidate: { file: cheaper.yaml }\n---\nkind: Template\nname: t\nfile: \
                cheaper.yaml\n";
    let all = right(read_text(text));
    let found: Vec<_> = all.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(found, [(Kind::Template, "t"), (Kind::Experiment, "e")]);
    assert_eq!(Value::Object(all[0].body.clone()), json!({ "name": "t", "text": "processors: {}\n" }));
    let experiment = json!({
        "name": "e", "selector": "env=prod", "candidate": { "config": "processors: {}\n" },
    });
    assert_eq!(Value::Object(all[1].body.clone()), experiment);
}

#[test]
fn a_file_that_is_elsewhere_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, secret) = (dir.path().join("inside"), dir.path().join("secret.yaml"));
    std::fs::create_dir_all(inside.join("below")).unwrap();
    std::fs::write(&secret, "a key").unwrap();
    std::fs::write(inside.join("below/one.yaml"), "processors: {}\n").unwrap();
    std::os::unix::fs::symlink(&secret, inside.join("link.yaml")).unwrap();
    let path = inside.join("all.yaml");
    for file in ["../secret.yaml", secret.to_str().unwrap(), "link.yaml", "below/../../secret.yaml"] {
        std::fs::write(&path, format!("name: e\ncandidate: {{ file: {file} }}\n")).unwrap();
        let refused = read(std::slice::from_ref(&path)).mistakes.join("\n");
        assert!(refused.contains("is not in the folder of the document"), "{file}: {refused}");
    }
    std::fs::write(&path, "name: e\ncandidate: { file: below/one.yaml }\n").unwrap();
    assert_eq!(right(read(&[path]))[0].body["candidate"]["config"], "processors: {}\n");
}

#[test]
fn json_is_read_as_yaml_is() {
    let all = read_text(r#"{"kind": "experiment", "name": "e", "weights_bp": [500, 10000], "aa": true}"#);
    let expected = json!({ "name": "e", "weights_bp": [500, 10_000], "aa": true });
    assert_eq!(Value::Object(right(all).remove(0).body), expected);
}

#[test]
fn what_is_wrong_is_told_with_its_document() {
    for (text, said) in [
        (
            "name: e\n---\nkind: agent\nname: a\n",
            "document 2: kind: \"agent\" (expected experiment or template)",
        ),
        ("kind: template\n", "document 1: name: expected a text"),
        ("- 1\n", "document 1: expected a mapping"),
        ("", "the files hold no document"),
        ("name: e\n---\nname: e\n", "experiment e is written twice"),
        ("name: e\ncandidate: { file: gone.yaml }\n", "candidate: cannot read"),
        ("name: e\ncandidate: { file: cheaper.yaml, config: x }\n", "it has both file and config"),
        ("name: [\n", "all.yaml:1: it is no YAML or JSON"),
        (
            "name: e\n---\nkind: template\nname: t\n",
            "all.yaml:3, document 2: the template has neither text nor file",
        ),
    ] {
        assert!(refused(text).contains(said), "{text}: {}", refused(text));
    }
}

#[test]
fn all_mistakes_are_told_each_with_its_file_document_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a.yaml", "b.yaml", "c.yaml", "none.yaml"].map(|name| dir.path().join(name));
    let text = "# a comment\n\nname: e\nselector: env=prod\n---\nname: 7\nkind: agent\n---\n- 1\n---\nname: f\ncandidate:\n  file: \
                gone.yaml\n";
    std::fs::write(&paths[0], text).unwrap();
    std::fs::write(&paths[1], "name: [\n").unwrap();
    std::fs::write(&paths[2], "---\nname: e\n").unwrap();
    let read = read(&paths);
    let told = read.mistakes.join("\n");
    let told = told.replace(&format!("{}/", dir.path().display()), "");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(read.mistakes.len(), 7, "{told}");
    for part in [
        "a.yaml:7, document 2: kind: \"agent\"",
        "a.yaml:6, document 2: name: expected a text",
        "a.yaml:9, document 3: expected a mapping",
        "a.yaml:13, document 4: candidate: cannot read",
        "b.yaml:1: it is no YAML or JSON",
        "none.yaml: cannot read",
        "c.yaml:2, document 1: experiment e is written twice, before at a.yaml:3, document 1",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {told}");
    }
    // What can be checked besides is there to be checked, the document without its candidate's file too.
    let found: Vec<_> = read.documents.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(found, ["e", "f", "e"]);
    assert_eq!(read.documents[1].body["candidate"], json!({ "config": NOTHING }));
    assert_eq!(
        read.documents[0].place.of("selector").replace(&format!("{}/", dir.path().display()), ""),
        "a.yaml:4, document 1"
    );
}

#[test]
fn a_text_is_known_by_its_place_in_the_file_or_by_the_file_that_it_is_of() {
    let block = "name: e\n---\nkind: template\nname: t\ntext: |\n  a: 1\n\n  b: 2\n";
    assert_eq!(right(read_text(block))[0].place.text, Some(Included::Block(5, 2)));
    let candidate = "name: e\ncandidate:\n  config: |\n    a: 1\n    b: 2\n";
    assert_eq!(right(read_text(candidate))[0].place.text, Some(Included::Block(3, 4)));
    let beside = right(read_text("kind: template\nname: t\nfile: cheaper.yaml\n")).remove(0).place.text;
    assert!(matches!(&beside, Some(Included::File(file)) if file.ends_with("cheaper.yaml")), "{beside:?}");
    let quoted = "kind: template\nname: t\ntext: \"a: 1\\nb: 2\"\n";
    assert_eq!(right(read_text(quoted))[0].place.text, None);
}
