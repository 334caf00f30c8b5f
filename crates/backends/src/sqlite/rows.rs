//! Rows and records: how each is made from the other.
//!
//! A row that is no record (a word that nobody knows, bytes of the wrong length, broken JSON) is
//! [`Error::Integrity`] and an alarm, never a panic and never a guess: somebody wrote it by SQL,
//! or the disk did. What is readable is still [`Unverified`] until its seal was checked.

mod columns;
mod json;

pub(super) use columns::{Columns, damaged};

use super::errors::from_sqlite;
use json::{
    networks_from_json, networks_to_json, permissions_from_json, permissions_to_json,
    profile_from_json, profile_to_json,
};
use rusqlite::{Params, Row, Statement, params};
use tenantry_core::accounts::{
    Account, AccountLimits, AccountStatus, ConcurrentCalls, Entitlements,
};
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::{Credential, CredentialStatus, Owner, Superseded};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};
use tenantry_core::members::Member;
use tenantry_core::secrets::{KeyFormat, Protected, Sealed, Start, Tag, Unverified};
use tenantry_core::service_accounts::{ServiceAccount, ServiceAccountStatus};
use tenantry_core::text::{Line, Metadata, Name};

/// The first row of a query, read by `read`.
pub(super) fn find<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    rows.next().map_err(from_sqlite)?.map(read).transpose()
}

/// Every row of a query that has a limit, read by `read`.
pub(super) fn list<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut rows = statement.query(params).map_err(from_sqlite)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(from_sqlite)? {
        list.push(read(row)?);
    }
    Ok(list)
}

/// Columns of an account as [`read_account`] wants them, in this order: id, `parent_id`, name,
/// profile, metadata, status, entitlements, `concurrent_calls`, `sub_account_concurrent_calls`,
/// `created_by_member`, `created_at`, `updated_at`, version, `row_mac`.
pub(super) const ACCOUNT_COLUMNS: usize = 14;

/// Reads an account from the columns at `from`.
pub(super) fn read_account(row: &Row<'_>, from: usize) -> Result<Unverified<Account>> {
    let id = |bytes| AccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, Account::TABLE, id);
    let record = Account {
        id: AccountId::from_bytes(columns.bytes("column id")?),
        parent: columns.optional_bytes("column parent_id")?.map(AccountId::from_bytes),
        name: columns.parse("column name", |text| Name::parse(text).ok())?,
        profile: columns.parse("column profile", profile_from_json)?,
        metadata: columns.parse("column metadata", |text| Metadata::from_stored(text).ok())?,
        status: columns.parse("column status", AccountStatus::from_stored)?,
        entitlements: columns.parse("column entitlements", Entitlements::from_stored)?,
        limits: AccountLimits {
            concurrent_calls: columns
                .convert_optional("column concurrent_calls", ConcurrentCalls::new)?,
            sub_account_concurrent_calls: columns
                .convert_optional("column sub_account_concurrent_calls", ConcurrentCalls::new)?,
        },
        created_by: MemberId::from_bytes(columns.bytes("column created_by_member")?),
        created_at: columns.time("column created_at")?,
        updated_at: columns.time("column updated_at")?,
        version: columns.version()?,
    };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// Runs `statement` with an account's columns as its parameters: 1 id, 2 `parent_id`, 3 shard,
/// 4 name, 5 profile, 6 metadata, 7 status, 8 entitlements, 9 `concurrent_calls`,
/// 10 `sub_account_concurrent_calls`, 11 `created_by_member`, 12 `created_at`, 13 `updated_at`,
/// 14 version, 15 `row_mac`.
pub(super) fn write_account(
    statement: &mut Statement<'_>,
    sealed: &Sealed<Account>,
) -> Result<usize> {
    let account = sealed.record();
    let written = statement.execute(params![
        account.id.as_bytes(),
        account.parent.as_ref().map(AccountId::as_bytes),
        tenantry_core::commit::shard_of(account.root()),
        account.name.as_str(),
        profile_to_json(&account.profile)?,
        account.metadata.as_str(),
        account.status.as_str(),
        account.entitlements.to_text(),
        account.limits.concurrent_calls.map(ConcurrentCalls::get),
        account.limits.sub_account_concurrent_calls.map(ConcurrentCalls::get),
        account.created_by.as_bytes(),
        account.created_at.micros(),
        account.updated_at.micros(),
        stored_version(account.version)?,
        sealed.seal(),
    ]);
    written.map_err(from_sqlite)
}

