//! The house's walls: who may see whom. See "What may never be imported" in ARCHITECTURE.md.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn manifest(krate: &str) -> toml::Table {
    fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap().parse().unwrap()
}

/// Dependencies of a crate's library or binary, without those of its tests.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let table = manifest(krate);
    table
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .map(|t| t.keys().cloned().collect())
        .unwrap_or_default()
}

fn members() -> Vec<String> {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a crate's own code, without its tests, as `file:line: text`.
fn lines(krate: &str) -> Vec<String> {
    let mut files = Vec::new();
    sources(&root().join(krate).join("src"), &mut files);
    assert!(!files.is_empty());
    let mut lines = Vec::new();
    let of_tests = |file: &Path| file.iter().any(|part| part == "tests" || part == "tests.rs");
    for file in files.iter().filter(|file| !of_tests(file.strip_prefix(root()).unwrap())) {
        let text = fs::read_to_string(file).unwrap();
        let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        lines.extend(own.lines().enumerate().map(|(at, line)| format!("{name}:{}: {line}", at + 1)));
    }
    lines
}

fn forbid(krate: &str, words: &[&str]) {
    let code = lines(krate).into_iter().filter(|line| !line.contains(": //") && !line.contains("    //"));
    let found: Vec<_> = code.filter(|line| words.iter().any(|word| line.contains(word))).collect();
    assert!(found.is_empty(), "{krate} may not see {words:?}:\n{}", found.join("\n"));
}

#[test]
fn the_shells_do_not_see_each_other_and_only_e2e_sees_all() {
    for (krate, forbidden) in [
        ("agent", &["api", "calibration", "cli", "control-plane", "simulator"][..]),
        ("calibration", &["agent", "cli", "control-plane", "observe", "pipelines", "proto", "simulator"]),
        ("cli", &["agent", "control-plane"]),
        ("client", &["agent", "cli", "control-plane", "observe", "pipelines", "proto", "simulator"]),
        ("control-plane", &["agent", "calibration", "cli", "simulator"]),
        ("simulator", &["agent", "pipelines", "observe", "drift", "cli"]),
        ("gate", &["agent", "api", "cli", "control-plane", "observe", "pipelines", "proto", "simulator"]),
        (
            "segments",
            &["agent", "api", "cli", "control-plane", "gate", "observe", "pipelines", "proto", "simulator"],
        ),
        ("observe", &["agent", "cli", "simulator", "proto"]),
        ("proto", &["agent", "cli", "control-plane", "simulator"]),
    ] {
        let seen = dependencies(krate);
        for name in forbidden {
            assert!(!seen.contains(*name), "{krate} depends on {name}");
        }
    }
}

const IMPURE: [&str; 7] =
    ["std::fs", "std::net", "std::env", "std::process", "std::thread", "Instant::now", "SystemTime"];

#[test]
fn the_core_is_pure() {
    assert!(!dependencies("drift").contains("pipelines"));
    assert!(!dependencies("pipelines").contains("drift"));
    for krate in ["drift", "pipelines", "observe"] {
        let seen = dependencies(krate);
        for name in ["tokio", "tonic", "axum", "sqlx", "hyper", "rand", "procfs", "tracing"] {
            assert!(!seen.contains(name), "{krate} depends on {name}");
        }
        forbid(krate, &IMPURE);
    }
    // Its random numbers are seeded by whoever asks.
    forbid("calibration", &IMPURE);
}

#[test]
fn the_shapes_of_rest_see_the_observer_alone_and_are_seen_by_both_its_ends() {
    let (members, seen) = (members(), dependencies("api"));
    let own: Vec<_> = members.iter().filter(|krate| seen.contains(*krate)).collect();
    assert_eq!(own, ["observe"]);
    for krate in members.iter().filter(|krate| dependencies(krate).contains("api")) {
        assert!(["cli", "control-plane", "e2e"].contains(&krate.as_str()), "{krate} depends on api");
    }
    for name in ["tokio", "tonic", "axum", "sqlx", "hyper", "rand", "tracing"] {
        assert!(!seen.contains(name), "api depends on {name}");
    }
    forbid("api", &IMPURE);
}

#[test]
fn the_second_implementation_shares_no_code_with_what_it_checks() {
    let (members, seen) = (members(), dependencies("recount"));
    let own: Vec<_> = members.iter().filter(|krate| seen.contains(*krate)).collect();
    assert!(own.is_empty(), "recount depends on {own:?}");
}

#[test]
fn decoded_otlp_stays_out_of_the_data_path() {
    for krate in ["agent", "pipelines", "observe"] {
        assert!(!dependencies(krate).contains("opentelemetry-proto"), "{krate} decodes OTLP into structs");
        forbid(krate, &["opentelemetry_proto::"]);
    }
}

#[test]
fn nothing_is_called_common_or_utils() {
    for krate in members() {
        let mut files = Vec::new();
        sources(&root().join(&krate).join("src"), &mut files);
        for file in files {
            let parts = file.strip_prefix(root()).unwrap().with_extension("");
            for part in parts.components() {
                let part = part.as_os_str().to_str().unwrap();
                assert!(
                    !["common", "utils", "util", "helpers", "misc"].contains(&part),
                    "{}",
                    file.display()
                );
            }
        }
    }
}

/// First lines of all item and module docs of a crate, tests included.
fn docs(krate: &str) -> Vec<String> {
    let mut files = Vec::new();
    sources(&root().join(krate), &mut files);
    let mut docs = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut within = false;
        for line in text.lines().map(str::trim_start) {
            let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            if let Some(doc) = doc.filter(|_| !within) {
                docs.push(doc.trim_start().to_owned());
            }
            within = doc.is_some();
        }
    }
    docs
}

