//! Ten thousand connections that lie idle on the control plane's listeners.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use e2e::attack::{HALF_A_PREFACE, Honest, Idle};
use e2e::control_plane::ControlPlane;
use e2e::opamp::{connect, enrolled, greet};
use e2e::{eventually, http};

use super::ENDED;

/// Addresses, and connections of each on each of both listeners: ten thousand in all. A listener has 4,096 places, and gives one
/// address no more than 512 of the last 1,229. So two addresses take all that they ask for, and the others what is their share;
/// from nine addresses on, whoever has them takes all there is until the time for a head is over, which no bound by address prevents.
const EACH: (u8, usize) = (5, 1_000);
const ALL: usize = 2 * 5 * 1_000;
/// Places of a listener.
const PLACES: usize = 4_096;
/// A whole request, whose connection stays open, and half of one.
const SAID: [&[u8]; 2] = [b"GET /nothing HTTP/1.1\r\nHost: phoenix\r\n\r\n", HALF_A_PREFACE];

/// Connections of both listeners that were turned away or ended, for one of these reasons.
async fn refused(to: SocketAddr, reasons: &[&str]) -> Result<usize> {
    let (status, text) = http::get(to, "/metrics").await?;
    ensure!(status == 200, "{status} {text}");
    let counters = text.lines().filter(|line| line.starts_with("phoenix_refused_connections_total{"));
    let of_reason = |line: &&str| reasons.iter().any(|reason| line.contains(&format!("reason=\"{reason}\"")));
    let count = |line: &str| line.rsplit(' ').next().context("a count")?.parse::<f64>().context("a count");
    let counts: Result<Vec<f64>> = counters.filter(of_reason).map(count).collect();
    Ok(counts?.iter().sum::<f64>() as usize)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_are_bounded_and_ended_and_keep_nobody_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let (uid, credential) = enrolled(&control_plane).await?;
    let at = control_plane.listening;
    let (on_people, on_agents) =
        tokio::join!(Idle::begin(at.rest, EACH, SAID), Idle::begin(at.fleet, EACH, SAID));
    let open = || on_people.open() + on_agents.open();
    let mut honest = Honest::default();
    let ask = async |honest: Honest| {
        let ready = Honest::ask(10, || async {
            let (status, body) = http::get(at.rest, "/ready").await?;
            ensure!(status == 200, "{status} {body}");
            Ok(())
        });
        let people = Honest::ask(10, || async {
            let (status, body) = control_plane.call("GET", "/api/v1/auth/me", None).await?;
            ensure!(status == 200, "{status} {body}");
            Ok(())
        });
        let agents = Honest::ask(10, || async {
            greet(&mut connect(at.fleet, &credential).await?, uid).await?;
            Ok(())
        });
        honest.and(ready.await).and(people.await).and(agents.await)
    };
    // Those for which there is no room are turned away.
    eventually("the bound holds", ENDED, || async { (open() <= 2 * PLACES).then_some(()) }).await;
    honest = ask(honest).await;
    let turned_away = refused(at.rest, &["peer", "full"]).await?;
    let first = open();
    // On a slow machine some are ended by their times before the last ones come, and leave them room.
    assert!(turned_away > 0, "some are turned away");
    // All others are ended by their times, the last after the time between two requests.
    let begun = std::time::Instant::now();
    while open() > 0 {
        honest = ask(honest).await;
        assert!(begun.elapsed() < ENDED, "{} are open still", open());
    }
    let ended = refused(at.rest, &["head", "idle"]).await?;
    eprintln!(
        "10,000 idle connections: {turned_away} turned away, {first} open then, {ended} ended by their times; {honest}"
    );
    let turned_away = refused(at.rest, &["peer", "full"]).await?;
    assert!(turned_away + ended >= ALL, "each was turned away or ended: {turned_away} and {ended}");
    assert!(ended > 0 && honest.is_served(), "{honest}");
    Ok(())
}
