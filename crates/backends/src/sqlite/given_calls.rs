//! What a root account has given its sub-accounts of its concurrent calls: a sum on its row, moved by
//! one guarded update, so that two who take the last of it cannot both have it.

use super::errors::from_sqlite;
use super::rows;
use rusqlite::{Connection, Params, params};
use tenantry_core::accounts::{Account, AccountLimits, AccountStatus, ConcurrentCalls};
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;

/// The sum.
pub(super) fn find(connection: &Connection, root: AccountId) -> Result<u64> {
    Ok(find_root(connection, root)?.1)
}

/// Takes what a new sub-account is given.
pub(super) fn take(connection: &Connection, new: &Account) -> Result<()> {
    let Some(root) = new.parent else { return Ok(()) };
    move_sum(connection, root, (0, new.given_calls()))
}

/// Takes, or gives back, what differs for an account that is about to be replaced. Refuses a root
/// account's own limit below the sum, where that is new.
pub(super) fn shift(connection: &Connection, next: &Account) -> Result<()> {
    // Nothing to compare with is no reason to go on: the update that follows finds nothing either.
    let Some(before) = find_before(connection, next)? else {
        return Err(Error::Conflict(Conflict::Changed));
    };
    if let Some(root) = next.parent {
        let given = Account { status: before.status, limits: before.limits, ..next.clone() };
        return move_sum(connection, root, (given.given_calls(), next.given_calls()));
    }
    let (own, lowered) = match (before.limits.concurrent_calls, next.limits.concurrent_calls) {
        (_, None) => return Ok(()),
        (None, Some(own)) => (own, true),
        (Some(before), Some(own)) => (own, own.get() < before.get()),
    };
    if lowered && find(connection, next.id)? > own.get().into() {
        return Err(Error::Conflict(Conflict::GivenAway));
    }
    Ok(())
}

/// Moves the sum of `root` by what one of its sub-accounts has `before` and `after`. Giving back is
/// never refused.
fn move_sum(connection: &Connection, root: AccountId, (before, after): (u32, u32)) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let moved = execute(
        connection,
        "UPDATE accounts SET given_concurrent_calls = given_concurrent_calls + ?3 - ?2
         WHERE id = ?1 AND parent_id IS NULL
             AND (?3 < ?2 OR concurrent_calls IS NULL
                 OR given_concurrent_calls + ?3 - ?2 <= concurrent_calls)",
        params![root.as_bytes(), before, after],
    )?;
    if moved == 1 {
        return Ok(());
    }
    let (limits, given) = find_root(connection, root)?;
    let requested = ConcurrentCalls::new(after.into()).ok_or(Error::Conflict(Conflict::Changed))?;
    limits.admit(requested, given.saturating_sub(before.into()))?;
    Err(Error::internal("a root account's sum did not move"))
}

/// A root account's caps and its sum.
fn find_root(connection: &Connection, root: AccountId) -> Result<(AccountLimits, u64)> {
    let mut statement = connection
        .prepare_cached(
            "SELECT concurrent_calls, given_concurrent_calls FROM accounts
             WHERE id = ?1 AND parent_id IS NULL",
        )
        .map_err(from_sqlite)?;
    let damaged = |problem| rows::damaged("accounts", root.to_string(), problem);
    let found = rows::find(&mut statement, [root.as_bytes()], |row| {
        let own: Option<i64> = row.get(0).map_err(from_sqlite)?;
        let given: i64 = row.get(1).map_err(from_sqlite)?;
        let given = u64::try_from(given).map_err(|_| damaged("column given_concurrent_calls"))?;
        let limits = AccountLimits {
            concurrent_calls: own.and_then(ConcurrentCalls::new),
            ..AccountLimits::default()
        };
        Ok((limits, given))
    })?;
    found.ok_or_else(|| damaged("the row is gone"))
}

/// What the version before says.
struct Before {
    status: AccountStatus,
    limits: AccountLimits,
}

fn find_before(connection: &Connection, next: &Account) -> Result<Option<Before>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT status, concurrent_calls FROM accounts WHERE id = ?1 AND version = ?2 - 1",
        )
        .map_err(from_sqlite)?;
    let damaged = |problem| rows::damaged("accounts", next.id.to_string(), problem);
    let version = i64::try_from(next.version).map_err(Error::internal)?;
    rows::find(&mut statement, params![next.id.as_bytes(), version], |row| {
        let status: String = row.get(0).map_err(from_sqlite)?;
        let calls: Option<i64> = row.get(1).map_err(from_sqlite)?;
        let concurrent_calls = calls.and_then(ConcurrentCalls::new);
        Ok(Before {
            status: AccountStatus::from_stored(&status).ok_or_else(|| damaged("column status"))?,
            limits: AccountLimits { concurrent_calls, ..AccountLimits::default() },
        })
    })
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    statement.execute(params).map_err(from_sqlite)
}
