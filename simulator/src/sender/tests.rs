//! Sender and sink over a real socket: whatever fails, the two accounts agree.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::*;
use crate::profile::{Host, Profile, Role};
use crate::sink::{Failure, Sink, SinkCounts, When};

/// Points of one scrape of [`host`].
const SCRAPE: u64 = 50 * 7;

fn host() -> Host {
    Host::new(Profile::HighChurn, Role::Web, "web-1", 50, 1)
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// As many scrapes as given at full speed, with retries quick enough for a test.
fn config(endpoint: String, requests: u64) -> SenderConfig {
    SenderConfig {
        pace: Pace::FullSpeed,
        max_requests: Some(requests),
        retry: RetryPolicy {
            initial: Duration::from_millis(2),
            max: Duration::from_millis(20),
            max_elapsed: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(10),
            ..RetryPolicy::default()
        },
        ..SenderConfig::to(endpoint)
    }
}

async fn until(condition: impl Fn() -> bool) {
    let polled = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), polled).await.unwrap();
}

async fn run(config: SenderConfig) -> SenderCounts {
    let (_stop, stopping) = watch::channel(false);
    let counts = Sender::new(config).unwrap().run(&mut host(), stopping).await.unwrap();
    assert_eq!(counts.in_flight(), 0, "{counts:?}");
    counts
}

/// Ten scrapes into a sink that fails as told.
async fn ten_against(
    failure: Failure,
    when: When,
    adjust: impl FnOnce(&mut SenderConfig),
) -> (SenderCounts, SinkCounts) {
    let sink = Sink::bind(loopback()).await.unwrap();
    sink.inject(failure, when);
    let mut config = config(sink.endpoint(), 10);
    adjust(&mut config);
    (run(config).await, sink.stop().await)
}

#[tokio::test]
async fn without_failures_every_point_is_acknowledged_and_arrives_once() {
    for gzip in [false, true] {
        let sink = Sink::bind(loopback()).await.unwrap();
        let sent = run(SenderConfig { gzip, ..config(sink.endpoint(), 20) }).await;
        let arrived = sink.stop().await;
        assert_eq!(sent.scraped, 20 * SCRAPE);
        assert_eq!((sent.acknowledged, sent.sent), (sent.scraped, sent.scraped));
        assert_eq!((sent.attempts, sent.retries), (20, 0));
        assert_eq!((arrived.points, arrived.distinct_points), (sent.acknowledged, sent.acknowledged));
        assert_eq!((arrived.duplicate_points, arrived.exact), (0, true));
        assert_eq!(arrived.origins[0].counts.bytes, sent.bytes);
    }
}

#[tokio::test]
async fn refusals_that_may_be_retried_cost_attempts_but_neither_points_nor_doubles() {
    let retry_after = Some(Duration::from_millis(1));
    for failure in [Failure::Unavailable, Failure::ResourceExhausted { retry_after }] {
        let (sent, arrived) = ten_against(failure, When::Fraction(0.4), |_| {}).await;
        assert_eq!((sent.acknowledged, arrived.points), (10 * SCRAPE, 10 * SCRAPE));
        assert_eq!((sent.retries, arrived.failed_requests), (6, 6), "two fifths of 16 attempts");
        assert_eq!((arrived.duplicate_points, sent.maybe_doubled, sent.ambiguous_attempts), (0, 0, 0));
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated_and_its_points_are_refused() {
    let bare = Failure::ResourceExhausted { retry_after: None };
    for (failure, code) in [(bare, "ResourceExhausted"), (Failure::InvalidArgument, "InvalidArgument")] {
        let (sent, arrived) = ten_against(failure, When::Next(3), |_| {}).await;
        assert_eq!((sent.refused, sent.acknowledged), (3 * SCRAPE, 7 * SCRAPE));
        assert_eq!((sent.attempts, sent.failures[code]), (10, 3));
        assert_eq!((arrived.points, arrived.failed_requests), (7 * SCRAPE, 3));
    }
}

#[tokio::test]
async fn retry_info_is_waited_for_even_beyond_the_longest_backoff() {
    let retry_after = Some(Duration::from_millis(150));
    let start = Instant::now();
    let (sent, _) = ten_against(Failure::ResourceExhausted { retry_after }, When::Next(2), |_| {}).await;
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!((sent.acknowledged, sent.retries), (10 * SCRAPE, 2));
}

fn impatient(config: &mut SenderConfig) {
    config.retry.attempt_timeout = Duration::from_millis(300);
}

#[tokio::test]
async fn a_point_acknowledged_after_silence_is_maybe_doubled_and_was_doubled_only_if_the_sink_had_taken_it() {
    for (failure, doubled) in [(Failure::Stall, 0), (Failure::AcceptThenStall, SCRAPE)] {
        let (sent, arrived) = ten_against(failure, When::Next(1), impatient).await;
        assert_eq!((sent.acknowledged, sent.ambiguous_attempts), (10 * SCRAPE, 1));
        assert_eq!((sent.maybe_doubled, arrived.duplicate_points), (SCRAPE, doubled), "{failure:?}");
        assert_eq!(arrived.distinct_points, sent.acknowledged);
        assert_eq!(sent.failures["timeout"], 1);
    }
}

#[tokio::test]
async fn points_given_up_after_silence_are_ambiguous_never_refused() {
    let (sent, arrived) = ten_against(Failure::AcceptThenStall, When::Next(1), |config| {
        impatient(config);
        config.retry.max_elapsed = Duration::ZERO;
    })
    .await;
    assert_eq!((sent.ambiguous, sent.refused, sent.acknowledged), (SCRAPE, 0, 9 * SCRAPE));
    assert_eq!(arrived.points, 10 * SCRAPE, "it had arrived after all, which the sender cannot know");
}

#[tokio::test]
async fn without_a_listener_nothing_is_sent_and_everything_is_refused() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let endpoint = sink.endpoint();
    sink.stop().await;
    let mut config = config(endpoint, 3);
    config.retry.max_elapsed = Duration::from_millis(10);
    let sent = run(config).await;
    assert_eq!((sent.refused, sent.sent, sent.ambiguous), (3 * SCRAPE, 0, 0), "{sent:?}");
    assert_eq!(sent.failures["connect"], sent.attempts);
}

#[tokio::test]
async fn a_connection_cut_before_the_answer_leaves_the_points_ambiguous() {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let cutter = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            // The whole scrape is larger than this: the request has begun when the connection is cut.
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut buffer).await.unwrap();
        }
    });
    let mut config = config(endpoint, 1);
    config.retry.max_elapsed = Duration::from_millis(5);
    let sent = run(config).await;
    cutter.abort();
    assert_eq!((sent.ambiguous, sent.refused, sent.sent), (SCRAPE, 0, SCRAPE), "{sent:?}");
    assert_eq!(sent.failures["transport"], sent.attempts);
}

