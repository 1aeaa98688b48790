//! Files that are applied: all mistakes in them are told at once, each with its place, whoever finds them.

use super::{answered, said};

#[test]
fn a_file_that_is_missing_hides_no_mistake_of_any_document() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.yaml");
    let text = "name: e\nselector: env=prod\ncandidate: { file: gone.yaml }\nweights_bp: [5000]\n---\nname: f\npolicy:\n  \
                max_unseen: 3\ncandidate: { config: 'processors: {}' }\n---\nname: g\ncandidate: { config: 'processors: {}' }\n";
    std::fs::write(&path, text).unwrap();
    let refused = |errors: &str| format!(r#"{{"detail":"it is wrong","status":422,"errors":[{errors}]}}"#);
    let first = refused(r#"{"field":"weights_bp","message":"the last weight is 5000"}"#);
    let second = refused(
        r#"{"field":"policy.max_unseen","message":"3","expected":"a share"},{"field":"candidate","line":2,"column":7,"message":"no"}"#,
    );
    let file = path.display().to_string();
    let (asked, output) = answered(&[(422, &first), (422, &second), (200, "{}")], &["apply", "-f", &file]);
    assert!(
        asked.iter().all(|asked| asked.starts_with("POST /api/v1/experiments?dry_run=true")),
        "nothing is written: {asked:?}"
    );
    assert!(asked[0].contains("processors: {}") && !asked[0].contains("gone"), "{}", asked[0]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for line in [
        "4 mistakes in the files, so that nothing is applied:",
        &format!("{file}:3, document 1: candidate: cannot read"),
        &format!("{file}:4, document 1: experiment e: weights_bp: the last weight is 5000"),
        &format!("{file}:8, document 2: experiment f: policy.max_unseen: 3 (expected a share)"),
        &format!("{file}:9, document 2: experiment f: candidate 2:7: no"),
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("document 3"), "{told}");
}

#[test]
fn a_dry_run_has_the_text_of_a_template_checked_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.yaml");
    std::fs::write(&path, "kind: template\nname: t\ntext: x\n").unwrap();
    let words = ["apply", "--dry-run", "-f", path.to_str().unwrap()];
    let unknown = (404, r#"{"detail":"there is no template t","status":404}"#);
    let wrong =
        r#"{"detail":"t: no","status":422,"errors":[{"field":"text","line":3,"column":1,"message":"no"}]}"#;
    let (asked, output) = answered(&[unknown, (422, wrong)], &words);
    assert_eq!(asked[1], r#"POST /api/v1/templates/t/check HTTP/1.1 {"text":"x"}"#);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("all.yaml:3, document 1: template t: text 3:1: no"), "{told}");
    let (_, output) = answered(&[unknown, (200, r#"{"version":4}"#)], &words);
    assert_eq!(said(&output), "template t: would be created; version 4\n");
    let (_, output) = answered(&[unknown, unknown], &words);
    assert!(said(&output).contains("not checked: this control plane is of a release that cannot"));
}

#[test]
fn where_nobody_can_be_asked_the_mistakes_of_the_files_are_told_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.yaml");
    std::fs::write(&path, "name: e\ncandidate: { file: gone.yaml }\n").unwrap();
    let unauthenticated = r#"{"detail":"the API key has expired","status":401}"#;
    let (_, output) = answered(&[(401, unauthenticated)], &["apply", "-f", path.to_str().unwrap()]);
    let told = String::from_utf8(output.stderr).unwrap();
    for line in ["document 1: candidate: cannot read", "was not checked: ", "the API key has expired"] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn a_mistake_in_a_text_is_told_with_the_field_that_has_the_text() {
    let refused = r#"{"detail":"the request has 2 mistakes","status":422,"errors":[
        {"field":"candidate","line":3,"column":5,"message":"there is no processor x"},{"field":"name","message":"it is empty"}]}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("next.yaml");
    std::fs::write(&path, "processors: {}\n").unwrap();
    let words = ["experiment", "create", "--candidate", path.to_str().unwrap()];
    let (_, output) = answered(&[(422, refused)], &words);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("candidate 3:5: there is no processor x") && told.contains("name: it is empty"),
        "{told}"
    );
}
