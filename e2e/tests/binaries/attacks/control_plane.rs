//! Attacks on the control plane's listeners.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use bytes::Bytes;
use e2e::attack::{self, Asked, Drips, HALF_A_PREFACE, Honest, Silent, Unread};
use e2e::control_plane::{ControlPlane, EMAIL, PASSWORD};
use e2e::opamp::{connect, enrolled, greet};
use e2e::{eventually, http};
use serde_json::json;

use super::ENDED;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_reports_and_of_events_that_nobody_reads_are_given_up_and_keep_nobody_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let (uid, credential) = enrolled(&control_plane).await?;
    let at = control_plane.listening;
    let fragment = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
    let asked = json!({ "name": "watched", "candidate": { "config": fragment } });
    let made = control_plane.expect("POST", "/api/v1/experiments", Some(&asked), 201).await?;
    let experiment = made["id"].as_str().unwrap_or_default();
    // A report that is refused: its acknowledgement says so.
    let reports = || Asked {
        head: ::http::Request::post(format!("http://{}/phoenix.v1.ReportService/Report", at.fleet))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {credential}")),
        body: Bytes::from_static(&[0; 5]),
        open: true,
    };
    let path = format!("http://{}/api/v1/experiments/{experiment}/events", at.rest);
    let events = || Asked {
        head: ::http::Request::get(&path)
            .header("authorization", format!("Bearer {}", control_plane.token())),
        body: Bytes::new(),
        open: false,
    };
    let mut on_agents = Unread::begin(at.fleet, 0, 8, 4, reports).await;
    let mut on_people = Unread::begin(at.rest, 0, 8, 4, events).await;
    assert_eq!((on_agents.alive(), on_people.alive()), (8, 8), "the attack stands");
    let ready = probes(at.rest, "/ready", 100).await;
    let opamp = Honest::ask(100, || async {
        greet(&mut connect(at.fleet, &credential).await?, uid).await?;
        Ok(())
    })
    .await;
    eprintln!("32 streams of reports and 32 of events that nobody reads: /ready {ready}; OpAMP {opamp}");
    assert!(ready.is_served() && opamp.is_served());
    eventually("they are ended", ENDED, || {
        let alive = on_agents.alive() + on_people.alive();
        async move { (alive == 0).then_some(()) }
    })
    .await;
    Ok(())
}
