//! Following the change log: a node of several reads it each second, and sooner on a hint.
//!
//! An answer counts from when it was asked for: by then everything acknowledged before was in it.
//! The node is fresh from then on for as long as the bound, less a hundredth for clocks that do not
//! run alike, by a clock that runs while the machine sleeps. A node that cannot read the log, or
//! cannot note itself, which is one transaction, stops being fresh and refuses.
//!
//! A node that was not fresh any more when an answer came does not become fresh by that one, but by
//! the next. Whoever waited for a change to hold everywhere may have counted it as gone, and its
//! answer may be older than the change; what it asks for after its row was seen again is not.
//!
//! A server that takes the store over may have lost the last commits. The log shows that for those
//! that wrote to it; a create writes nothing to it, and may have been cached all the same. So a node
//! drops what it has whenever another server answers, though the log may be whole.

use super::everywhere::Looks;
use super::{Membership, Poll, Polled};
use crate::Plane;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::limits;
use crate::verify::{Broken, VerifyCache};
use std::future::Future;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// What a node that follows the log remembers.
pub(crate) struct Follower {
    membership: Membership,
    /// Until when the cache may be used, in microseconds of the clock that is never set back.
    fresh_until: AtomicU64,
    /// One at a time reads the log.
    reading: Mutex<Reading>,
    hinted: Notify,
    /// Which server keeps the log, and since when that is known.
    server: std::sync::Mutex<Option<(u64, Duration)>>,
    pub(super) looks: Looks,
    starts_over: AtomicU64,
    /// How many nodes there were at the last answer.
    nodes: AtomicU32,
    /// How far this node's time of day was off then, in microseconds.
    skew: AtomicU64,
}

#[derive(Default)]
struct Reading {
    /// Which server the cache was read from; none before it has a place in the log.
    server: Option<u64>,
    /// When the last answer was asked for.
    last: Option<Duration>,
}

/// What reading the log brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// All is known, and noted as known.
    Idle,
    /// There is more to read, or to note. To be read again soon.
    More,
}

impl Follower {
    pub(super) fn new(membership: Membership) -> Self {
        Self {
            membership,
            fresh_until: AtomicU64::new(0),
            reading: Mutex::default(),
            hinted: Notify::new(),
            server: std::sync::Mutex::default(),
            looks: Looks::default(),
            starts_over: AtomicU64::new(0),
            nodes: AtomicU32::new(1),
            skew: AtomicU64::new(0),
        }
    }

    pub(super) const fn max_staleness(&self) -> Duration {
        self.membership.max_staleness
    }

    pub(super) const fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Notes the time of an answer that was asked for and came at these times of this node.
    fn note_time(&self, now: Timestamp, asked: Timestamp, answered: Timestamp) {
        let off = (asked.micros() - now.micros()).max(now.micros() - answered.micros()).max(0);
        let off = Duration::from_micros(off.unsigned_abs());
        let before = self.skew.swap(micros(off), Ordering::Relaxed);
        if off > limits::CLOCK_SKEW_MAX && before <= micros(limits::CLOCK_SKEW_MAX) {
            tracing::error!(
                alarm = "clock_skew",
                seconds = off.as_secs(),
                "this node's time of day is not the database's: keys would begin and end at other times here, so it is not ready"
            );
        }
    }

    /// Refuses where the time of day here is not that of the others.
    pub(crate) fn require_right_time(&self) -> Result<()> {
        if self.skew.load(Ordering::Relaxed) <= micros(limits::CLOCK_SKEW_MAX) {
            return Ok(());
        }
        Err(Error::unavailable("this node's time of day is not the database's"))
    }

    pub(super) fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    fn is_fresh(&self, now: Duration) -> bool {
        now < Duration::from_micros(self.fresh_until.load(Ordering::Acquire))
    }

    /// Whether `incarnation` has kept the log for so long that no node can be fresh by what it noted
    /// with the server before, and that may be lost.
    pub(super) fn is_settled(&self, incarnation: u64, now: Duration) -> bool {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.is_some_and(|(known, since)| {
            known == incarnation && now >= since.saturating_add(self.max_staleness())
        })
    }

    /// Answers nothing from the cache any more. Only once the log is not followed either.
    fn retire(&self) {
        self.fresh_until.store(0, Ordering::Release);
    }

