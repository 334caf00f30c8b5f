//! Who is let in: connections and requests, overall and per client address.

use super::limits::Limits;
use crate::traffic::Cap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenantry_core::verify::network;

/// What is let in at the moment.
pub(super) struct Admission {
    limits: Limits,
    connections: AtomicUsize,
    requests: AtomicUsize,
    places: Mutex<Places>,
}

/// What each address has. No more addresses are kept than twice those that have something.
#[derive(Default)]
struct Places {
    by_address: HashMap<IpAddr, Arc<Place>>,
    /// Size at which addresses that have nothing are swept.
    sweep_at: usize,
}

/// What one client address has.
#[derive(Default)]
struct Place {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// A connection that was let in.
pub(super) struct Seat {
    admission: Arc<Admission>,
    address: IpAddr,
    place: Arc<Place>,
}

/// A request that was let in on a seat.
pub(super) struct Permit<'a> {
    seat: &'a Seat,
    /// The client's place, where it is not the seat's own.
    other: Option<Arc<Place>>,
}

/// Takes one of `max`, if there is one left.
fn take(count: &AtomicUsize, max: usize) -> bool {
    let taken = count.fetch_add(1, Ordering::AcqRel) < max;
    if !taken {
        count.fetch_sub(1, Ordering::AcqRel);
    }
    taken
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            places: Mutex::default(),
        })
    }

    /// Lets a connection in. A trusted proxy's connections are those of many clients, so only the
    /// overall cap is theirs.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr, proxy: bool) -> Result<Seat, Cap> {
        if !take(&self.connections, self.limits.connections_max) {
            return Err(Cap::Connections);
        }
        let address = network(address);
        let place = self.place(address);
        let max = if proxy { usize::MAX } else { self.limits.connections_per_address_max };
        if take(&place.connections, max) {
            return Ok(Seat { admission: self.clone(), address, place });
        }
        self.connections.fetch_sub(1, Ordering::AcqRel);
        Err(Cap::ConnectionsPerAddress)
    }

    fn place(&self, address: IpAddr) -> Arc<Place> {
        let mut places = self.lock();
        if places.by_address.len() >= places.sweep_at {
            places.sweep();
        }
        places.by_address.entry(address).or_default().clone()
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn sweep(&mut self) {
        // Nobody but the map: and from the map a place is only had under the lock that is held.
        self.by_address.retain(|_, place| Arc::strong_count(place) > 1);
        self.sweep_at = (self.by_address.len() * 2).max(1024);
    }
}

impl Seat {
    /// Lets a request of `client` in, who is the one at the other end or somebody behind them.
    pub(super) fn enter(&self, client: IpAddr) -> Result<Permit<'_>, Cap> {
        let admission = &self.admission;
        if !take(&admission.requests, admission.limits.requests_max) {
            return Err(Cap::Requests);
        }
        let address = network(client);
        let other = (address != self.address).then(|| admission.place(address));
        let place = other.as_ref().unwrap_or(&self.place);
        if take(&place.requests, admission.limits.requests_per_address_max) {
            return Ok(Permit { seat: self, other });
        }
        admission.requests.fetch_sub(1, Ordering::AcqRel);
        Err(Cap::RequestsPerAddress)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.place.connections.fetch_sub(1, Ordering::AcqRel);
        self.admission.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let place = self.other.as_ref().unwrap_or(&self.seat.place);
        place.requests.fetch_sub(1, Ordering::AcqRel);
        self.seat.admission.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Arc<Admission> {
        Admission::new(Limits {
            connections_max: 4,
            connections_per_address_max: 2,
            requests_max: 3,
            requests_per_address_max: 2,
            ..Limits::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn connections_are_counted_overall_and_per_address_and_nothing_stays_behind() {
        let admission = admission();
        let connect = |text| admission.connect(address(text), false);
        let first = [connect("2001:db8::1"), connect("2001:db8::2")];
        let third = connect("2001:db8::3").err();
        assert_eq!(third, Some(Cap::ConnectionsPerAddress), "the third of a /64");
        let second = [connect("2001:db8:0:1::1"), connect("192.0.2.1")];
        assert!(first.iter().chain(&second).all(Result::is_ok));
        assert_eq!(connect("192.0.2.2").err(), Some(Cap::Connections), "the fifth");
        drop(first);
        assert!(connect("192.0.2.2").is_ok());
        drop(second);
        admission.lock().sweep();
        assert!(admission.lock().by_address.is_empty());
        assert_eq!(admission.connections.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn requests_are_counted_overall_and_per_client_behind_a_proxy() {
        let admission = admission();
        let seats: Vec<Seat> =
            (0..3).filter_map(|_| admission.connect(address("192.0.2.1"), true).ok()).collect();
        assert_eq!(seats.len(), 3, "a proxy has no cap");
        let enter = |text| seats[0].enter(address(text));
        let permits = [enter("198.51.100.1"), enter("198.51.100.1")];
        assert!(permits.iter().all(Result::is_ok));
        let third = enter("198.51.100.1").err();
        assert_eq!(third, Some(Cap::RequestsPerAddress), "the client's third");
        let own = enter("192.0.2.1");
        assert!(own.is_ok());
        assert_eq!(enter("198.51.100.2").err(), Some(Cap::Requests), "the fourth");
        drop((permits, own));
        drop(seats);
        admission.lock().sweep();
        assert!(admission.lock().by_address.is_empty());
        assert_eq!(admission.requests.load(Ordering::SeqCst), 0);
    }
}
