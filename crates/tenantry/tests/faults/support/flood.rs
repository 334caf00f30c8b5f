//! Garbage as fast as one thread can push it: distinct, well-formed keys that nobody has.

use super::{monotonic, since};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// Connections of the flood.
const CONNECTIONS: usize = 32;
/// Requests that are written at once to one connection.
const BATCH: usize = 4;
/// Digits of a key that are counted up.
const DIGITS: usize = 32;

/// Who presents the garbage, and to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Garbage {
    /// A stranger, as a bearer key.
    Bearers,
    /// The holder of a key, who asks about keys that strangers presented to them.
    Questions,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Flooded {
    /// Requests that were sent whole.
    pub(crate) pushed: u64,
    /// Replies to them, 429 or any other.
    pub(crate) answered: u64,
    /// Connections that the server ended.
    pub(crate) ended: u64,
}

/// Some requests, whose keys are counted up in place.
struct Requests {
    bytes: Vec<u8>,
    /// Where each key's digits begin.
    keys: Vec<usize>,
}

impl Requests {
    fn new(garbage: Garbage, key: &str) -> Self {
        let zeros = "0".repeat(DIGITS);
        let request = match garbage {
            Garbage::Bearers => {
                format!(
                    "GET /v1/whoami HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sa-{zeros}\r\n\r\n"
                )
            }
            Garbage::Questions => {
                let body = format!(r#"{{"key":"sa-{zeros}"}}"#);
                format!(
                    "POST /v1/keys/verify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
        };
        let at = request.find(&zeros).expect("the digits");
        let keys = (0..BATCH).map(|index| index * request.len() + at).collect();
        Self { bytes: request.repeat(BATCH).into_bytes(), keys }
    }

    /// Gives every request the next key.
    fn renew(&mut self, next: &mut u128) {
        for &at in &self.keys {
            *next += 1;
            let mut rest = *next;
            for digit in self.bytes[at..at + DIGITS].iter_mut().rev() {
                *digit = b"0123456789abcdef"[(rest & 15) as usize];
                rest >>= 4;
            }
        }
    }
}

struct Pipe {
    stream: TcpStream,
    out: Requests,
    written: usize,
}

impl Pipe {
    fn open(address: &str, garbage: Garbage, key: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let out = Requests::new(garbage, key);
        Ok(Self { stream, written: out.bytes.len(), out })
    }

    fn is_midway(&self) -> bool {
        self.written < self.out.bytes.len()
    }

    /// Writes what the server takes.
    fn push(&mut self, next: &mut u128, flooded: &mut Flooded) -> std::io::Result<()> {
        if !self.is_midway() {
            self.out.renew(next);
            self.written = 0;
        }
        match self.stream.write(&self.out.bytes[self.written..]) {
            Ok(count) => {
                self.written += count;
                if !self.is_midway() {
                    flooded.pushed += BATCH as u64;
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads what there is, and counts replies by how they begin.
    fn drink(&mut self, buffer: &mut [u8], flooded: &mut Flooded) -> std::io::Result<()> {
        match self.stream.read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                // No head or body of ours has this letter: a word that is cut in two counts once.
                let begun = buffer[..count].split(|byte| *byte == b'H').count() - 1;
                flooded.answered += begun as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Pushes garbage, asked about by the holder of `key` where somebody asks, until it is told to stop. Keys go on from `next`, so that none comes twice.
pub(crate) fn flood(
    address: &str,
    garbage: Garbage,
    key: &str,
    next: &mut u128,
    rate: Option<u64>,
    stop: &AtomicBool,
) -> Flooded {
    let started = monotonic();
    let is_due = |pushed: u64| {
        rate.is_none_or(|rate| {
            u128::from(pushed) * 1_000_000 < since(started).as_micros() * u128::from(rate)
        })
    };
    let mut flooded = Flooded::default();
    let mut buffer = vec![0; 1 << 16];
    let open = || Pipe::open(address, garbage, key).ok();
    let mut pipes: Vec<Option<Pipe>> = (0..CONNECTIONS).map(|_| open()).collect();
    while !stop.load(Ordering::Relaxed) {
        for place in &mut pipes {
            let Some(pipe) = place else {
                *place = open();
                continue;
            };
            let mut done = pipe.drink(&mut buffer, &mut flooded);
            if pipe.is_midway() || is_due(flooded.pushed) {
                done = done.and_then(|()| pipe.push(next, &mut flooded));
            }
            if done.is_err() {
                flooded.ended += 1;
                *place = open();
            }
        }
    }
    flooded
}
