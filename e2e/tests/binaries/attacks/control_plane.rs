//! Attacks on the control plane's listeners.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use e2e::attack::{self, Drips, HALF_A_PREFACE, Honest, Silent};
use e2e::control_plane::{ControlPlane, EMAIL, PASSWORD};
use e2e::http;
use e2e::opamp::{connect, enrolled, greet};
use serde_json::json;

/// `GET`s of a path, each over a connection of its own.
async fn probes(to: SocketAddr, path: &str, times: usize) -> Honest {
    Honest::ask(times, || async {
        let (status, body) = http::get(to, path).await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_dripping_bodies_keep_neither_probes_nor_agents_nor_people_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let (uid, credential) = enrolled(&control_plane).await?;
    let at = control_plane.listening;
    let _on_people = Drips::begin(at.rest, &["/api/v1/auth/login"], 300).await;
    let _on_agents = Drips::begin(at.fleet, &["/v1/enroll", "/v1/opamp"], 300).await;
    let health = probes(at.rest, "/health", 100).await;
    let opamp = Honest::ask(100, || async {
        greet(&mut connect(at.fleet, &credential).await?, uid).await?;
        Ok(())
    })
    .await;
    let people = Honest::ask(20, || async {
        let (status, body) = control_plane.call("GET", "/api/v1/auth/me", None).await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    })
    .await;
    eprintln!("300 dripping bodies: /health {health}; OpAMP {opamp}; people {people}");
    assert!(health.is_served() && opamp.is_served() && people.is_served());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_sockets_with_half_a_preface_leave_room_for_others() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let rest = control_plane.listening.rest;
    let _attack = Silent::begin(rest, 4_096, HALF_A_PREFACE).await;
    let honest = probes(rest, "/ready", 100).await;
    eprintln!("4,096 sockets with half a preface: {honest}");
    assert!(honest.is_served(), "{honest}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_from_one_address_never_keeps_the_right_password_of_another_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let rest = control_plane.listening.rest;
    let mut refused = 0;
    let mut honest = Honest::default();
    for _ in 0..10 {
        // Two a second would take as long; what counts is that all of them are used up.
        for _ in 0..4 {
            let status = attack::login(rest, EMAIL, "not the password").await?;
            ensure!(status == 401 || status == 429, "{status}");
            refused += usize::from(status == 429);
        }
        let asked = Honest::ask(1, || async {
            let body = json!({ "email": EMAIL, "password": PASSWORD });
            control_plane.expect("POST", "/api/v1/auth/login", Some(&body), 200).await?;
            Ok(())
        });
        honest = honest.and(asked.await);
    }
    eprintln!("40 wrong logins, {refused} of them refused unseen: {honest}");
    assert!(refused > 20, "guessing is slowed down: {refused}");
    assert!(honest.is_served(), "{honest}");
    Ok(())
}
