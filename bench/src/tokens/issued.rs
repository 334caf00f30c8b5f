//! Tokens to ask about: got one after another over a few connections, their texts kept.

use crate::requests::Requests;
use crate::{Outcome, reply};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

const CONNECTIONS: u64 = 16;

/// `count` tokens of a server.
pub(super) fn get(
    address: SocketAddr,
    mut requests: Requests<'_>,
    count: u64,
) -> Outcome<Vec<String>> {
    let mut request = Vec::new();
    requests.write_next(&mut request);
    let request = &request;
    thread::scope(|scope| {
        let shares = (0..CONNECTIONS).map(|index| {
            let share = count / CONNECTIONS + u64::from(index < count % CONNECTIONS);
            scope.spawn(move || get_share(address, request, share))
        });
        let shares: Vec<_> = shares.collect();
        let mut tokens = Vec::new();
        for share in shares {
            tokens.extend(share.join().map_err(|_| "a thread that gets tokens panicked")??);
        }
        Ok(tokens)
    })
}

fn get_share(address: SocketAddr, request: &[u8], count: u64) -> Outcome<Vec<String>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut tokens, mut bytes, mut block) = (Vec::new(), Vec::new(), [0; 8192]);
    for _ in 0..count {
        stream.write_all(request)?;
        bytes.clear();
        let reply = loop {
            if let Some(reply) = reply::parse(&bytes).map_err(|_| "a reply that is none")? {
                break reply;
            }
            match stream.read(&mut block)? {
                0 => return Err("a reply that breaks off".into()),
                count => bytes.extend_from_slice(&block[..count]),
            }
        };
        tokens.push(token(&bytes[reply.body..reply.end]).ok_or("a reply without a token")?);
    }
    Ok(tokens)
}

fn token(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["access_token"].as_str().map(str::to_owned)
}
