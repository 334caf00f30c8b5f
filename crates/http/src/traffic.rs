//! How many requests each route answered, how, and how long they took, and how many were turned
//! away. Kept in atomic counters: a request waits for nobody to be counted.

use crate::routes::{ROUTES, Route};
use axum::http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the duration buckets, in microseconds; one more holds what is above.
pub const BUCKET_MICROS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 10_000_000];

/// Classes of status codes, by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A limit beyond which clients are turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Connections of all clients.
    Connections,
    /// Connections of one client address.
    ConnectionsPerAddress,
    /// Requests of all clients under way.
    Requests,
    /// Requests of one client address under way.
    RequestsPerAddress,
}

impl Cap {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 4] =
        [Self::Connections, Self::ConnectionsPerAddress, Self::Requests, Self::RequestsPerAddress];
}

/// Counters of every route, of requests that had none, and of who was turned away.
pub(crate) struct Traffic {
    routes: Box<[Counters]>,
    shed: [AtomicU64; Cap::ALL.len()],
}

#[derive(Default)]
#[repr(align(128))]
struct Counters {
    classes: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BUCKET_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

/// What a route has answered since the start.
#[derive(Debug)]
pub struct RouteTraffic {
    /// The route; none for requests that matched no route.
    pub route: Option<&'static Route>,
    /// Replies by class of status.
    pub classes: [(&'static str, u64); CLASSES.len()],
    /// Replies by how long they took: counts for each of [`BUCKET_MICROS`], not cumulated, and
    /// above.
    pub buckets: [u64; BUCKET_MICROS.len() + 1],
    /// How long they took together.
    pub sum: Duration,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            routes: (0..=ROUTES.len()).map(|_| Counters::default()).collect(),
            shed: Default::default(),
        }
    }

    /// Counts a connection or request that a cap turned away.
    pub(crate) fn count_shed(&self, cap: Cap) {
        self.shed[cap as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many each cap has turned away.
    pub(crate) fn shed(&self) -> [(Cap, u64); Cap::ALL.len()] {
        Cap::ALL.map(|cap| (cap, self.shed[cap as usize].load(Ordering::Relaxed)))
    }

    /// Counts a reply of the route at `index` of [`ROUTES`].
    pub(crate) fn count(&self, index: Option<usize>, status: StatusCode, took: Duration) {
        let counters = &self.routes[index.unwrap_or(ROUTES.len())];
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        counters.classes[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKET_MICROS.partition_point(|bound| *bound < micros);
        counters.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        counters.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Vec<RouteTraffic> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let read = |(index, counters): (usize, &Counters)| RouteTraffic {
            route: ROUTES.get(index),
            classes: std::array::from_fn(|class| (CLASSES[class], load(&counters.classes[class]))),
            buckets: std::array::from_fn(|bucket| load(&counters.buckets[bucket])),
            sum: Duration::from_micros(load(&counters.sum_micros)),
        };
        self.routes.iter().enumerate().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_counted_once_in_its_class_and_bucket() {
        let traffic = Traffic::new();
        for micros in [0, 100, 101, 99_999_999] {
            traffic.count(Some(0), StatusCode::OK, Duration::from_micros(micros));
        }
        traffic.count(None, StatusCode::NOT_FOUND, Duration::ZERO);
        let snapshot = traffic.snapshot();
        assert_eq!(snapshot.len(), ROUTES.len() + 1);
        assert_eq!(snapshot[0].classes[1], ("2xx", 4));
        assert_eq!((snapshot[0].buckets[0], snapshot[0].buckets[1]), (2, 1));
        assert_eq!(snapshot[0].buckets[BUCKET_MICROS.len()], 1);
        assert_eq!(snapshot[0].sum, Duration::from_micros(100_000_200));
        assert_eq!(snapshot[ROUTES.len()].classes[3], ("4xx", 1));
    }
}
