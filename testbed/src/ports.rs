//! Ports that servers listen on again after a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems give to outgoing connections, one of which would otherwise take the port of a
/// server that is restarted.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of loopback on which nobody listens.
///
/// # Panics
/// Where all are taken.
#[must_use]
pub fn take() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Programs beside this one begin elsewhere.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let place = begin.wrapping_add(next) % u32::from(COUNT);
        let port = FIRST + u16::try_from(place).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("every port from {FIRST} is taken");
}
