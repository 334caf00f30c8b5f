//! What one client, one address and all of them together may take of the server.

use std::time::Duration;

/// Largest head of a request, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most header fields of a request.
pub(crate) const HEADERS_MAX: usize = 100;
/// Requests under way on one HTTP/2 connection.
pub(super) const STREAMS_MAX: u32 = 128;
/// Streams that an HTTP/2 client may reset before they were taken up, and with them the streams
/// that it may make us reset, until the connection is closed (CVE-2023-44487).
pub(super) const RESET_STREAMS_MAX: usize = 20;
/// Streams that errors of an HTTP/2 client make us reset until the connection is closed.
pub(super) const ERROR_STREAMS_MAX: usize = 128;
/// What an HTTP/2 client may send of one body before it is read, in bytes.
pub(super) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// What it may send of all bodies of a connection before they are read, in bytes.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Replies kept for one HTTP/2 stream whose client does not take them, in bytes.
pub(super) const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Between pings on an HTTP/2 connection, and how long their answer may take.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long the answer to a ping may take.
pub(super) const PING_DEADLINE: Duration = Duration::from_secs(10);
/// Connections to the operator's socket. Apart from the network's, so that the operator gets in
/// when the network is full.
pub(super) const OPERATOR_CONNECTIONS_MAX: usize = 64;
/// How long a stranger who has presented too many wrong credentials waits for the next refusal: who
/// waits for replies cannot guess faster than that on a connection. No place among the requests
/// under way is taken meanwhile.
pub(super) const REFUSAL_HOLD: Duration = Duration::from_secs(1);
/// Refusals that are held at once; others leave at once.
pub(super) const HELD_REFUSALS_MAX: usize = 4096;
/// How long requests that are under way may take to end once the server stops.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(25);
/// Pause after an accept that failed, as it does when descriptors run out.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The limits that an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a request's head may take, and the first one from the connection's beginning.
    pub head_deadline: Duration,
    /// How long a request's body may take.
    pub body_deadline: Duration,
    /// How long a client may leave replies unread.
    pub write_deadline: Duration,
    /// How long a connection may wait for its next request.
    pub idle_deadline: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one client address (IPv6: one /64) at once.
    pub connections_per_address_max: usize,
    /// Requests under way at once.
    pub requests_max: usize,
    /// Requests of one client address (IPv6: one /64) under way at once.
    pub requests_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_deadline: Duration::from_secs(5),
            body_deadline: Duration::from_secs(10),
            write_deadline: Duration::from_secs(10),
            idle_deadline: Duration::from_mins(1),
            connections_max: 16_384,
            connections_per_address_max: 4_096,
            requests_max: 8_192,
            requests_per_address_max: 4_096,
        }
    }
}

impl Limits {
    /// The same for a process that may have `descriptors` files open: some stay free for the
    /// store, and no address takes all of the rest.
    #[must_use]
    pub fn within(self, descriptors: usize) -> Self {
        let free = descriptors - DESCRIPTORS_RESERVED.min(descriptors / 2);
        let connections_max = self.connections_max.min(free).max(1);
        let share = (connections_max / 4 * 3).max(1);
        Self {
            connections_max,
            connections_per_address_max: self.connections_per_address_max.min(share),
            ..self
        }
    }
}

/// Descriptors that connections leave to the store, the log and the operator.
const DESCRIPTORS_RESERVED: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_store() {
        let limits = Limits::default();
        let plenty = limits.clone().within(1 << 20);
        assert_eq!(plenty.connections_max, limits.connections_max);
        assert_eq!(plenty.connections_per_address_max, limits.connections_per_address_max);
        let usual = limits.clone().within(1024);
        assert_eq!((usual.connections_max, usual.connections_per_address_max), (832, 624));
        let few = limits.within(64);
        assert_eq!((few.connections_max, few.connections_per_address_max), (32, 24));
    }
}
