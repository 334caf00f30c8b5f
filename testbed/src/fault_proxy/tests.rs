//! Each fault, before a server that sends back what it gets.

use super::*;
use std::io::BufReader;
use std::io::prelude::*;

/// Longest wait for what should come; what should not come is asked for after something else has.
const PATIENCE: Duration = Duration::from_secs(20);

fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
                while let Some(Ok(line)) = lines.next() {
                    if (&stream).write_all(format!("{line}\n").as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(proxy: &FaultProxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        Self(BufReader::new(stream))
    }

    fn send(&mut self, line: &str) {
        let _ = self.0.get_mut().write_all(format!("{line}\n").as_bytes());
    }

    /// What comes until a line or the connection ends.
    fn receive(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => line,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => line,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_cut_ends_what_is_open_and_a_refusal_what_comes() {
    let proxy = FaultProxy::start(Upstream::Tcp(echo()));
    let mut client = Client::connect(&proxy);
    client.send("one");
    assert_eq!(client.receive(), "one\n");
    proxy.set(Fault::Refuse);
    assert_eq!(Client::connect(&proxy).receive(), "");
    client.send("two");
    assert_eq!(client.receive(), "two\n", "what was open goes on");
    proxy.cut();
    assert_eq!(client.receive(), "");
    proxy.set(Fault::None);
    let mut client = Client::connect(&proxy);
    client.send("three");
    assert_eq!(client.receive(), "three\n");
}

#[test]
fn a_half_open_connection_is_silent_until_it_is_healed() {
    let proxy = FaultProxy::start(Upstream::Tcp(echo()));
    let mut client = Client::connect(&proxy);
    client.send("one");
    assert_eq!(client.receive(), "one\n");
    proxy.set(Fault::HalfOpen);
    client.send("two");
    client.0.get_ref().set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let silent = client.0.read_line(&mut String::new()).expect_err("nothing comes");
    assert_eq!(silent.kind(), io::ErrorKind::WouldBlock);
    client.0.get_ref().set_read_timeout(Some(PATIENCE)).expect("set");
    proxy.set(Fault::None);
    assert_eq!(client.receive(), "two\n");
}

#[test]
fn a_reply_is_cut_after_its_bytes_and_only_that_of_its_request() {
    let proxy = FaultProxy::start(Upstream::Tcp(echo()));
    for (bytes, expected) in [(0, ""), (3, "COM")] {
        let mut client = Client::connect(&proxy);
        proxy.cut_reply_to(b"COMMIT", bytes);
        client.send("begin");
        assert_eq!(client.receive(), "begin\n");
        client.send("COMMIT");
        assert_eq!(client.receive(), expected);
        let mut next = Client::connect(&proxy);
        next.send("COMMIT");
        assert_eq!(next.receive(), "COMMIT\n", "only one is cut");
    }
    assert_eq!(proxy.replies_cut(), 2);
}

#[test]
fn a_delay_is_at_least_what_was_asked_for() {
    use tenantry_core::clock::{Clock as _, SystemClock};
    let proxy = FaultProxy::start(Upstream::Tcp(echo()));
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let mut client = Client::connect(&proxy);
    let began = SystemClock.monotonic();
    client.send("one");
    assert_eq!(client.receive(), "one\n");
    assert!(
        SystemClock.monotonic().saturating_sub(began) >= Duration::from_millis(100),
        "both ways"
    );
}
