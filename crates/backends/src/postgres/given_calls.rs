//! What a root account has given its sub-accounts of its concurrent calls: a sum on its row, moved by
//! one guarded update, so that two who take the last of it cannot both have it.

use super::PostgresStore;
use super::rows::{Param, number};
use super::session::{Expect, Work};
use crate::rows::{damaged, stored_number};
use std::collections::BTreeMap;
use tenantry_core::accounts::{Account, AccountLimits, AccountStatus, ConcurrentCalls};
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::AccountId;
use tokio_postgres::Row;

// Giving back is never refused.
const MOVE: &str = "UPDATE accounts SET given_concurrent_calls = given_concurrent_calls + $2
    WHERE id = $1 AND parent_id IS NULL
        AND ($2 < 0 OR concurrent_calls IS NULL
            OR given_concurrent_calls + $2 <= concurrent_calls)";

const AT_MOST: &str = "SELECT id FROM accounts WHERE id = $1 AND given_concurrent_calls <= $2
    FOR NO KEY UPDATE";

const FIND: &str = "SELECT concurrent_calls, given_concurrent_calls FROM accounts
    WHERE id = $1 AND parent_id IS NULL";

const BEFORE: &str = "SELECT status, concurrent_calls FROM accounts
    WHERE id = $1 AND version = $2 - 1";

/// What is taken by the accounts of one change, or given back.
#[derive(Default)]
pub(super) struct Taken {
    /// By root account: how much each of its sub-accounts has before and after, in the order asked.
    roots: BTreeMap<AccountId, Vec<(u32, u32)>>,
    /// A root account that lowers its own limit, and to what.
    lowered: Option<(AccountId, u32)>,
}

impl Taken {
    /// What new accounts are given.
    pub(super) fn by_new<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> Self {
        let mut taken = Self::default();
        for account in accounts {
            taken.note(account, 0);
        }
        taken
    }

    /// Whether it is nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.roots.is_empty() && self.lowered.is_none()
    }

    fn note(&mut self, account: &Account, before: u32) {
        if let Some(root) = account.parent
            && account.given_calls() != before
        {
            self.roots.entry(root).or_default().push((before, account.given_calls()));
        }
    }

    /// Adds the statements. Where one finds nothing the change is refused with
    /// [`Conflict::GivenAway`], and [`PostgresStore::explain`] says more.
    pub(super) fn push<'a>(&'a self, work: &mut Work<'a>) {
        for (root, moves) in &self.roots {
            let sum = moves.iter().map(|(before, after)| i64::from(*after) - i64::from(*before));
            let params = vec![Param::bytes(root.as_bytes()), Param::number(sum.sum::<i64>())];
            work.push(MOVE, params, Expect::Rows(Conflict::GivenAway));
        }
        if let Some((root, limit)) = &self.lowered {
            let params = vec![Param::bytes(root.as_bytes()), Param::number(*limit)];
            work.push(AT_MOST, params, Expect::Rows(Conflict::GivenAway));
        }
    }
}

impl PostgresStore {
    /// The sum.
    pub(super) async fn given_calls(&self, root: AccountId) -> Result<u64> {
        self.root_calls(root).await.map(|(_, given)| given)
    }

    /// What differs for an account that is about to be replaced. The version before is the one that
    /// the change is guarded by.
    pub(super) async fn shifted(&self, next: &Account) -> Result<Taken> {
        let params =
            vec![Param::bytes(next.id.as_bytes()), Param::number(stored_number(next.version)?)];
        let before = self.find(BEFORE, params, |row| read_before(next.id, row)).await?;
        let (status, limits) = before.ok_or(Error::Conflict(Conflict::Changed))?;
        let mut taken = Taken::default();
        if next.parent.is_some() {
            let before = Account { status, limits, ..next.clone() };
            taken.note(next, before.given_calls());
        } else if let Some(own) = next.limits.concurrent_calls {
            let was_higher = limits.concurrent_calls.is_none_or(|before| own.get() < before.get());
            taken.lowered = was_higher.then_some((next.id, own.get()));
        }
        Ok(taken)
    }

    /// The refusal in full of a change that took more than there is; none where there is enough by
    /// now.
    pub(super) async fn explain(&self, taken: &Taken) -> Result<()> {
        if taken.lowered.is_some() {
            return Err(Error::Conflict(Conflict::GivenAway));
        }
        for (root, moves) in &taken.roots {
            let (limits, mut given) = self.root_calls(*root).await?;
            for (before, after) in moves {
                given = given.saturating_sub((*before).into());
                if after > before {
                    let requested = ConcurrentCalls::new((*after).into())
                        .ok_or_else(|| Error::internal("a limit out of its range"))?;
                    limits.admit(requested, given)?;
                }
                given += u64::from(*after);
            }
        }
        Ok(())
    }

    /// A root account's caps and its sum.
    async fn root_calls(&self, root: AccountId) -> Result<(AccountLimits, u64)> {
        let gone = |problem| damaged("accounts", root.to_string(), problem);
        let found = self
            .find(FIND, vec![Param::bytes(root.as_bytes())], |row| {
                let given = number(row, 1)?.try_into();
                let given = given.map_err(|_| gone("column given_concurrent_calls"))?;
                Ok((limits(row, 0)?, given))
            })
            .await?;
        found.ok_or_else(|| gone("the row is gone"))
    }
}

fn limits(row: &Row, column: usize) -> Result<AccountLimits> {
    let calls: Option<i64> = row.try_get(column).map_err(Error::internal)?;
    let concurrent_calls = calls.and_then(ConcurrentCalls::new);
    Ok(AccountLimits { concurrent_calls, ..AccountLimits::default() })
}

fn read_before(id: AccountId, row: &Row) -> Result<(AccountStatus, AccountLimits)> {
    let status: &str = row.try_get(0).map_err(Error::internal)?;
    let status = AccountStatus::from_stored(status)
        .ok_or_else(|| damaged("accounts", id.to_string(), "column status"))?;
    Ok((status, limits(row, 1)?))
}
