//! F10 and F11: a second process, and a process that runs out of descriptors or memory.

use crate::support::http::{self, Connection};
use crate::support::ledger;
use crate::support::site::Site;
use crate::support::writers::{create, read};
use crate::support::{monotonic, say, since, within};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

/// Seen failing with the lock on the data directory not taken.
#[test]
fn f10_a_second_process_on_the_same_directory_is_refused_within_a_second() {
    let folder = tempfile::tempdir().expect("a directory");
    let site = Site::new(folder.path());
    let server = site.start();
    let started = monotonic();
    let Err(status) = site.try_start() else { panic!("two servers on one directory") };
    let took = since(started);
    assert!(!status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
    assert!(site.last_log().contains("in use by another process"), "{}", site.last_log());
    assert_eq!(server.get("/readyz").expect("an answer").status, 200);
    say(&format!("F10: refused in {took:?}"));
}

/// Runs a server under `limits` of prlimit. Nothing where there is no prlimit.
fn limited(limits: &[&str]) -> Option<(tempfile::TempDir, Site)> {
    let found = std::process::Command::new("prlimit").arg("--version").output();
    if found.is_err() {
        say("left out: there is no prlimit");
        return None;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let mut site = Site::new(folder.path());
    site.through = ["prlimit"].iter().chain(limits).map(|&word| word.to_owned()).collect();
    Some((folder, site))
}

/// Seen failing with a failed accept that ends the accepting.
#[test]
fn f11_a_server_out_of_descriptors_serves_whom_it_has_and_recovers() {
    let Some((_folder, site)) = limited(&["--nofile=64:64"]) else { return };
    let mut server = site.start();
    let credentials = site.credentials();
    let mut connection = Connection::open(&server.address).expect("a connection");
    let created = create(&mut connection, &credentials, 0).expect("a reply");
    let entry = read(0, &created);
    // More connections than descriptors; the backlog takes the rest, or some of it.
    let address = server.address.parse().expect("an address");
    let patience = Duration::from_millis(20);
    let crowd: Vec<TcpStream> =
        (0..150).filter_map(|_| TcpStream::connect_timeout(&address, patience).ok()).collect();
    assert!(crowd.len() > 64);
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        let code = ledger::verdict(&mut connection, &credentials.master, &entry);
        assert_eq!(code.expect("a verdict"), "VALID");
    }
    let created = create(&mut connection, &credentials, 3).expect("a reply").status;
    assert!(server.ended().is_none());
    let count = crowd.len();
    drop(crowd);
    let recovered = within(Duration::from_secs(10), || {
        server.get("/readyz").is_ok_and(|reply| reply.status == 200)
    });
    assert!(recovered.is_some(), "no answer after the crowd has left");
    assert_eq!(created, 201, "a create on a connection that was there");
    let code = ledger::verdict(&mut connection, &credentials.master, &entry);
    assert_eq!(code.expect("a verdict"), "VALID");
    say(&format!("F11: 64 descriptors, {count} connections; recovered in {recovered:?}"));
}

/// Seen failing with the limit on the size of a body taken out.
#[test]
fn f11_a_server_short_of_memory_outlives_a_crowd_of_large_requests() {
    let Some((_folder, site)) = limited(&["--as=1073741824"]) else { return };
    let mut server = site.start();
    let credentials = site.credentials();
    // Bodies of a gigabyte are announced and the first 32 MiB of each sent: twice the memory that
    // there is, were they held.
    let block = vec![b'a'; 32 << 20];
    let mut crowd = Vec::new();
    for _ in 0..64 {
        let Ok(mut stream) = TcpStream::connect(&server.address) else { continue };
        let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
        let head = format!(
            "POST /v1/accounts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 1000000000\r\n\r\n",
            credentials.master
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&block));
        crowd.push(stream);
    }
    assert!(server.ended().is_none(), "{}", site.last_log());
    drop(crowd);
    let recovered = within(Duration::from_secs(10), || {
        http::once(&server.address, "GET", "/readyz", &[], "").is_ok_and(|r| r.status == 200)
    });
    assert!(recovered.is_some(), "no answer after the crowd has left");
    let mut connection = Connection::open(&server.address).expect("a connection");
    assert!(create(&mut connection, &credentials, 0).expect("a reply").status < 300);
    say(&format!("F11: 1 GiB of addresses, 64 large bodies; recovered in {recovered:?}"));
}
