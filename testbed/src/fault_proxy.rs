//! A TCP proxy that fails as networks do, when it is told to.
//!
//! It delays, falls silent without closing anything, refuses, cuts what is open, and cuts a connection
//! after so many bytes of the reply to one request: an answer that was given and never arrived.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where connections lead to.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A server's socket.
    Unix(PathBuf),
    /// A server's address.
    Tcp(SocketAddr),
}

/// What happens to bytes, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    #[default]
    None,
    /// Each arrives this much later.
    Delay(Duration),
    /// Connections are accepted and stay open, and nothing passes until this is over.
    HalfOpen,
    /// New connections are closed at once. What is open goes on.
    Refuse,
}

/// A running proxy. Dropped, everything that goes through it is cut.
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
    replies_cut: AtomicU64,
}

struct State {
    upstream: Upstream,
    fault: Fault,
    links: BTreeMap<u64, Arc<Link>>,
    next: u64,
    armed: Option<Armed>,
}

/// Which reply is cut, and how.
#[derive(Clone)]
struct Armed {
    request: Vec<u8>,
    bytes: usize,
}

struct Link {
    client: Stream,
    server: Stream,
    cut: AtomicBool,
    /// How many bytes of the reply still pass.
    reply: Mutex<Option<usize>>,
}

impl FaultProxy {
    /// A proxy on a port of its own, which lets everything pass.
    ///
    /// # Panics
    /// Where it cannot listen.
    #[must_use]
    pub fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let state =
            State { upstream, fault: Fault::None, links: BTreeMap::new(), next: 0, armed: None };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            replies_cut: AtomicU64::new(0),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || accepting.accept(&listener));
        Self { shared, address }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to bytes from now on.
    pub fn set(&self, fault: Fault) {
        self.shared.state().fault = fault;
        self.shared.changed.notify_all();
    }

    /// Where connections lead to from now on; those that are open are cut.
    pub fn lead_to(&self, upstream: Upstream) {
        self.shared.state().upstream = upstream;
        self.cut();
    }

    /// Cuts every open connection.
    pub fn cut(&self) {
        let links = std::mem::take(&mut self.shared.state().links);
        for link in links.values() {
            link.cut();
        }
        self.shared.changed.notify_all();
    }

    /// Cuts the connection on which the next request with `request` in it is sent, once the server
    /// has replied, after so many bytes of the reply. A request that arrives in parts may be missed.
    pub fn cut_reply_to(&self, request: &[u8], bytes: usize) {
        self.shared.state().armed = Some(Armed { request: request.to_vec(), bytes });
    }

    /// How many replies were cut.
    #[must_use]
    pub fn replies_cut(&self) -> u64 {
        self.shared.replies_cut.load(Ordering::Acquire)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.stopped.load(Ordering::Acquire) {
                return;
            }
            let Ok(client) = client else { continue };
            let (fault, upstream) = {
                let state = self.state();
                (state.fault, state.upstream.clone())
            };
            if fault == Fault::Refuse {
                continue;
            }
            // Nothing at the other end is what a port without a listener is.
            let Ok(server) = Stream::connect(&upstream) else { continue };
            let _ = client.set_nodelay(true);
            self.clone().link(Stream::Tcp(client), server);
        }
    }

    fn link(self: Arc<Self>, client: Stream, server: Stream) {
        let link =
            Arc::new(Link { client, server, cut: AtomicBool::new(false), reply: Mutex::new(None) });
        let number = {
            let mut state = self.state();
            let number = state.next;
            state.next += 1;
            state.links.insert(number, link.clone());
            number
        };
        let (shared, there) = (self.clone(), link.clone());
        std::thread::spawn(move || {
            let _ = shared.forward(&there);
            shared.end(number, &there);
        });
        std::thread::spawn(move || {
            let _ = self.back(&link);
            self.end(number, &link);
        });
    }

    fn end(&self, number: u64, link: &Link) {
        // A closed connection is not seen through a silent network.
        self.pass(link);
        link.cut();
        self.state().links.remove(&number);
        self.changed.notify_all();
    }

    fn forward(&self, link: &Link) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = link.client.read(&mut chunk)?;
            if length == 0 || !self.pass(link) {
                return Ok(());
            }
            let mut state = self.state();
            if let Some(armed) = state.armed.clone()
                && contains(&chunk[..length], &armed.request)
            {
                state.armed = None;
                *link.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(armed.bytes);
            }
            drop(state);
            link.server.write(&chunk[..length])?;
        }
    }

    fn back(&self, link: &Link) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = link.server.read(&mut chunk)?;
            if length == 0 || !self.pass(link) {
                return Ok(());
            }
            let left = *link.reply.lock().unwrap_or_else(PoisonError::into_inner);
            let passing = left.map_or(length, |left| left.min(length));
            link.client.write(&chunk[..passing])?;
            if let Some(left) = left {
                if passing == left {
                    self.replies_cut.fetch_add(1, Ordering::Release);
                    return Ok(());
                }
                *link.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(left - passing);
            }
        }
    }

    /// Holds bytes up as the fault says; false where the connection was cut meanwhile.
    fn pass(&self, link: &Link) -> bool {
        let mut state = self.state();
        while state.fault == Fault::HalfOpen && !link.cut.load(Ordering::Acquire) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let delay = match state.fault {
            Fault::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        drop(state);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        !link.cut.load(Ordering::Acquire)
    }
}

impl Link {
    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.client.shutdown();
        self.server.shutdown();
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            Upstream::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(bytes),
            Self::Unix(stream) => (&*stream).read(bytes),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    fn shutdown(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

#[cfg(test)]
mod tests;
