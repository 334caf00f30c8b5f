//! What leases measure time by: the clock that runs since the machine was started, put where the time
//! of day was when the store was first opened after that. Setting the time of day moves no lease,
//! neither while the server runs nor over its restart; it is looked at again once the machine itself
//! was started anew.

use super::errors::OpenError;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use tenantry_core::clock::{Clock, Timestamp};

/// The store's clock.
#[derive(Clone, Debug)]
pub(super) struct LeaseClock {
    clock: Arc<dyn Clock>,
    /// Microseconds that it is ahead of [`Clock::monotonic`].
    ahead: i64,
}

impl LeaseClock {
    /// Goes on as before where the machine was not started since.
    pub(super) fn open(connection: &Connection, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let ahead = clock.now().micros().saturating_sub(monotonic(&*clock));
        let Some(boot) = clock.boot() else {
            return Ok(Self { clock, ahead });
        };
        let known: Option<i64> = connection
            .query_row("SELECT ahead FROM lease_clock WHERE boot = ?1", [boot], |row| row.get(0))
            .optional()?;
        if let Some(ahead) = known {
            return Ok(Self { clock, ahead });
        }
        connection.execute(
            "INSERT INTO lease_clock (id, boot, ahead) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET boot = excluded.boot, ahead = excluded.ahead",
            params![boot, ahead],
        )?;
        Ok(Self { clock, ahead })
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(monotonic(&*self.clock).saturating_add(self.ahead))
    }
}

fn monotonic(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.monotonic().as_micros()).unwrap_or(i64::MAX)
}
