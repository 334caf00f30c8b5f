//! An issuer of admin JWTs: a server on loopback that publishes documents, and its keys.

use super::ClientKeyPair;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) const KEYS: &str = "/keys";
pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The body of a new realm that nothing is ever asked of.
pub(crate) fn realm_body(name: &str) -> Value {
    json!({ "name": name, "issuer": format!("https://id.example.com/{name}"), "audience": "tenantry" })
}

/// What is answered at a path.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, as they are.
    Raw(Vec<u8>),
    /// One byte, and then nothing for as long as the other side waits.
    Drip,
}

/// A server of documents.
pub(crate) struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

impl Issuer {
    /// An issuer whose discovery document names a set of these keys.
    pub(crate) fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        let issuer = Self { address, shared };
        let url = issuer.url();
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}{KEYS}") });
        issuer.publish(DISCOVERY, &discovery);
        issuer.publish_keys(keys);
        issuer
    }

    /// Its `iss`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn publish_keys(&self, keys: &[Value]) {
        self.publish(KEYS, &json!({ "keys": keys }));
    }

    pub(crate) fn publish(&self, path: &str, document: &Value) {
        self.answer(path, "200 OK", "", document.to_string().as_bytes());
    }

    /// Answers with this from now on.
    pub(crate) fn answer(&self, path: &str, status: &str, headers: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.set(path, Answer::Raw([head.as_bytes(), body].concat()));
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().expect("no panic").insert(path.to_owned(), answer);
    }

    /// The paths that were asked for since this was last asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().expect("no panic"))
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = self.answers.lock().expect("no panic").get(&path).cloned();
        self.asked.lock().expect("no panic").push(path);
        match answer {
            Some(Answer::Raw(bytes)) => {
                // Who is asked for too much may be left in the middle of it.
                let _ = stream.write_all(&bytes);
            }
            Some(Answer::Drip) => {
                let _ = stream.write_all(b"H");
                // Until the other side gives up.
                let _ = stream.read(&mut buffer);
            }
            None => {
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            }
        }
    }
}

/// A key of an issuer, with its `kid`.
pub(crate) struct IssuerKey {
    pub(crate) pair: ClientKeyPair,
    pub(crate) kid: &'static str,
}

impl IssuerKey {
    pub(crate) fn new(algorithm: &str, kid: &'static str) -> Self {
        Self { pair: ClientKeyPair::of(algorithm), kid }
    }

    /// As it is published.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.pair.jwk();
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.pair.algorithm().into();
        jwk
    }

    /// A JWT of these claims.
    pub(crate) fn jwt(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.pair.algorithm(), "typ": "JWT", "kid": self.kid });
        self.pair.jwt(&header, claims)
    }
}
