//! Slow clients: those that send a head or a body by a byte a second, those that send nothing, and
//! those that ask and do not read.

use super::{Stop, monotonic};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Rounds over all clients a second have this length: each client sends a byte in one.
const ROUND: Duration = Duration::from_secs(1);
/// Parts of a round, so that clients do not all wake the server in the same moment.
const PARTS: usize = 100;
/// What a client that does not read has room for, in bytes. The system doubles it.
const UNREAD_BYTES: usize = 2048;
/// Requests of a client that does not read. Their replies, of 15 kB each, fill what the system takes
/// off the server's hands.
const UNREAD_REQUESTS: usize = 200;
/// One client in so many does not read: they ask much before they stall, so that many of them would
/// be a load like any other.
const UNREAD_EVERY: usize = 20;

/// What a client does.
enum Kind {
    /// A head by a byte a second.
    Head,
    /// A body by a byte a second.
    Body,
    /// Nothing.
    Silent,
    /// Asks and does not read.
    Unread,
}

impl Kind {
    /// Kinds take turns.
    fn of(number: usize) -> Self {
        match (number % UNREAD_EVERY, number % 3) {
            (0, _) => Self::Unread,
            (_, 0) => Self::Head,
            (_, 1) => Self::Body,
            _ => Self::Silent,
        }
    }
}

struct Slow {
    stream: TcpStream,
    /// What is sent at once.
    first: Vec<u8>,
    written: usize,
}

/// How many clients there are, and how often one had to begin anew.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) connected: AtomicUsize,
    pub(crate) again: AtomicUsize,
}

impl Slow {
    /// The client of that number.
    fn connect(address: &str, key: &str, large: &str, number: usize) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let head =
            format!("POST /v1/keys/verify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n");
        let first = match Kind::of(number) {
            Kind::Head => head.into_bytes(),
            Kind::Body => format!("{head}content-length: 4000\r\n\r\n{{\"key\":\"").into_bytes(),
            Kind::Silent => Vec::new(),
            Kind::Unread => {
                set_socket_recv_buffer_size(&stream, UNREAD_BYTES)?;
                let request = format!(
                    "GET {large} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
                );
                request.repeat(UNREAD_REQUESTS).into_bytes()
            }
        };
        stream.set_nonblocking(true)?;
        Ok(Self { stream, first, written: 0 })
    }

    /// Sends on: what comes first as far as it goes, then a byte where this kind sends any.
    fn send(&mut self, number: usize) -> std::io::Result<()> {
        let rest = &self.first[self.written..];
        let next: &[u8] = match (rest.is_empty(), Kind::of(number)) {
            (false, _) => rest,
            (true, Kind::Silent) => return self.is_open(),
            (true, Kind::Head | Kind::Body | Kind::Unread) => b"x",
        };
        match self.stream.write(next) {
            Ok(count) => self.written = (self.written + count).min(self.first.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn is_open(&self) -> std::io::Result<()> {
        match self.stream.peek(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            // A refusal for its time is up, or the end.
            Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Keeps so many slow clients up until it is told to stop. All have `key`; at the path `large` there is
/// something long.
pub(crate) fn keep_up(
    address: &str,
    [key, large]: [&str; 2],
    clients: usize,
    crowd: &Crowd,
    stop: &AtomicBool,
) {
    let _stop = Stop(stop);
    let mut all: Vec<Option<Slow>> = (0..clients).map(|_| None).collect();
    let share = clients.div_ceil(PARTS).max(1);
    while !stop.load(Ordering::Relaxed) {
        for (part, places) in all.chunks_mut(share).enumerate() {
            let started = monotonic();
            for (index, place) in places.iter_mut().enumerate() {
                let number = part * share + index;
                if place.as_mut().is_some_and(|slow| slow.send(number).is_err()) {
                    *place = None;
                    crowd.connected.fetch_sub(1, Ordering::Relaxed);
                    crowd.again.fetch_add(1, Ordering::Relaxed);
                }
                if place.is_none()
                    && let Ok(slow) = Slow::connect(address, key, large, number)
                {
                    *place = Some(slow);
                    crowd.connected.fetch_add(1, Ordering::Relaxed);
                }
            }
            let spent = super::since(started);
            std::thread::sleep((ROUND / 100).saturating_sub(spent));
        }
    }
}
