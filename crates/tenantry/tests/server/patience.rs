//! Slow clients (case 59): each way of being slow has its deadline. The deadlines not under test are
//! an hour, so that only the one under test can end the connection: without it the test hangs until
//! it fails. Tried so for the head on a kept connection and for writing.

use crate::support::{LONG, Running, statuses};
use std::time::Duration;
use tenantry_http::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{interval, timeout};

const HOUR: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(150);

fn endless() -> Limits {
    Limits {
        head_deadline: HOUR,
        body_deadline: HOUR,
        write_deadline: HOUR,
        idle_deadline: HOUR,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_drips_its_head_is_cut_off() {
    let server = Running::start(Limits { head_deadline: SHORT, ..endless() }).await;
    assert_eq!(server.exchange(b"").await, "");
    // A prefix of HTTP/2's preface leaves the version open.
    assert_eq!(server.exchange(b"PRI * HT").await, "");
    let (mut read, mut write) = server.connect().await.0.into_split();
    let drip = tokio::spawn(async move {
        let mut pace = interval(SHORT / 10);
        write.write_all(b"GET /livez HTTP/1.1\r\nx: ").await?;
        loop {
            pace.tick().await;
            write.write_all(b"x").await?;
        }
        #[expect(unreachable_code, reason = "gives the task its type")]
        Ok::<(), std::io::Error>(())
    });
    let mut all = Vec::new();
    let _ = timeout(LONG, read.read_to_end(&mut all)).await.expect("cut off");
    assert!(all.is_empty());
    drip.abort();
}

#[tokio::test]
async fn a_head_that_begins_on_a_kept_connection_has_its_own_deadline() {
    let server = Running::start(Limits { head_deadline: SHORT, ..endless() }).await;
    let mut wire = server.connect().await;
    for _ in 0..3 {
        wire.send(server.verify()).await;
        assert!(wire.reply().await.contains(r#""code":"VALID""#));
    }
    wire.send("GET /livez HTTP/1.1\r\n").await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_kept_connection_outlives_the_heads_deadline_but_not_the_idle_one() {
    let limits = Limits { head_deadline: SHORT, idle_deadline: SHORT * 5, ..endless() };
    let server = Running::start(limits).await;
    let mut wire = server.connect().await;
    wire.send(server.verify()).await;
    wire.reply().await;
    assert!(timeout(SHORT * 3, wire.0.readable()).await.is_err(), "closed while it may idle");
    wire.send(server.verify()).await;
    assert_eq!(statuses(&wire.reply().await), [200]);
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408_and_the_connections_end() {
    let server = Running::start(Limits { body_deadline: SHORT, ..endless() }).await;
    let whole = server.verify();
    let reply = server.exchange(&whole.as_bytes()[..whole.len() - 1]).await;
    assert_eq!(statuses(&reply), [408], "{reply}");
    assert!(reply.contains("body_timeout"), "{reply}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Running::start(Limits { write_deadline: SHORT, ..endless() }).await;
    let (read, mut write) = server.connect().await.0.into_split();
    let request = server.verify();
    // Ends when the server, whose replies are not taken, takes no more requests and hangs up.
    let flood = async { while write.write_all(request.as_bytes()).await.is_ok() {} };
    timeout(LONG, flood).await.expect("cut off");
    drop(read);
}
