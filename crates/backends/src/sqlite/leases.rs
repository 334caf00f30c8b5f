//! Leases. The writer is one thread, so that what is counted here is what there is.

use super::errors::from_sqlite;
use super::leads::changed;
use super::{SqliteStore, call_records, rows};
use crate::rows::{read_holder, read_lease, stored_ttl};
use async_trait::async_trait;
use rusqlite::{Connection, Params, params};
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Kind, Result};
use tenantry_core::ids::{AccountId, LeaseId};
use tenantry_core::leases::{
    Acquired, CallRecord, HolderRows, InUse, Lease, LeaseRequestId, LeaseTtl, NewLease, Released,
};
use tenantry_core::store::LeaseStore;
use tenantry_core::text::Line;

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn find_holder(
        &self,
        root: Option<AccountId>,
        id: AccountId,
    ) -> Result<Option<HolderRows>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT a.id, a.parent_id, a.name, a.profile, a.metadata, a.status,
                         a.entitlements, a.concurrent_calls, a.sub_account_concurrent_calls,
                         a.created_by_member, a.created_at, a.updated_at, a.version, a.row_mac, a.rates,
                         p.id, p.parent_id, p.name, p.profile, p.metadata, p.status,
                         p.entitlements, p.concurrent_calls, p.sub_account_concurrent_calls,
                         p.created_by_member, p.created_at, p.updated_at, p.version, p.row_mac, p.rates
                     FROM accounts AS a LEFT JOIN accounts AS p ON p.id = a.parent_id
                     WHERE a.id = ?1 AND (?2 IS NULL OR coalesce(a.parent_id, a.id) = ?2)",
                )
                .map_err(from_sqlite)?;
            let params = params![id.as_bytes(), root.as_ref().map(AccountId::as_bytes)];
            rows::find(&mut statement, params, |row| read_holder(row))
        })
    }

    async fn acquire_lease(&self, new: &NewLease) -> Result<Acquired> {
        let (new, clock) = (new.clone(), self.lease_clock.clone());
        self.write_for(move |connection| acquire(connection, &new, clock.now())).await
    }

    async fn find_lease(&self, root: Option<AccountId>, id: LeaseId) -> Result<Option<Lease>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT id, root_id, account_id, fence, ttl, acquired_at, expires_at,
                         released_at
                     FROM leases WHERE id = ?1 AND (?2 IS NULL OR root_id = ?2)",
                )
                .map_err(from_sqlite)?;
            let params = params![id.as_bytes(), root.as_ref().map(AccountId::as_bytes)];
            rows::find(&mut statement, params, |row| read_lease(row))
        })
    }

    async fn renew_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        ttl: LeaseTtl,
    ) -> Result<Option<Lease>> {
        let clock = self.lease_clock.clone();
        self.write_for(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "UPDATE leases SET ttl = ?3, expires_at = ?4 + ?3
                     WHERE id = ?1 AND root_id = ?2 AND released_at IS NULL AND expires_at > ?4
                     RETURNING id, root_id, account_id, fence, ttl, acquired_at, expires_at,
                         released_at",
                )
                .map_err(from_sqlite)?;
            let now = clock.now().micros();
            let params = params![id.as_bytes(), root.as_bytes(), stored_ttl(ttl)?, now];
            rows::find(&mut statement, params, |row| read_lease(row))
        })
        .await
    }

    async fn release_lease(
        &self,
        root: AccountId,
        id: LeaseId,
        record: Option<&CallRecord>,
    ) -> Result<Released> {
        let (record, clock) = (record.cloned(), self.lease_clock.clone());
        self.write_for(move |connection| {
            release(connection, (root, id), record.as_ref(), clock.now())
        })
        .await
    }

    async fn cancel_lease(&self, root: AccountId, id: LeaseId) -> Result<()> {
        self.write_for(move |connection| {
            let params = params![id.as_bytes(), root.as_bytes()];
            execute(
                connection,
                "DELETE FROM leases WHERE id = ?1 AND root_id = ?2 AND released_at IS NULL",
                params,
            )
            .map(drop)
        })
        .await
    }

    async fn count_leases(&self, root: AccountId, account: AccountId) -> Result<InUse> {
        let now = self.lease_clock.now();
        self.read(|connection| count(connection, root, account, now))
    }

    async fn sweep_leases(&self, below: LeaseId, kept: Duration, limit: u32) -> Result<u64> {
        let clock = self.lease_clock.clone();
        self.write_for(move |connection| {
            let mut statement = connection
                .prepare_cached(
                    "DELETE FROM leases WHERE id IN
                         (SELECT id FROM leases WHERE id < ?1 AND expires_at <= ?2 LIMIT ?3)",
                )
                .map_err(from_sqlite)?;
            let ended = clock.now().minus(kept).micros();
            let params = params![below.as_bytes(), ended, limit];
            let forgotten = statement.execute(params).map_err(from_sqlite)?;
            u64::try_from(forgotten).map_err(Error::internal)
        })
        .await
    }
}

