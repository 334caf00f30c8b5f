//! How many sessions with tenant databases there are at once, how often strangers' servers are dialled,
//! and how soon one that did not answer is tried again: one tenant's server that is away costs nobody
//! else anything.

use super::servers::Refused;
use crate::error::{Error, Result};
use crate::ids::AccountId;
use crate::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What a node knows of its sessions.
pub(crate) struct Doors {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<AccountId, Door>>,
    dials: Mutex<HashMap<AccountId, Vec<Instant>>>,
}

/// Of one account.
struct Door {
    sessions: Arc<Semaphore>,
    failures: u32,
    closed_until: Option<Instant>,
    used: Instant,
}

/// The right to have a session.
pub(super) struct Turn {
    _one: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::DATABASE_SESSIONS_MAX)),
            each: Mutex::default(),
            dials: Mutex::default(),
        }
    }
}

impl Doors {
    /// Waits for one of the account's sessions to be free, for as long as a statement may take.
    pub(super) async fn enter(&self, account: AccountId) -> Result<Turn> {
        let sessions = self.door(account).ok_or(Error::TenantDatabaseUnavailable)?;
        let both = async {
            // The account's own first: who waits there keeps nobody else waiting.
            let one = sessions.acquire_owned().await.ok()?;
            let all = self.all.clone().acquire_owned().await.ok()?;
            Some(Turn { _one: one, _all: all })
        };
        match tokio::time::timeout(limits::DATABASE_SESSION_WAIT_MAX, both).await {
            Ok(Some(turn)) => Ok(turn),
            _ => Err(Error::TenantDatabaseUnavailable),
        }
    }

    fn door(&self, account: AccountId) -> Option<Arc<Semaphore>> {
        let now = Instant::now();
        let mut doors = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= limits::DATABASE_DOORS_SWEPT_AT {
            let old = limits::DATABASE_DOOR_KEPT;
            doors.retain(|_, door| now.duration_since(door.used) < old);
        }
        let door = doors.entry(account).or_insert_with(|| Door {
            sessions: Arc::new(Semaphore::new(limits::DATABASE_SESSIONS_EACH_MAX)),
            failures: 0,
            closed_until: None,
            used: now,
        });
        door.used = now;
        if door.closed_until.is_some_and(|until| until > now) {
            return None;
        }
        // One of those who come now tries; the others are answered without waiting for it.
        if door.failures > 0 {
            door.closed_until = Some(now + limits::DATABASE_SESSION_WAIT_MAX);
        }
        Some(door.sessions.clone())
    }

    /// Learns from an answer whether the account's server is there.
    pub(super) fn note<T>(&self, account: AccountId, answer: &Result<T, Refused>) {
        let mut doors = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(door) = doors.get_mut(&account) else { return };
        if matches!(answer, Err(Refused::Unreachable(_))) {
            let pause = limits::DATABASE_RETRY_MIN * 2_u32.saturating_pow(door.failures.min(16));
            let pause = pause.min(limits::DATABASE_BREAKER_MAX);
            // Not all nodes and accounts at once.
            let part = account.as_bytes()[15];
            let pause = pause.mul_f64(1.0 - f64::from(part) / 1024.0);
            door.failures = door.failures.saturating_add(1);
            door.closed_until = Some(Instant::now() + pause);
        } else {
            door.failures = 0;
            door.closed_until = None;
        }
    }

    /// Counts a dial of a server that a root account named.
    ///
    /// # Errors
    /// How long to wait, where there were `max` in the last minute.
    pub(super) fn dial(&self, root: AccountId, max: u32) -> Result<(), Duration> {
        const MINUTE: Duration = Duration::from_mins(1);
        let now = Instant::now();
        let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        if dials.len() >= limits::DATABASE_DOORS_SWEPT_AT {
            dials.retain(|_, times| times.iter().any(|at| now.duration_since(*at) < MINUTE));
        }
        let times = dials.entry(root).or_default();
        times.retain(|at| now.duration_since(*at) < MINUTE);
        if times.len() >= usize::try_from(max).unwrap_or(usize::MAX) {
            let oldest = times.first().copied().unwrap_or(now);
            return Err(MINUTE.saturating_sub(now.duration_since(oldest)));
        }
        times.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([7; 16]);

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_tried_by_one_and_ever_less_often() {
        let doors = Doors::default();
        let away: Result<(), Refused> = Err(Refused::Unreachable("away".into()));
        drop(doors.enter(ACCOUNT).await.expect("the first may try"));
        doors.note(ACCOUNT, &away);
        assert!(doors.enter(ACCOUNT).await.is_err());
        tokio::time::advance(limits::DATABASE_RETRY_MIN).await;
        let turn = doors.enter(ACCOUNT).await.expect("one may try again");
        assert!(doors.enter(ACCOUNT).await.is_err(), "and only one");
        drop(turn);
        doors.note(ACCOUNT, &away);
        tokio::time::advance(limits::DATABASE_RETRY_MIN).await;
        assert!(doors.enter(ACCOUNT).await.is_err(), "not as soon as the first time");
        tokio::time::advance(limits::DATABASE_BREAKER_MAX).await;
        drop(doors.enter(ACCOUNT).await.expect("again"));
        doors.note(ACCOUNT, &Ok(()));
        drop(doors.enter(ACCOUNT).await.expect("it is back"));
        drop(doors.enter(ACCOUNT).await.expect("for everybody"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_has_so_many_sessions_and_keeps_no_other_waiting() {
        let doors = Doors::default();
        let mut turns = Vec::new();
        for _ in 0..limits::DATABASE_SESSIONS_EACH_MAX {
            turns.push(doors.enter(ACCOUNT).await.expect("a session"));
        }
        assert!(doors.enter(ACCOUNT).await.is_err());
        assert!(doors.enter(AccountId::from_bytes([8; 16])).await.is_ok());
        turns.pop();
        assert!(doors.enter(ACCOUNT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn case_75_a_minute_has_so_many_dials() {
        let doors = Doors::default();
        for _ in 0..10 {
            assert_eq!(doors.dial(ACCOUNT, 10), Ok(()));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(doors.dial(ACCOUNT, 10), Err(Duration::from_secs(50)));
        assert_eq!(doors.dial(AccountId::from_bytes([8; 16]), 10), Ok(()));
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(doors.dial(ACCOUNT, 10), Ok(()));
        assert!(doors.dial(ACCOUNT, 10).is_err());
    }
}