/// Columns of a credential as [`read_credential`] wants them, in this order: id, kind,
/// `account_id`, `root_id`, `service_account_id`, `member_id`, format, tag, `pepper_id`, start,
/// name, permissions, `allowed_ips`, metadata, status, `revoked_at`, `expires_at`, lineage,
/// `superseded_by`, `grace_expires_at`, `created_at`, version, `row_mac`, `last_used_at`.
pub(super) const CREDENTIAL_COLUMNS: usize = 24;

/// Reads a credential from the columns at `from`.
pub(super) fn read_credential(row: &Row<'_>, from: usize) -> Result<Unverified<Credential>> {
    let id = |bytes| CredentialId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, Credential::TABLE, id);
    let record = Credential {
        id: CredentialId::from_bytes(columns.bytes("column id")?),
        owner: read_owner(&mut columns)?,
        format: columns.parse("column format", KeyFormat::from_stored)?,
        tag: Tag::from_bytes(columns.bytes("column tag")?),
        pepper_id: columns.convert("column pepper_id", |number| number.try_into().ok())?,
        start: Start::from_stored(columns.text("column start")?),
        name: columns.parse_optional("column name", |text| Name::parse(text).ok())?,
        permissions: columns.parse("column permissions", permissions_from_json)?,
        allowed_ips: columns.parse("column allowed_ips", networks_from_json)?,
        metadata: columns.parse("column metadata", |text| Metadata::from_stored(text).ok())?,
        status: read_credential_status(&mut columns)?,
        expires_at: columns.optional_time("column expires_at")?,
        lineage: CredentialId::from_bytes(columns.bytes("column lineage")?),
        superseded: read_superseded(&mut columns)?,
        created_at: columns.time("column created_at")?,
        version: columns.version()?,
        last_used_at: None,
    };
    let seal = columns.bytes("column row_mac")?;
    let last_used_at = columns.optional_time("column last_used_at")?;
    Ok(Unverified::new(Credential { last_used_at, ..record }, seal))
}

fn read_owner(columns: &mut Columns<'_>) -> Result<Owner> {
    let kind = columns.text("column kind")?;
    let account = columns.optional_bytes("column account_id")?.map(AccountId::from_bytes);
    let root = columns.optional_bytes("column root_id")?.map(AccountId::from_bytes);
    let service_account =
        columns.optional_bytes("column service_account_id")?.map(ServiceAccountId::from_bytes);
    let member = columns.optional_bytes("column member_id")?.map(MemberId::from_bytes);
    match (kind, account, root, service_account, member) {
        ("api_key", Some(account), Some(root), None, Some(member)) => {
            Ok(Owner::Account { account, root, member })
        }
        ("client_secret", Some(account), Some(root), Some(service_account), None) => {
            Ok(Owner::ServiceAccount { service_account, account, root })
        }
        ("platform_key", None, None, None, None) => Ok(Owner::Platform),
        _ => Err(columns.damaged("column kind")),
    }
}

fn read_credential_status(columns: &mut Columns<'_>) -> Result<CredentialStatus> {
    let word = columns.text("column status")?;
    let revoked_at = columns.optional_time("column revoked_at")?;
    match (word, revoked_at) {
        ("active", None) => Ok(CredentialStatus::Active),
        ("disabled", None) => Ok(CredentialStatus::Disabled),
        ("revoked", Some(at)) => Ok(CredentialStatus::Revoked { at }),
        _ => Err(columns.damaged("column status")),
    }
}

fn read_superseded(columns: &mut Columns<'_>) -> Result<Option<Superseded>> {
    let by = columns.optional_bytes("column superseded_by")?.map(CredentialId::from_bytes);
    let until = columns.optional_time("column grace_expires_at")?;
    match (by, until) {
        (None, None) => Ok(None),
        (Some(by), Some(until)) => Ok(Some(Superseded { by, until })),
        _ => Err(columns.damaged("column superseded_by")),
    }
}

