//! Leases. Whatever makes one hold a slot locks the root account's row first, and reads the server's
//! clock after that: what is counted then is what there is.

use super::PostgresStore;
use super::accounts::LOCK;
use super::rows::{Param, number, one};
use super::session::{Done, Expect, Work};
use crate::rows::{
    Cell, LEASE_COLUMNS, call_record_cells, read_holder, read_lease, stored_micros, stored_number,
    stored_ttl,
};
use async_trait::async_trait;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Conflict, Error, Kind, Result};
use tenantry_core::ids::{AccountId, LeaseId};
use tenantry_core::leases::{
    Acquired, CallRecord, HolderRows, InUse, Lease, LeaseRequestId, LeaseTtl, NewLease, Released,
};
use tenantry_core::store::LeaseStore;
use tenantry_core::text::Line;
use tokio_postgres::Row;

const HOLDER: &str = "SELECT a.id, a.parent_id, a.name, a.profile, a.metadata, a.status,
        a.entitlements, a.concurrent_calls, a.sub_account_concurrent_calls, a.created_by_member,
        a.created_at, a.updated_at, a.version, a.row_mac, a.rates,
        p.id, p.parent_id, p.name, p.profile, p.metadata, p.status, p.entitlements,
        p.concurrent_calls, p.sub_account_concurrent_calls, p.created_by_member, p.created_at,
        p.updated_at, p.version, p.row_mac, p.rates
    FROM accounts a LEFT JOIN accounts p ON p.id = a.parent_id
    WHERE a.id = $1 AND ($2::bytea IS NULL OR coalesce(a.parent_id, a.id) = $2)";

// Decides by itself, so that the root account's row is locked for no longer than it has to be.
const ACQUIRE: &str =
    "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
    again AS (
        SELECT id, root_id, account_id, fence, ttl, acquired_at, expires_at, released_at
        FROM leases WHERE account_id = $2 AND request_id = $5
    ),
    held AS (
        SELECT count(*) AS tree, count(*) FILTER (WHERE l.account_id = $2 OR $1 = $2) AS own
        FROM clock JOIN leases l
            ON l.root_id = $1 AND l.released_at IS NULL AND l.expires_at > clock.now
    ),
    stands AS (
        SELECT count(*) FILTER (WHERE id = $2 AND version = $3) AS account,
            count(*) FILTER (WHERE id = $1 AND version = $4) AS root
        FROM accounts WHERE id IN ($1, $2)
    ),
    next AS (
        INSERT INTO lease_fences (root_id, fence)
        SELECT $1, 1 FROM held, stands
        WHERE stands.account = 1 AND stands.root = 1 AND held.own < $6 AND held.tree < $7
            AND NOT EXISTS (SELECT 1 FROM again)
        ON CONFLICT (root_id) DO UPDATE SET fence = lease_fences.fence + 1
        RETURNING fence
    ),
    taken AS (
        INSERT INTO leases (id, root_id, account_id, fence, ttl, request_id, reference, acquired_at,
            expires_at)
        SELECT $8, $1, $2, next.fence, $9, $5, $10, clock.now, clock.now + $9 FROM next, clock
        RETURNING id, root_id, account_id, fence, ttl, acquired_at, expires_at, released_at
    )
    SELECT l.id, l.root_id, l.account_id, l.fence, l.ttl, l.acquired_at, l.expires_at, l.released_at,
        l.again, clock.now, held.own, held.tree, stands.account + stands.root
    FROM clock CROSS JOIN held CROSS JOIN stands LEFT JOIN (
        SELECT taken.*, 0::bigint AS again FROM taken
        UNION ALL
        SELECT again.*, 1::bigint FROM again
    ) AS l ON true";

const FIND: &str =
    "SELECT id, root_id, account_id, fence, ttl, acquired_at, expires_at, released_at
    FROM leases WHERE id = $1 AND ($2::bytea IS NULL OR root_id = $2)";

