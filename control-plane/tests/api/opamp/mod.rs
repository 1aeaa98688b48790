//! OpAMP as stock clients speak it. `duties.md` beside this has each duty of a server and the test that holds it.

pub mod client;
mod joining;
mod messages;
mod names;
pub mod offers;
mod passes;
mod settings;
mod transport;

pub use client::Client;

/// Each test that `duties.md` names stands where it says.
#[test]
fn every_duty_names_tests_that_there_are() {
    let crate_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut duties, mut tests) = (0, 0);
    for row in include_str!("duties.md").lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        duties += 1;
        let named = row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2);
        for (module, test) in named.filter_map(|name| name.rsplit_once("::")) {
            let file = match module.strip_prefix("fleet::") {
                Some(module) => format!("src/fleet/{}.rs", module.replace("::", "/")),
                None => format!("tests/api/opamp/{module}.rs"),
            };
            let code = std::fs::read_to_string(crate_dir.join(&file));
            let code = code.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(code.contains(&format!("fn {test}(")), "{test} is not in {file}");
            tests += 1;
        }
    }
    assert!(duties > 95 && tests > 95, "{duties} {tests}");
}
