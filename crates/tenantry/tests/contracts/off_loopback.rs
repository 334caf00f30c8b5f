//! Off loopback nothing is served in clear unless the operator says what is in front (case 101).

use crate::support::Installation;

#[test]
fn case_101_serve_says_what_to_set_and_does_not_start() {
    let installation = Installation::new();
    for (options, words) in [
        (&[][..], &["--tls-cert", "--plaintext-behind-proxy", "loopback"][..]),
        (&["--tls-cert", "cert.pem"], &["--tls-key"]),
        (&["--plaintext-behind-proxy"], &["--trusted-proxy"]),
        (&["--plaintext-behind-proxy", "--trusted-proxy", "::/0"], &["everybody"]),
        (&["--tls-cert", "cert.pem", "--tls-key", "key.pem"], &["could not read", "key.pem"]),
    ] {
        let outcome = installation.run(&[&["serve", "--listen", "0.0.0.0:0"], options].concat());
        assert_eq!(outcome.code, Some(1), "{options:?}: {}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "{options:?}: {}", outcome.stderr);
        }
    }
    assert!(!installation.data().exists(), "a refused start made a data directory");
}

#[test]
fn behind_a_proxy_this_machine_is_served_off_loopback_too() {
    let installation = Installation::new();
    let trusted = ["--plaintext-behind-proxy", "--trusted-proxy", "192.0.2.0/24"];
    let mut server = installation.serve(&[&["--listen", "0.0.0.0:0"], &trusted[..]].concat());
    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    let reply = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).map(|mut stream| {
        use std::io::{Read as _, Write as _};
        let request = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        reply
    });
    assert!(reply.expect("a connection").starts_with("HTTP/1.1 200"));
    assert_eq!(server.end().status.code(), Some(0));
}
