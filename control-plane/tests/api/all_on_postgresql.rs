//! The surfaces on PostgreSQL. Tests run by their names, and this one takes longest: so it begins among the first.

use std::process::Command;

use super::postgres::ON_POSTGRES;

/// Every test of a surface, on PostgreSQL.
#[test]
fn each_surface_is_the_same() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    for elsewhere in [
        "store::",
        "plans::",
        "copies::",
        "migrations::",
        "process::",
        "all_on_postgresql::",
        "away::",
        "replicas::",
    ] {
        again.args(["--skip", elsewhere]);
    }
    let done = again.env(ON_POSTGRES, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    let passed = said.split(" passed").next().and_then(|before| before.rsplit(' ').next());
    assert!(passed.unwrap().parse::<u32>().unwrap() > 80, "{said}");
}