/// Tells whether a doc begins with a question word.
fn asks(doc: &str) -> bool {
    const QUESTIONS: [&str; 9] = ["How", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"];
    QUESTIONS.contains(&doc.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default())
}

#[test]
fn no_doc_of_the_wire_contracts_begins_with_a_question_word() {
    let mut docs = 0;
    for entry in fs::read_dir(root().join("proto/phoenix/v1")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut before = "";
        for (at, line) in (1..).zip(text.lines().map(str::trim)) {
            let begun = line.strip_prefix("// ").filter(|_| !before.starts_with("//"));
            assert!(!begun.is_some_and(asks), "{}:{at}: {line}", path.display());
            docs += usize::from(begun.is_some());
            before = line;
        }
    }
    assert!(docs > 300, "{docs}");
}

#[test]
fn fewer_than_one_doc_in_twenty_begins_with_a_question_word() {
    for krate in members() {
        let docs = docs(&krate);
        assert!(!docs.is_empty(), "{krate}");
        let found: Vec<_> = docs.iter().filter(|doc| asks(doc)).collect();
        assert!(found.len() * 20 < docs.len(), "{krate}: {} of {}: {found:#?}", found.len(), docs.len());
    }
}

#[test]
fn every_crate_takes_its_lints_from_the_workspace() {
    for krate in members() {
        assert_eq!(manifest(&krate)["lints"]["workspace"].as_bool(), Some(true), "{krate}");
    }
}

/// Rooms of a shell from the ground up: a room may import those before it.
const ROOMS: [(&str, &[&str]); 2] = [("agent", AGENT), ("control-plane", CONTROL_PLANE)];

const AGENT: &[&str] = &[
    "signal",
    "grpc_status",
    "count",
    "memory",
    "admission",
    "meter",
    "delivery_ledger",
    "outbox",
    "generation",
    "ledger",
    "request",
    "net",
    "telemetry",
    "deliver",
    "engine",
    "fleet",
    "receive",
    "admin",
    "own_metrics",
    "config",
    "config_reader",
    "app",
    "process",
];

const CONTROL_PLANE: &[&str] = &[
    "clock",
    "duration",
    "gather",
    "hash",
    "id",
    "labels",
    "key_file",
    "chain_keys",
    "node",
    "outgoing",
    "seal",
    "selector",
    "serving",
    "webhook",
    "anchor",
    "metrics",
    "traces",
    "refusal",
    "role",
    "sso",
    "hub",
    "replica",
    "checks",
    "plans",
    "experiment",
    "store",
    "walks",
    "audit",
    "auth",
    "state",
    "evidence",
    "actions",
    "reconcile",
    "http",
    "fleet",
    "rest",
    "grpc",
    "config",
    "app",
    "copying",
    "process",
];

/// Files outside the rooms: the crate's roots.
const ROOTS: [&str; 2] = ["lib", "main"];

/// Module path of a source file below `src`: `rest/page.rs` is `[rest, page]`.
fn module(file: &str) -> Vec<String> {
    let mut path: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    path.pop_if(|last| last == "mod");
    path
}

/// First names behind a path's prefix: of `a::b` it is `a`, of `{a::b, c}` they are `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut from) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[from..at]));
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.into_iter().filter(|name: &String| !name.is_empty()).collect()
}

