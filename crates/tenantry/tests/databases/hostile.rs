//! Servers that mean harm (case 74): each is cut off within its caps, and nothing of what it says is
//! repeated.

use crate::hosts::names;
use crate::support::{Customer, May, sites};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_backends::tenant::servers::TenantServers;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::database::{Access, DatabaseServers as _, Refused};
use tenantry_core::dialling::{DialRules, NamedBy};

const PASSWORD: &str = "canary-password";
/// Text that is to be found nowhere.
const TEXT: &str = "\u{1b}[31mcanary-text<script>";
/// How long anything may take here: a connection and a statement.
const DEADLINE: Duration = Duration::from_millis(400);

fn servers(plaintext: bool) -> TenantServers {
    let loopback = || vec!["127.0.0.0/8".parse().expect("a network")];
    let settings = DialSettings {
        rules: DialRules { allowed: loopback() },
        plaintext: if plaintext { loopback() } else { Vec::new() },
        connect_deadline: DEADLINE,
        statement_deadline: DEADLINE,
        ..DialSettings::default()
    };
    TenantServers::new(settings).expect("servers")
}

fn at<'a>(port: u16, user: &'a str, password: &'a str) -> Access<'a> {
    Access { host: "127.0.0.1", port, user, password, named_by: NamedBy::Customer }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn notice() -> Vec<u8> {
    message(b'N', format!("SNOTICE\0C00000\0M{TEXT}\0\0").as_bytes())
}

/// A server that answers whatever it is sent with `answer`, over and over if it is `endless`. Gives its
/// port, and what it was sent.
fn hostile(answer: Vec<u8>, endless: bool) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let heard = sent.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, heard) = (answer.clone(), heard.clone());
            std::thread::spawn(move || {
                serve(stream.expect("a connection"), &answer, endless, &heard);
            });
        }
    });
    (port, sent)
}

fn serve(mut stream: TcpStream, answer: &[u8], endless: bool, heard: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(read) = stream.read(&mut bytes) {
        if read == 0 {
            return;
        }
        heard.lock().expect("no panic").extend_from_slice(&bytes[..read]);
        loop {
            if stream.write_all(answer).is_err() {
                return;
            }
            if !endless {
                break;
            }
        }
    }
}

async fn looked_at(servers: &TenantServers, at: Access<'_>, what: &str) {
    let began = SystemClock.now();
    let outcome = servers.look(at, &names()).await;
    let error = outcome.expect_err(what);
    assert!(SystemClock.now() < began.plus(8 * DEADLINE), "{what}");
    let told = format!("{error:?} {}", error.word());
    assert!(!told.contains("canary"), "{what}: {told}");
}

#[tokio::test]
async fn case_74_before_the_login_there_is_little_that_a_server_may_say() {
    let authentication =
        |code: u32, rest: &[u8]| message(b'R', &[&code.to_be_bytes()[..], rest].concat());
    let error = format!("SFATAL\0C28P01\0M{TEXT} {PASSWORD}\0\0");
    let huge = [&b"E"[..], &(1_u32 << 30).to_be_bytes(), &[b'x'; 4096]].concat();
    let trust = [authentication(0, b""), message(b'Z', b"I")].concat();
    for (what, answer, endless) in [
        ("silence", Vec::new(), false),
        ("another protocol", b"HTTP/1.1 200 OK\r\n\r\ncanary".to_vec(), false),
        ("a gigabyte", huge, true),
        ("notices without end", notice(), true),
        ("cleartext", authentication(3, b""), false),
        ("MD5", authentication(5, b"salt"), false),
        ("no password", trust, false),
        ("an error with text", message(b'E', error.as_bytes()), false),
        ("an unknown mechanism", authentication(10, b"PLAIN\0\0"), false),
    ] {
        let (port, sent) = hostile(answer, endless);
        looked_at(&servers(true), at(port, "u", PASSWORD), what).await;
        let sent = sent.lock().expect("no panic");
        let told = sent.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        assert!(!told, "{what}: the password was sent");
        // Nothing but the first message, which names user and database: no answer to what was asked.
        let first = sent.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
        assert_eq!(sent.len(), usize::try_from(first).expect("short"), "{what}");
    }
    // Where TLS is asked for, one that has none, or whose certificate nobody signed.
    for answer in ["N", "S"] {
        let (port, _) = hostile(answer.into(), false);
        looked_at(&servers(false), at(port, "u", PASSWORD), answer).await;
    }
}

/// Between a client and a real server: passes the login through, and then answers by itself.
fn turncoat(real: u16, answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, answer) = (client.expect("a connection"), answer.clone());
            std::thread::spawn(move || turn(client, real, &answer));
        }
    });
    port
}

fn turn(mut client: TcpStream, real: u16, answer: &[u8]) {
    let server = TcpStream::connect(("127.0.0.1", real)).expect("the real one");
    let mut up = (client.try_clone().expect("it"), server.try_clone().expect("it"));
    std::thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
    let mut server = std::io::BufReader::new(server);
    // Until it is ready for the first query.
    loop {
        let mut head = [0; 5];
        if server.read_exact(&mut head).is_err() {
            return;
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length - 4).expect("short")];
        if server.read_exact(&mut body).is_err() || client.write_all(&head).is_err() {
            return;
        }
        if client.write_all(&body).is_err() {
            return;
        }
        if head[0] == b'Z' {
            break;
        }
    }
    if answer.is_empty() {
        // Says nothing, and stays.
        let _ = client.read(&mut [0; 1 << 12]);
        std::thread::park_timeout(10 * DEADLINE);
        return;
    }
    while client.write_all(answer).is_ok() {}
}

#[tokio::test]
async fn case_74_after_the_login_rows_messages_and_notices_have_an_end() {
    let Some(site) = sites().into_iter().next() else { return };
    let customer = Customer::new(site, May::MakeBoth);
    let row = message(
        b'D',
        &[&1_u16.to_be_bytes()[..], &(1_u32 << 20).to_be_bytes(), &vec![b'x'; 1 << 20]].concat(),
    );
    let huge = [&b"D"[..], &(1_u32 << 30).to_be_bytes(), &[b'x'; 4096]].concat();
    for (what, answer) in [
        ("rows without end", row),
        ("a gigabyte", huge),
        ("notices without end", notice().repeat(100)),
        ("silence", Vec::new()),
    ] {
        let port = turncoat(site.port(), answer);
        let at = at(port, &customer.user, &customer.password);
        looked_at(&servers(true), at, what).await;
    }
    // The same way, with a server that means well.
    let good = at(site.port(), &customer.user, &customer.password);
    let patient = TenantServers::new(DialSettings {
        rules: DialRules { allowed: vec!["127.0.0.0/8".parse().expect("a network")] },
        plaintext: vec!["127.0.0.0/8".parse().expect("a network")],
        ..DialSettings::default()
    });
    let seen = patient.expect("servers").look(good, &names()).await;
    assert!(seen.is_ok_and(|seen| seen.may_make_roles && seen.existing.is_none()));
    let wrong = at(site.port(), &customer.user, "wrong");
    let refused = servers(true).look(wrong, &names()).await;
    assert!(matches!(refused, Err(Refused::Login)), "{refused:?}");
}