const RENEW: &str =
    "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
    UPDATE leases SET ttl = $3, expires_at = clock.now + $3 FROM clock
    WHERE id = $1 AND root_id = $2 AND released_at IS NULL AND expires_at > clock.now
    RETURNING id, root_id, account_id, fence, ttl, acquired_at, expires_at, released_at";

// What gives a slot back need not wait for those who take one.
const LOCK_ONE: &str = "SELECT id FROM leases WHERE id = $1 AND root_id = $2 FOR NO KEY UPDATE";

const RECORD: &str = "INSERT INTO call_records (lease_id, root_id, account_id, reference, status,
        duration, platform_cost, telephony_cost, synthesizer_costs, transcriber_costs, llm_costs,
        ended_at)
    SELECT id, root_id, account_id, reference, $2, $3, $4, $5, $6, $7, $8, $9
    FROM leases WHERE id = $1 AND root_id = $10 AND released_at IS NULL
    ON CONFLICT (lease_id) DO NOTHING";

// What is selected is as it was before the update.
const RELEASE: &str =
    "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
    released AS (
        UPDATE leases SET released_at = clock.now FROM clock
        WHERE id = $1 AND root_id = $2 AND released_at IS NULL AND expires_at > clock.now
        RETURNING id
    )
    SELECT l.released_at, l.expires_at, clock.now FROM leases l CROSS JOIN clock
    WHERE l.id = $1 AND l.root_id = $2";

const CANCEL: &str = "DELETE FROM leases WHERE id = $1 AND root_id = $2 AND released_at IS NULL";

const COUNT: &str =
    "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
    SELECT count(*) FILTER (WHERE l.account_id = $2 OR $1 = $2), count(*)
    FROM clock JOIN leases l
        ON l.root_id = $1 AND l.released_at IS NULL AND l.expires_at > clock.now";

