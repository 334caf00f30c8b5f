//! The load generator: one thread, one epoll, prebuilt requests over keep-alive connections, one
//! request under way on each. It shares the machine with what it loads, so it does little: a read,
//! a look at status and length, a write.

use crate::requests::{Expected, Requests};
use crate::{Outcome, clock, keys, reply};
use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long replies may still take once the time is up.
const DRAIN: Duration = Duration::from_secs(10);
/// Every so many replies, the body is looked into.
const SAMPLE_EVERY: u64 = 64;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After that time.
    Elapsed(Duration),
    /// After that many requests.
    Requests(u64),
}

/// What was seen.
pub(crate) struct Loaded {
    /// Replies, those after the end included.
    pub(crate) replies: u64,
    /// Replies per second until the end.
    pub(crate) rate: f64,
    /// Replies that were not what they had to be.
    pub(crate) errors: u64,
    /// Microseconds from a request's first byte to its reply's last.
    pub(crate) latency: Histogram<u64>,
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    sent: Instant,
    busy: bool,
    /// What is to be sent next because of the reply before, and whether that is under way.
    next: Vec<u8>,
    follows: bool,
}

/// Sends requests over `connections` connections, shared out among the addresses, until the end.
pub(crate) fn run(
    addresses: &[SocketAddr],
    connections: usize,
    until: Until,
    requests: &mut Requests<'_>,
) -> Outcome<Loaded> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut all = Vec::with_capacity(connections);
    for index in 0..connections {
        let stream = TcpStream::connect(addresses[index % addresses.len()])?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(index as u64), flags)?;
        all.push(Connection {
            stream,
            out: Vec::new(),
            written: 0,
            input: Vec::with_capacity(4096),
            sent: clock::now(),
            busy: false,
            next: Vec::new(),
            follows: false,
        });
    }
    let mut state = State::new(until)?;
    for connection in &mut all {
        state.send(connection, requests)?;
    }
    let mut events = Vec::with_capacity(connections);
    while state.under_way > 0 {
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            state.serve(&mut all[index], requests)?;
        }
        state.look_at_the_clock()?;
    }
    Ok(state.finish())
}

struct State {
    until: Until,
    started: Instant,
    ended: Option<Instant>,
    under_way: usize,
    sent: u64,
    replies: u64,
    replies_in_time: u64,
    errors: u64,
    latency: Histogram<u64>,
}

impl State {
    fn new(until: Until) -> Outcome<Self> {
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        let started = clock::now();
        Ok(Self {
            until,
            started,
            ended: None,
            under_way: 0,
            sent: 0,
            replies: 0,
            replies_in_time: 0,
            errors: 0,
            latency,
        })
    }

    fn send(&mut self, connection: &mut Connection, requests: &mut Requests<'_>) -> Outcome {
        connection.follows = !connection.next.is_empty();
        if connection.follows {
            // What was begun is ended, so that nothing is left for the next run.
            std::mem::swap(&mut connection.out, &mut connection.next);
            connection.next.clear();
        } else if self.ended.is_some()
            || matches!(self.until, Until::Requests(count) if self.sent >= count)
        {
            return Ok(());
        } else {
            requests.write_next(&mut connection.out);
        }
        connection.written = 0;
        connection.sent = clock::now();
        connection.busy = true;
        self.sent += 1;
        self.under_way += 1;
        flush(connection)
    }

    /// Reads what there is, and sends the next request where a reply is whole.
    fn serve(&mut self, connection: &mut Connection, requests: &mut Requests<'_>) -> Outcome {
        if connection.written < connection.out.len() {
            flush(connection)?;
        }
        while receive(connection)? {
            let Some(reply) =
                reply::parse(&connection.input).map_err(|_| "a reply that is none")?
            else {
                continue;
            };
            let took = connection.sent.elapsed();
            if !connection.busy || connection.input.len() > reply.end {
                return Err("a reply that nobody asked for".into());
            }
            self.replies += 1;
            let many = requests.expected.times > 1;
            let look_into = many || self.replies.is_multiple_of(SAMPLE_EVERY) || self.replies == 1;
            let body = &connection.input[reply.body..reply.end];
            let expected = match &requests.follow {
                Some(follow) if connection.follows => follow.expected,
                Some(follow) => {
                    follow.write(body, &mut connection.next);
                    requests.expected
                }
                None => requests.expected,
            };
            if !fits(reply.status, body, expected, look_into) {
                if self.errors == 0 {
                    let body = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
                    eprintln!("  an answer that is wrong: {} {body}", reply.status);
                }
                self.errors += 1;
            }
            self.latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            connection.input.clear();
            connection.busy = false;
            self.under_way -= 1;
            self.send(connection, requests)?;
        }
        Ok(())
    }