    pub(super) fn note_server(&self, incarnation: u64, now: Duration) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_none_or(|(known, _)| known != incarnation) {
            *server = Some((incarnation, now));
        }
    }

    /// How long an answer makes a node fresh.
    fn lease(&self) -> Duration {
        self.max_staleness().saturating_sub(self.max_staleness() / 100)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn start_over(cache: &VerifyCache, polled: &Polled) -> (bool, usize) {
    cache.start_over(polled);
    (true, 1)
}

impl Plane {
    /// Refuses where what is cached may be older than the bound. To be called before the cache is
    /// looked at.
    pub(crate) fn require_fresh(&self) -> Result<()> {
        match &self.cluster.follower {
            Some(follower) if !follower.is_fresh(self.clock.monotonic()) => {
                Err(Error::unavailable("this node has not read the change log within the bound"))
            }
            _ => Ok(()),
        }
    }

    /// Whether this node is one of several.
    #[must_use]
    pub fn is_one_of_several(&self) -> bool {
        self.cluster.follower.is_some()
    }

    /// Reads the change log once and applies it to the cache. A node that is alone has none to read.
    ///
    /// # Errors
    /// What the store says; the node is fresh for no longer than it was.
    pub async fn follow_changes(&self) -> Result<Followed> {
        let Some(follower) = &self.cluster.follower else {
            return Ok(Followed::Idle);
        };
        let cache = &self.cluster.cache;
        let mut reading = follower.reading.lock().await;
        let (asked_at, asked) = (self.clock.monotonic(), self.clock.now());
        let poll = Poll {
            node: follower.membership.node,
            name: follower.membership.name.clone(),
            max_staleness: follower.max_staleness(),
            now: asked,
            applied: reading.server.map(|_| cache.ask()),
            rows_max: limits::CHANGE_ROWS_MAX,
        };
        let polled = self.store.poll_changes(&poll).await?;
        follower.note_time(polled.now, asked, self.clock.now());
        let (complete, rows) = match reading.server {
            None => start_over(cache, &polled),
            Some(server) => match cache.follow(&polled) {
                Ok(_) if server != polled.incarnation => {
                    tracing::info!(
                        "the store was started anew, or another server keeps it now: all that was cached is read again"
                    );
                    start_over(cache, &polled)
                }
                Ok(news) => news,
                Err(Broken) => {
                    follower.starts_over.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        alarm = "history_broken",
                        "the change log is not the one that was read before, or cannot be told: all that was cached is dropped"
                    );
                    start_over(cache, &polled)
                }
            },
        };
        follower.nodes.store(polled.nodes.max(1), Ordering::Relaxed);
        reading.server = Some(polled.incarnation);
        let lease = follower.lease();
        let answered_at = self.clock.monotonic();
        follower.note_server(polled.incarnation, answered_at);
        let went_on = reading.last.is_some_and(|last| answered_at < last + lease);
        if complete && went_on {
            // After all of it was applied.
            follower.fresh_until.fetch_max(micros(asked_at + lease), Ordering::Release);
        }
        reading.last = Some(asked_at);
        let all = complete && went_on && rows == 0;
        Ok(if all { Followed::Idle } else { Followed::More })
    }

    /// Follows the change log until `stop`, then says goodbye. What fails is tried again.
    pub async fn keep_following(&self, stop: impl Future<Output = ()> + Send) {
        let Some(follower) = &self.cluster.follower else {
            return;
        };
        let mut stop = std::pin::pin!(stop);
        loop {
            let pause = match self.follow_changes().await {
                Ok(Followed::Idle) => limits::CHANGE_POLL_EVERY,
                Ok(Followed::More) => limits::CHANGE_POLL_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "the change log was not read");
                    limits::CHANGE_POLL_RETRY
                }
            };
            let hinted = async {
                // Hints that come together are one.
                tokio::time::sleep(limits::CHANGE_POLL_PAUSE).await;
                follower.hinted.notified().await;
            };
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(pause) => {}
                () = hinted => {}
            }
        }
        // Whoever is still answered here is refused, so nobody has to wait for this node.
        follower.retire();
        if let Err(error) = self.store.delete_node(follower.membership.node).await {
            tracing::warn!(%error, "this node is listed until it is forgotten");
        }
    }

    /// Says that there are changes: the log is read soon, and not only when a second is over.
    /// Nothing depends on it.
    pub fn hint(&self) {
        if let Some(follower) = &self.cluster.follower {
            follower.hinted.notify_one();
        }
    }

    /// How often the log was not the one that was read before, and all that was cached was dropped.
    #[must_use]
    pub fn caches_dropped(&self) -> u64 {
        let follower = self.cluster.follower.as_ref();
        follower.map_or(0, |follower| follower.starts_over.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leads::NodeId;

    /// F24. The time between asking and being answered is nobody's fault.
    #[test]
    fn f24_a_node_whose_time_of_day_is_off_is_not_ready_until_it_is_set_right() {
        let node = NodeId::from_bytes([0; 16]);
        let membership =
            Membership { node, name: "".into(), max_staleness: Duration::from_secs(5) };
        let follower = Follower::new(membership);
        let at = Timestamp::from_seconds;
        for (asked, now, answered, ready) in [
            (1000, 1000, 1000, true),
            (1000, 4600, 1001, false),
            (1000, 1005, 1010, true),
            (4600, 1000, 4601, false),
            (1030, 1000, 1031, true),
            (1031, 1000, 1031, false),
            (1000, 1031, 1001, true),
            (1000, 1032, 1001, false),
        ] {
            follower.note_time(at(now), at(asked), at(answered));
            assert_eq!(follower.require_right_time().is_ok(), ready, "{asked} {now} {answered}");
        }
    }
}