fn acquire(connection: &Connection, new: &NewLease, now: Timestamp) -> Result<Acquired> {
    let ((account, _), (root, _)) = (new.account, new.root);
    if let Some(request_id) = &new.request_id
        && let Some(lease) = find_by_request(connection, account, request_id)?
    {
        let in_use = count(connection, root, account, now)?;
        return Ok(Acquired::Again { held: lease.is_held(now), lease, in_use });
    }
    require_versions(connection, new)?;
    let InUse { own, tree } = count(connection, root, account, now)?;
    if own >= new.caps.own || tree >= new.caps.tree {
        return Ok(Acquired::Full(InUse { own, tree }));
    }
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO lease_fences (root_id, fence) VALUES (?1, 1)
             ON CONFLICT (root_id) DO UPDATE SET fence = fence + 1
             RETURNING fence",
        )
        .map_err(from_sqlite)?;
    let fence: i64 =
        statement.query_row([root.as_bytes()], |row| row.get(0)).map_err(from_sqlite)?;
    let lease = Lease {
        id: new.id,
        root,
        account,
        fence: u64::try_from(fence).map_err(Error::internal)?,
        ttl: new.ttl,
        acquired_at: now,
        expires_at: now.plus(new.ttl.get()),
        released_at: None,
    };
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO leases (id, root_id, account_id, fence, ttl, request_id, reference,
                 acquired_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .map_err(from_sqlite)?;
    let inserted = statement.execute(params![
        lease.id.as_bytes(),
        root.as_bytes(),
        account.as_bytes(),
        fence,
        stored_ttl(lease.ttl)?,
        new.request_id.as_ref().map(LeaseRequestId::as_str),
        new.reference.as_ref().map(Line::as_str),
        lease.acquired_at.micros(),
        lease.expires_at.micros(),
    ]);
    inserted.map_err(from_sqlite)?;
    Ok(Acquired::New(lease, InUse { own: own + 1, tree: tree + 1 }))
}

fn find_by_request(
    connection: &Connection,
    account: AccountId,
    request_id: &LeaseRequestId,
) -> Result<Option<Lease>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, root_id, account_id, fence, ttl, acquired_at, expires_at, released_at
             FROM leases WHERE account_id = ?1 AND request_id = ?2",
        )
        .map_err(from_sqlite)?;
    rows::find(&mut statement, params![account.as_bytes(), request_id.as_str()], |row| {
        read_lease(row)
    })
}

/// Refuses caps that follow from records which are not the stored ones any more.
fn require_versions(connection: &Connection, new: &NewLease) -> Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM accounts WHERE id = ?1 AND version = ?2")
        .map_err(from_sqlite)?;
    for (id, version) in [new.account, new.root] {
        let version = i64::try_from(version).map_err(Error::internal)?;
        let stands = statement.exists(params![id.as_bytes(), version]).map_err(from_sqlite)?;
        changed(usize::from(stands))?;
    }
    Ok(())
}

/// Counts what is held at `now`: entries of one range of an index, at most as many as a tree may
/// have.
fn count(
    connection: &Connection,
    root: AccountId,
    account: AccountId,
    now: Timestamp,
) -> Result<InUse> {
    let mut statement = connection
        .prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE account_id = ?2) FROM leases
             WHERE root_id = ?1 AND released_at IS NULL AND expires_at > ?3",
        )
        .map_err(from_sqlite)?;
    let params = params![root.as_bytes(), account.as_bytes(), now.micros()];
    let counted = statement.query_row(params, |row| Ok((row.get(0)?, row.get(1)?)));
    let (tree, own) = counted.map_err(from_sqlite)?;
    Ok(InUse { own: if account == root { tree } else { own }, tree })
}

fn release(
    connection: &Connection,
    (root, id): (AccountId, LeaseId),
    record: Option<&CallRecord>,
    now: Timestamp,
) -> Result<Released> {
    let mut statement = connection
        .prepare_cached("SELECT released_at, expires_at FROM leases WHERE id = ?1 AND root_id = ?2")
        .map_err(from_sqlite)?;
    let (released_at, expires_at): (Option<i64>, i64) =
        rows::find(&mut statement, params![id.as_bytes(), root.as_bytes()], |row| {
            Ok((row.get(0).map_err(from_sqlite)?, row.get(1).map_err(from_sqlite)?))
        })?
        .ok_or(Error::NotFound(Kind::Lease))?;
    if let Some(at) = released_at {
        return Ok(Released::At(Timestamp::from_micros(at)));
    }
    if let Some(record) = record {
        call_records::insert(connection, id, record)?;
    }
    if expires_at <= now.micros() {
        return Ok(Released::Expired);
    }
    let released = execute(
        connection,
        "UPDATE leases SET released_at = ?2 WHERE id = ?1",
        params![id.as_bytes(), now.micros()],
    )?;
    changed(released)?;
    Ok(Released::At(now))
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    statement.execute(params).map_err(from_sqlite)
}