const SWEEP: &str =
    "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
    DELETE FROM leases WHERE id IN (
        SELECT l.id FROM leases l, clock
        WHERE l.id < $1 AND l.expires_at <= clock.now - $2
        ORDER BY l.id LIMIT $3 FOR UPDATE OF l SKIP LOCKED)";

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn find_holder(
        &self,
        root: Option<AccountId>,
        id: AccountId,
    ) -> Result<Option<HolderRows>> {
        self.find(HOLDER, in_tree(id.as_bytes(), root.as_ref()), read_holder).await
    }

    async fn acquire_lease(&self, new: &NewLease) -> Result<Acquired> {
        let ((account, account_version), (root, root_version)) = (&new.account, &new.root);
        let cells = [
            Cell::bytes(root.as_bytes()),
            Cell::bytes(account.as_bytes()),
            Cell::number(stored_number(*account_version)?),
            Cell::number(stored_number(*root_version)?),
            Cell::optional_text(new.request_id.as_ref().map(LeaseRequestId::as_str)),
            Cell::number(new.caps.own),
            Cell::number(new.caps.tree),
            Cell::bytes(new.id.as_bytes()),
            Cell::number(stored_ttl(new.ttl)?),
            Cell::optional_text(new.reference.as_ref().map(Line::as_str)),
        ];
        let mut work = locked(root);
        work.push(ACQUIRE, one(cells), Expect::Answer);
        let done = self.write(&work).await?;
        read_acquired(answer(&done)?)
    }

    async fn find_lease(&self, root: Option<AccountId>, id: LeaseId) -> Result<Option<Lease>> {
        self.find(FIND, in_tree(id.as_bytes(), root.as_ref()), read_lease).await
    }

    async fn renew_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        ttl: LeaseTtl,
    ) -> Result<Option<Lease>> {
        let params = vec![
            Param::bytes(id.as_bytes()),
            Param::bytes(root.as_bytes()),
            Param::number(stored_ttl(ttl)?),
        ];
        // One that ends at this moment is not counted any more by whoever takes its slot.
        let mut work = Work::default();
        work.push(LOCK, vec![Param::bytes(root.as_bytes())], Expect::Nothing);
        work.push(RENEW, params, Expect::Answer);
        let done = self.write(&work).await?;
        done.answer.first().map(read_lease).transpose()
    }

    async fn release_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        record: Option<&CallRecord>,
    ) -> Result<Released> {
        let named = || vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        let mut work = Work::default();
        work.push(LOCK_ONE, named(), Expect::Nothing);
        if let Some(record) = record {
            let mut params = one(call_record_cells(&id, record)?);
            params.push(Param::bytes(root.as_bytes()));
            work.push(RECORD, params, Expect::Nothing);
        }
        work.push(RELEASE, named(), Expect::Answer);
        let done = self.write(&work).await?;
        let row = done.answer.first().ok_or(Error::NotFound(Kind::Lease))?;
        let released_at: Option<i64> = row.try_get(0).map_err(Error::internal)?;
        let (expires_at, now) = (number(row, 1)?, number(row, 2)?);
        Ok(match released_at {
            Some(at) => Released::At(Timestamp::from_micros(at)),
            None if expires_at > now => Released::At(Timestamp::from_micros(now)),
            None => Released::Expired,
        })
    }

    async fn cancel_lease(&self, root: AccountId, id: LeaseId) -> Result<()> {
        let params = vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        let mut work = Work::default();
        work.push(CANCEL, params, Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn count_leases(&self, root: AccountId, account: AccountId) -> Result<InUse> {
        let params = vec![Param::bytes(root.as_bytes()), Param::bytes(account.as_bytes())];
        let rows = self.read(COUNT, params).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a count is missing"))?;
        read_in_use(row, 0)
    }

    async fn sweep_leases(&self, below: LeaseId, kept: Duration, limit: u32) -> Result<u64> {
        let params = vec![
            Param::bytes(below.as_bytes()),
            Param::number(stored_micros(kept)?),
            Param::number(limit),
        ];
        let mut work = Work::default();
        work.push(SWEEP, params, Expect::Counted);
        self.write(&work).await.map(|done| done.rows)
    }
}

/// Makes everybody wait who takes a slot of this tree.
fn locked(root: &AccountId) -> Work<'_> {
    let mut work = Work::default();
    let params = vec![Param::bytes(root.as_bytes())];
    work.push(LOCK, params, Expect::Rows(Conflict::Changed));
    work
}

fn in_tree<'a>(id: &'a [u8; 16], root: Option<&'a AccountId>) -> Vec<Param<'a>> {
    vec![Param::bytes(id), Param::One(Cell::Bytes(root.map(|root| &root.as_bytes()[..])))]
}

fn answer(done: &Done) -> Result<&Row> {
    done.answer.first().ok_or_else(|| Error::internal("a statement that answers did not"))
}

fn read_acquired(row: &Row) -> Result<Acquired> {
    let again: Option<i64> = row.try_get(LEASE_COLUMNS).map_err(Error::internal)?;
    let now = Timestamp::from_micros(number(row, LEASE_COLUMNS + 1)?);
    let in_use = read_in_use(row, LEASE_COLUMNS + 2)?;
    match again {
        Some(0) => {
            let InUse { own, tree } = in_use;
            Ok(Acquired::New(read_lease(row)?, InUse { own: own + 1, tree: tree + 1 }))
        }
        Some(_) => {
            let lease = read_lease(row)?;
            Ok(Acquired::Again { held: lease.is_held(now), lease, in_use })
        }
        None if number(row, LEASE_COLUMNS + 4)? < 2 => Err(Error::Conflict(Conflict::Changed)),
        None => Ok(Acquired::Full(in_use)),
    }
}

/// What is held of an account and of its tree, from two columns.
fn read_in_use(row: &Row, from: usize) -> Result<InUse> {
    let count = |column| number(row, column)?.try_into().map_err(Error::internal);
    Ok(InUse { own: count(from)?, tree: count(from + 1)? })
}