    fn look_at_the_clock(&mut self) -> Outcome {
        let now = clock::now();
        match self.ended {
            None => {
                let over = match self.until {
                    Until::Elapsed(time) => now - self.started >= time,
                    Until::Requests(count) => self.replies >= count,
                };
                if over {
                    self.ended = Some(now);
                    self.replies_in_time = self.replies;
                }
                Ok(())
            }
            Some(ended) if now - ended > DRAIN => Err("replies stay out".into()),
            Some(_) => Ok(()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn finish(self) -> Loaded {
        let ended = self.ended.unwrap_or_else(clock::now);
        let counted = if self.ended.is_some() { self.replies_in_time } else { self.replies };
        let seconds = (ended - self.started).as_secs_f64();
        Loaded {
            replies: self.replies,
            rate: counted as f64 / seconds,
            errors: self.errors,
            latency: self.latency,
        }
    }
}

fn fits(status: u16, body: &[u8], expected: Expected, look_into: bool) -> bool {
    status == expected.status
        && body.starts_with(expected.begins)
        && (!look_into || count(body, expected.holds) == expected.times)
}

fn count(body: &[u8], part: &[u8]) -> u64 {
    body.windows(part.len()).filter(|window| *window == part).count() as u64
}

fn flush(connection: &mut Connection) -> Outcome {
    while connection.written < connection.out.len() {
        match connection.stream.write(&connection.out[connection.written..]) {
            Ok(count) => connection.written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads once. False where there is nothing to read now.
fn receive(connection: &mut Connection) -> Outcome<bool> {
    if !connection.busy {
        return Ok(false);
    }
    let length = connection.input.len();
    connection.input.resize(length + 4096.max(length), 0);
    let outcome = connection.stream.read(&mut connection.input[length..]);
    let count = *outcome.as_ref().unwrap_or(&0);
    connection.input.truncate(length + count);
    match outcome {
        Ok(0) => Err("a server closed a connection".into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A load by itself, on a server that somebody started.
#[derive(clap::Args)]
pub(crate) struct Loose {
    /// Where it listens
    address: SocketAddr,
    /// File of keys
    #[arg(long)]
    keys: PathBuf,
    /// File with the key that asks
    #[arg(long)]
    bearer: PathBuf,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Draw so that a few keys come often, instead of each equally often
    #[arg(long)]
    zipf: bool,
    /// Create sub-accounts instead; the key that asks is then an organization's
    #[arg(long, conflicts_with = "zipf")]
    create: bool,
}

impl Loose {
    pub(crate) fn run(&self) -> Outcome {
        let keys = keys::Keys::read(&self.keys)?;
        let bearer = std::fs::read_to_string(&self.bearer)?;
        let count = keys.count();
        let draw =
            if self.zipf { keys::Draw::zipf(count, 1) } else { keys::Draw::uniform(count, 1) };
        let bearer = bearer.trim();
        let mut requests = if self.create {
            Requests::create(bearer)
        } else {
            Requests::verify(bearer, &keys, draw)
        };
        let until = Until::Elapsed(Duration::from_secs(self.seconds));
        let loaded = run(&[self.address], self.connections, until, &mut requests)?;
        println!(
            "{:.0} requests/s, p50 {} us, p99 {} us, {} errors",
            loaded.rate,
            loaded.latency.value_at_quantile(0.5),
            loaded.latency.value_at_quantile(0.99),
            loaded.errors
        );
        Ok(())
    }
}
