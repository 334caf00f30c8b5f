//! Every seal: which rows are what their writer wrote?

use super::{Finding, Findings, Inspection};
use crate::rows::{database_columns, read_database};
use crate::sqlite::errors::from_sqlite;
use crate::sqlite::rows;
use rusqlite::{Row, params};
use tenantry_core::error::{Error, Result};
use tenantry_core::secrets::Secrets;

/// Rows that are read in one transaction, so that the log beside the database can be emptied in
/// between.
const PAGE_ROWS: i64 = 4096;

pub(super) const ACCOUNTS: &str =
    "SELECT rowid, id, parent_id, name, profile, metadata, status, entitlements,
         concurrent_calls, sub_account_concurrent_calls, created_by_member, created_at, updated_at,
         version, row_mac, rates
     FROM accounts WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

pub(super) const SERVICE_ACCOUNTS: &str =
    "SELECT rowid, id, account_id, root_id, name, client_id, permissions,
         status, created_by, created_at, version, row_mac
     FROM service_accounts WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

pub(super) const CREDENTIALS: &str =
    "SELECT rowid, id, kind, account_id, root_id, service_account_id, member_id,
         format, tag, pepper_id, start, name, permissions, allowed_ips, metadata, status,
         revoked_at, expires_at, lineage, superseded_by, grace_expires_at, created_at, version,
         row_mac, limits, last_used_at
     FROM credentials WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

const SIGNING_KEYS: &str =
    "SELECT rowid, number, kid, algorithm, sealed_key, created_at, signs_from, row_mac
     FROM signing_keys WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

const CLIENT_SETTINGS: &str =
    "SELECT rowid, service_account_id, root_id, keys, token_endpoint_audience, not_before,
         version, row_mac
     FROM client_settings WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

const REALMS: &str = "SELECT rowid, id, root_id, name, issuer, settings, created_at, row_mac
     FROM realms WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

const TENANT_DATABASES: &str = concat!(
    "SELECT rowid, ",
    database_columns!(),
    " FROM tenant_databases WHERE rowid > ?1 ORDER BY rowid LIMIT ?2"
);

const AUDIT_EVENTS: &str =
    "SELECT rowid, id, root_id, at, actor_kind, actor_id, action, target_kind,
         target_id, facts, request_id, address, mac
     FROM audit_events WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

impl Inspection {
    /// Reads every row that carries a seal and checks it, telling `progress` how many are done.
    /// The schema has to be this version's.
    ///
    /// # Errors
    /// What SQLite says; a wrong row is a finding.
    pub fn check_seals(
        &self,
        secrets: &Secrets,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Findings> {
        let mut findings = Findings::default();
        let mut sweep = |sql: &str, open: &dyn Fn(&Row<'_>) -> Result<()>| {
            self.sweep(sql, &mut findings, progress, open)
        };
        sweep(ACCOUNTS, &|row| rows::read_account(row, 1)?.open(secrets).map(drop))?;
        sweep(SERVICE_ACCOUNTS, &|row| {
            rows::read_service_account(row, 1)?.open(secrets).map(drop)
        })?;
        sweep(CREDENTIALS, &|row| rows::read_credential(row, 1)?.open(secrets).map(drop))?;
        sweep(SIGNING_KEYS, &|row| rows::read_signing_key(row, 1)?.open(secrets).map(drop))?;
        sweep(CLIENT_SETTINGS, &|row| rows::read_client_settings(row, 1)?.open(secrets).map(drop))?;
        sweep(REALMS, &|row| rows::read_realm(row, 1)?.open(secrets).map(drop))?;
        sweep(TENANT_DATABASES, &|row| read_database(row, 1)?.open(secrets).map(drop))?;
        sweep(AUDIT_EVENTS, &|row| rows::read_audit_event(row, 1)?.open(secrets).map(drop))?;
        Ok(findings)
    }

    fn sweep(
        &self,
        sql: &str,
        findings: &mut Findings,
        progress: &mut dyn FnMut(u64),
        open: &dyn Fn(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection().prepare_cached(sql).map_err(from_sqlite)?;
        let mut after = i64::MIN;
        loop {
            let mut rows = statement.query(params![after, PAGE_ROWS]).map_err(from_sqlite)?;
            let mut read = 0;
            while let Some(row) = rows.next().map_err(from_sqlite)? {
                after = row.get(0).map_err(from_sqlite)?;
                read += 1;
                match open(row) {
                    Ok(()) => {}
                    Err(Error::Integrity { table, id, problem }) => {
                        findings.add(Finding { table, id, problem });
                    }
                    Err(error) => return Err(error),
                }
            }
            findings.checked += read;
            progress(findings.checked);
            if read == 0 {
                return Ok(());
            }
        }
    }
}