/// A sink on a port that a client may hold for a moment: one that connects to a port nobody listens on can be given that
/// very port as its own.
async fn bound_again(addr: SocketAddr) -> Sink {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Sink::bind(addr).await {
            Ok(sink) => return sink,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_restarted_receiver_gets_the_rest_and_the_accounts_still_agree() {
    let first = Sink::bind(loopback()).await.unwrap();
    let (addr, endpoint) = (first.addr, first.endpoint());
    let (_stop, stopping) = watch::channel(false);
    let mut sender = Sender::new(config(endpoint, 400)).unwrap();
    let counts = sender.counts();
    let running = tokio::spawn(async move { sender.run(&mut host(), stopping).await.unwrap() });
    until(|| counts.snapshot().acknowledged >= 20 * SCRAPE).await;
    let before = first.stop().await;
    let second = bound_again(addr).await;
    let sent = running.await.unwrap();
    let after = second.stop().await;
    assert!(before.points > 0 && after.points > 0);
    assert_eq!((sent.scraped, sent.acknowledged), (400 * SCRAPE, 400 * SCRAPE), "{sent:?}");
    let surplus = before.points + after.points - sent.acknowledged;
    assert!(surplus <= sent.maybe_doubled, "{surplus} doubled, {} admitted", sent.maybe_doubled);
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_retry_and_accounts_for_the_request() {
    let sink = Sink::bind(loopback()).await.unwrap();
    sink.inject(Failure::Unavailable, When::Fraction(1.0));
    let mut config = config(sink.endpoint(), 10);
    config.retry.initial = Duration::from_secs(600);
    config.retry.max = Duration::from_secs(600);
    config.retry.max_elapsed = Duration::from_secs(6_000);
    let (stop, stopping) = watch::channel(false);
    let mut sender = Sender::new(config).unwrap();
    let counts = sender.counts();
    let running = tokio::spawn(async move { sender.run(&mut host(), stopping).await.unwrap() });
    until(|| counts.snapshot().attempts > 0).await;
    stop.send_replace(true);
    let sent = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    assert_eq!((sent.scraped, sent.refused, sent.in_flight()), (SCRAPE, SCRAPE, 0));
}

#[tokio::test]
async fn scrapes_that_fall_due_during_a_slow_delivery_are_missed_and_counted() {
    let (sent, arrived) =
        ten_against(Failure::Delay(Duration::from_millis(30)), When::Fraction(1.0), |config| {
            config.pace = Pace::Every(Duration::from_millis(5));
        })
        .await;
    assert_eq!((sent.scrapes, arrived.points), (10, 10 * SCRAPE));
    assert!(sent.missed_scrapes >= 9 * 5, "{} missed", sent.missed_scrapes);
}

#[tokio::test]
async fn a_duration_bounds_a_run_even_against_a_dead_endpoint() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let endpoint = sink.endpoint();
    sink.stop().await;
    let config = SenderConfig {
        max_requests: None,
        max_duration: Some(Duration::from_millis(100)),
        pace: Pace::Every(Duration::from_millis(10)),
        ..SenderConfig::to(endpoint)
    };
    let sent = tokio::time::timeout(Duration::from_secs(10), run(config)).await.unwrap();
    assert_eq!(sent.refused, sent.scraped);
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let unbounded = SenderConfig { pace: Pace::FullSpeed, ..SenderConfig::to("http://127.0.0.1:1") };
    assert!(matches!(Sender::new(unbounded), Err(SenderError::Unbounded)));
    let error = Sender::new(SenderConfig::to("not a url")).unwrap_err().to_string();
    assert!(error.contains("\"not a url\"") && error.contains("http://127.0.0.1:4317"), "{error}");
}