/// Runs `statement` with a credential's columns as its parameters, numbered from 1 in the order
/// of [`CREDENTIAL_COLUMNS`] but for the last, which no record writes.
pub(super) fn write_credential(
    statement: &mut Statement<'_>,
    sealed: &Sealed<Credential>,
) -> Result<usize> {
    let credential = sealed.record();
    let (service_account, member) = match &credential.owner {
        Owner::Account { member, .. } => (None, Some(member.as_bytes())),
        Owner::ServiceAccount { service_account, .. } => (Some(service_account.as_bytes()), None),
        Owner::Platform => (None, None),
    };
    let account = credential.owner.account();
    let root = account.map(|_| credential.owner.root());
    let revoked_at = match credential.status {
        CredentialStatus::Revoked { at } => Some(at.micros()),
        CredentialStatus::Active | CredentialStatus::Disabled => None,
    };
    let written = statement.execute(params![
        credential.id.as_bytes(),
        credential.owner.kind(),
        account.as_ref().map(AccountId::as_bytes),
        root.as_ref().map(AccountId::as_bytes),
        service_account,
        member,
        credential.format.as_str(),
        credential.tag.as_bytes(),
        credential.pepper_id,
        credential.start.as_str(),
        credential.name.as_ref().map(Name::as_str),
        permissions_to_json(&credential.permissions)?,
        networks_to_json(&credential.allowed_ips)?,
        credential.metadata.as_str(),
        credential.status.as_str(),
        revoked_at,
        credential.expires_at.map(Timestamp::micros),
        credential.lineage.as_bytes(),
        credential.superseded.as_ref().map(|superseded| superseded.by.as_bytes()),
        credential.superseded.map(|superseded| superseded.until.micros()),
        credential.created_at.micros(),
        stored_version(credential.version)?,
        sealed.seal(),
    ]);
    written.map_err(from_sqlite)
}

/// Columns of a service account as [`read_service_account`] wants them, in this order: id,
/// `account_id`, `root_id`, name, `client_id`, permissions, status, `created_by`, `created_at`,
/// version, `row_mac`.
pub(super) const SERVICE_ACCOUNT_COLUMNS: usize = 11;

/// Reads a service account from the columns at `from`.
pub(super) fn read_service_account(
    row: &Row<'_>,
    from: usize,
) -> Result<Unverified<ServiceAccount>> {
    let id = |bytes| ServiceAccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, from, ServiceAccount::TABLE, id);
    let record = ServiceAccount {
        id: ServiceAccountId::from_bytes(columns.bytes("column id")?),
        account: AccountId::from_bytes(columns.bytes("column account_id")?),
        root: AccountId::from_bytes(columns.bytes("column root_id")?),
        name: columns.parse("column name", |text| Name::parse(text).ok())?,
        client_id: columns.text("column client_id")?.into(),
        permissions: columns.parse("column permissions", permissions_from_json)?,
        status: columns.parse("column status", ServiceAccountStatus::from_stored)?,
        created_by: MemberId::from_bytes(columns.bytes("column created_by")?),
        created_at: columns.time("column created_at")?,
        version: columns.version()?,
    };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

/// Runs `statement` with a service account's columns as its parameters, numbered from 1 in the
/// order of [`SERVICE_ACCOUNT_COLUMNS`].
pub(super) fn write_service_account(
    statement: &mut Statement<'_>,
    sealed: &Sealed<ServiceAccount>,
) -> Result<usize> {
    let service_account = sealed.record();
    let written = statement.execute(params![
        service_account.id.as_bytes(),
        service_account.account.as_bytes(),
        service_account.root.as_bytes(),
        service_account.name.as_str(),
        service_account.client_id,
        permissions_to_json(&service_account.permissions)?,
        service_account.status.as_str(),
        service_account.created_by.as_bytes(),
        service_account.created_at.micros(),
        stored_version(service_account.version)?,
        sealed.seal(),
    ]);
    written.map_err(from_sqlite)
}

/// Reads a service account's name that is the only column.
pub(super) fn read_name(row: &Row<'_>) -> Result<String> {
    // There is no id to name in the alarm.
    let id = |_| String::new();
    Columns::new(row, 0, ServiceAccount::TABLE, id).text("column name").map(str::to_owned)
}

/// Reads a member from the columns `account_id`, id, realm, subject, name, email.
pub(super) fn read_member(row: &Row<'_>) -> Result<Member> {
    let id = |bytes| AccountId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "members", id);
    Ok(Member {
        account: AccountId::from_bytes(columns.bytes("column account_id")?),
        id: MemberId::from_bytes(columns.bytes("column id")?),
        realm: columns.text("column realm")?.into(),
        subject: columns.text("column subject")?.into(),
        name: columns.parse_optional("column name", |text| Name::parse(text).ok())?,
        email: columns.parse_optional("column email", |text| Line::parse(text).ok())?,
    })
}

/// The number that the store keeps for a record's version.
fn stored_version(version: u64) -> Result<i64> {
    i64::try_from(version).map_err(Error::internal)
}