/// Names right below the crate's root that a module's code uses.
fn used(module: &[String], code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            names.extend(first_names(&code[at + "crate::".len()..]));
        }
    }
    let to_root = "super::".repeat(module.len());
    for (at, _) in code.match_indices(&to_root) {
        if !code[..at].ends_with("super::") {
            names.extend(first_names(&code[at + to_root.len()..]));
        }
    }
    names
}

/// Own code of a crate by module, without comments and tests.
fn modules(krate: &str) -> BTreeMap<Vec<String>, String> {
    let prefix = format!("{krate}/src/");
    let mut modules: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for line in lines(krate) {
        let (file, rest) = line.split_once(':').unwrap();
        let code = rest.split_once(": ").unwrap().1;
        let text = modules.entry(module(file.strip_prefix(&prefix).unwrap())).or_default();
        if !code.trim_start().starts_with("//") {
            text.push_str(code);
            text.push('\n');
        }
    }
    modules
}

#[test]
fn a_room_imports_only_those_below_it() {
    for (krate, rooms) in ROOMS {
        let floor = |name: &str| rooms.iter().position(|room| *room == name);
        let (mut seen, mut upward) = (BTreeSet::new(), Vec::new());
        for (module, code) in modules(krate) {
            let room = module[0].as_str();
            if ROOTS.contains(&room) {
                continue;
            }
            let own = floor(room).unwrap_or_else(|| panic!("{krate}: the room {room} is not in the list"));
            seen.insert(room.to_owned());
            for name in used(&module, &code) {
                if floor(&name).is_some_and(|other| other > own) {
                    upward.push(format!("{} imports {name}", module.join("::")));
                }
            }
        }
        assert_eq!(seen.len(), rooms.len(), "{krate}: a room of the list is gone");
        assert!(upward.is_empty(), "{krate}: an import goes up:\n{}", upward.join("\n"));
    }
}

/// Rooms of the control plane that describe what is sent; no other names a schema.
const DESCRIBED: [&str; 3] = ["fleet", "http", "rest"];

#[test]
fn the_domain_names_no_schema() {
    let own = |module: &[String]| !DESCRIBED.contains(&module[0].as_str());
    let named: Vec<_> = modules("control-plane")
        .into_iter()
        .filter(|(module, code)| own(module) && (code.contains("utoipa") || code.contains("ToSchema")))
        .map(|(module, _)| module.join("::"))
        .collect();
    assert!(named.is_empty(), "the shapes of REST are api's, not those of {named:?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let module = ["rest".to_owned(), "page".to_owned()];
    let code = "use crate::auth;\nuse crate::{store::{a, b}, hub};\nfn f(x: super::super::state::S, y: super::own::Y)";
    let names: Vec<_> = used(&module, code).into_iter().collect();
    assert_eq!(names, ["auth", "hub", "state", "store"]);
}
