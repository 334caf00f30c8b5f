//! Rows and records: how each is made from the other.
//!
//! A row that is no record (a word that nobody knows, bytes of the wrong length, broken JSON) is
//! [`Error::Integrity`] and an alarm, never a panic and never a guess: somebody wrote it by SQL,
//! or the disk did. What is readable is still [`Unverified`] until its seal was checked.

mod audit;
mod cells;
mod columns;
mod databases;
mod found;
mod json;
mod leases;
mod oauth;
mod realms;
mod usage;
mod uses;

pub(crate) use audit::{audit_event_cells, read_audit_event, read_chain_head, read_link};
pub(crate) use cells::Cell;
pub(crate) use columns::{Columns, Source, Unread, damaged};
pub(crate) use databases::{database_cells, database_columns, read_database};
pub(crate) use found::{read_found, read_head};
pub(crate) use leases::{
    LEASE_COLUMNS, call_record_cells, read_holder, read_lease, stored_micros, stored_ttl,
};
pub(crate) use oauth::{
    client_settings_cells, read_client_settings, read_found_client, read_listed_signing_key,
    read_signing_key, signing_key_cells,
};
pub(crate) use realms::{read_realm, realm_cells};
pub(crate) use usage::{place_cells, read_sum, read_unrolled_call, usage_cells};
pub(crate) use uses::read_drawn;

use json::{
    networks_from_json, networks_to_json, permissions_from_json, permissions_to_json,
    profile_from_json, profile_to_json,
};
use tenantry_core::accounts::{
    Account, AccountLimits, AccountStatus, ConcurrentCalls, Entitlements,
};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::Replay;
use tenantry_core::credentials::{Credential, CredentialStatus, KeyLimits, Owner, Superseded};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};
use tenantry_core::members::Member;
use tenantry_core::rates::Rates;
use tenantry_core::secrets::{KeyFormat, Protected, Sealed, Start, Tag, Unverified};
use tenantry_core::service_accounts::{ServiceAccount, ServiceAccountStatus};
use tenantry_core::text::{Line, Metadata, Name};

/// Columns of an account as [`read_account`] wants them, in this order: id, `parent_id`, name,
/// profile, metadata, status, entitlements, `concurrent_calls`, `sub_account_concurrent_calls`,
/// `created_by_member`, `created_at`, `updated_at`, version, `row_mac`, rates.
pub(crate) const ACCOUNT_COLUMNS: usize = 15;

/// Reads an account from the columns at `from`.
pub(crate) fn read_account(row: &impl Source, from: usize) -> Result<Unverified<Account>> {
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
            rates: Rates::default(),
        },
        created_by: MemberId::from_bytes(columns.bytes("column created_by_member")?),
        created_at: columns.time("column created_at")?,
        updated_at: columns.time("column updated_at")?,
        version: columns.version()?,
    };
    let seal = columns.bytes("column row_mac")?;
    let rates = columns.parse_optional("column rates", Rates::from_stored)?.unwrap_or_default();
    let limits = AccountLimits { rates, ..record.limits };
    Ok(Unverified::new(Account { limits, ..record }, seal))
}

/// An account's columns: id, `parent_id`, shard, name, profile, metadata, status, entitlements,
/// `concurrent_calls`, `sub_account_concurrent_calls`, `created_by_member`, `created_at`,
/// `updated_at`, version, `row_mac`, rates.
pub(crate) fn account_cells(sealed: &Sealed<Account>) -> Result<[Cell<'_>; 16]> {
    let account = sealed.record();
    let calls =
        |calls: Option<ConcurrentCalls>| Cell::Number(calls.map(|calls| calls.get().into()));
    Ok([
        Cell::bytes(account.id.as_bytes()),
        Cell::Bytes(account.parent.as_ref().map(|id| &id.as_bytes()[..])),
        Cell::number(tenantry_core::commit::shard_of(account.root())),
        Cell::text(account.name.as_str()),
        Cell::text(profile_to_json(&account.profile)?),
        Cell::text(account.metadata.as_str()),
        Cell::text(account.status.as_str()),
        Cell::text(account.entitlements.to_text()),
        calls(account.limits.concurrent_calls),
        calls(account.limits.sub_account_concurrent_calls),
        Cell::bytes(account.created_by.as_bytes()),
        Cell::number(account.created_at.micros()),
        Cell::number(account.updated_at.micros()),
        Cell::number(stored_number(account.version)?),
        Cell::bytes(sealed.seal()),
        Cell::owned_text(account.limits.rates.to_stored()),
    ])
}

/// Columns of a credential as [`read_credential`] wants them, in this order: id, kind,
/// `account_id`, `root_id`, `service_account_id`, `member_id`, format, tag, `pepper_id`, start,
/// name, permissions, `allowed_ips`, metadata, status, `revoked_at`, `expires_at`, lineage,
/// `superseded_by`, `grace_expires_at`, `created_at`, version, `row_mac`, limits, `last_used_at`.
pub(crate) const CREDENTIAL_COLUMNS: usize = 25;

/// Reads a credential from the columns at `from`.
pub(crate) fn read_credential(row: &impl Source, from: usize) -> Result<Unverified<Credential>> {
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
        limits: KeyLimits::default(),
        last_used_at: None,
    };
    let seal = columns.bytes("column row_mac")?;
    let limits =
        columns.parse_optional("column limits", KeyLimits::from_stored)?.unwrap_or_default();
    let last_used_at = columns.optional_time("column last_used_at")?;
    Ok(Unverified::new(Credential { limits, last_used_at, ..record }, seal))
}

fn read_owner(columns: &mut Columns<'_, impl Source>) -> Result<Owner> {
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

fn read_credential_status(columns: &mut Columns<'_, impl Source>) -> Result<CredentialStatus> {
    let word = columns.text("column status")?;
    let revoked_at = columns.optional_time("column revoked_at")?;
    match (word, revoked_at) {
        ("active", None) => Ok(CredentialStatus::Active),
        ("disabled", None) => Ok(CredentialStatus::Disabled),
        ("revoked", Some(at)) => Ok(CredentialStatus::Revoked { at }),
        _ => Err(columns.damaged("column status")),
    }
}

fn read_superseded(columns: &mut Columns<'_, impl Source>) -> Result<Option<Superseded>> {
    let by = columns.optional_bytes("column superseded_by")?.map(CredentialId::from_bytes);
    let until = columns.optional_time("column grace_expires_at")?;
    match (by, until) {
        (None, None) => Ok(None),
        (Some(by), Some(until)) => Ok(Some(Superseded { by, until })),
        _ => Err(columns.damaged("column superseded_by")),
    }
}

/// A credential's columns in the order of [`CREDENTIAL_COLUMNS`] but for the last, which no record
/// writes.
pub(crate) fn credential_cells(sealed: &Sealed<Credential>) -> Result<[Cell<'_>; 24]> {
    let credential = sealed.record();
    let (account, root, service_account, member) = match &credential.owner {
        Owner::Account { account, root, member } => {
            (Some(account), Some(root), None, Some(&member.as_bytes()[..]))
        }
        Owner::ServiceAccount { service_account, account, root } => {
            (Some(account), Some(root), Some(&service_account.as_bytes()[..]), None)
        }
        Owner::Platform => (None, None, None, None),
    };
    let revoked_at = match credential.status {
        CredentialStatus::Revoked { at } => Some(at.micros()),
        CredentialStatus::Active | CredentialStatus::Disabled => None,
    };
    let superseded = credential.superseded.as_ref();
    Ok([
        Cell::bytes(credential.id.as_bytes()),
        Cell::text(credential.owner.kind()),
        Cell::Bytes(account.map(|id| &id.as_bytes()[..])),
        Cell::Bytes(root.map(|id| &id.as_bytes()[..])),
        Cell::Bytes(service_account),
        Cell::Bytes(member),
        Cell::text(credential.format.as_str()),
        Cell::bytes(credential.tag.as_bytes()),
        Cell::number(credential.pepper_id),
        Cell::text(credential.start.as_str()),
        Cell::optional_text(credential.name.as_ref().map(Name::as_str)),
        Cell::text(permissions_to_json(&credential.permissions)?),
        Cell::text(networks_to_json(&credential.allowed_ips)?),
        Cell::text(credential.metadata.as_str()),
        Cell::text(credential.status.as_str()),
        Cell::Number(revoked_at),
        Cell::Number(credential.expires_at.map(Timestamp::micros)),
        Cell::bytes(credential.lineage.as_bytes()),
        Cell::Bytes(superseded.map(|superseded| &superseded.by.as_bytes()[..])),
        Cell::Number(superseded.map(|superseded| superseded.until.micros())),
        Cell::number(credential.created_at.micros()),
        Cell::number(stored_number(credential.version)?),
        Cell::bytes(sealed.seal()),
        Cell::owned_text(credential.limits.to_stored()),
    ])
}

/// Columns of a service account as [`read_service_account`] wants them, in this order: id,
/// `account_id`, `root_id`, name, `client_id`, permissions, status, `created_by`, `created_at`,
/// version, `row_mac`.
pub(crate) const SERVICE_ACCOUNT_COLUMNS: usize = 11;

/// Reads a service account from the columns at `from`.
pub(crate) fn read_service_account(
    row: &impl Source,
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

/// A service account's columns in the order of [`SERVICE_ACCOUNT_COLUMNS`].
pub(crate) fn service_account_cells(sealed: &Sealed<ServiceAccount>) -> Result<[Cell<'_>; 11]> {
    let service_account = sealed.record();
    Ok([
        Cell::bytes(service_account.id.as_bytes()),
        Cell::bytes(service_account.account.as_bytes()),
        Cell::bytes(service_account.root.as_bytes()),
        Cell::text(service_account.name.as_str()),
        Cell::text(&*service_account.client_id),
        Cell::text(permissions_to_json(&service_account.permissions)?),
        Cell::text(service_account.status.as_str()),
        Cell::bytes(service_account.created_by.as_bytes()),
        Cell::number(service_account.created_at.micros()),
        Cell::number(stored_number(service_account.version)?),
        Cell::bytes(sealed.seal()),
    ])
}

/// Reads a service account's name that is the only column.
pub(crate) fn read_name(row: &impl Source) -> Result<String> {
    // There is no id to name in the alarm.
    let id = |_| String::new();
    Columns::new(row, 0, ServiceAccount::TABLE, id).text("column name").map(str::to_owned)
}

/// Reads a member from the columns `account_id`, id, realm, subject, name, email.
pub(crate) fn read_member(row: &impl Source) -> Result<Member> {
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

/// A member's columns: `account_id`, id, realm, subject, name, email.
pub(crate) fn member_cells(member: &Member) -> [Cell<'_>; 6] {
    [
        Cell::bytes(member.account.as_bytes()),
        Cell::bytes(member.id.as_bytes()),
        Cell::text(&*member.realm),
        Cell::text(&*member.subject),
        Cell::optional_text(member.name.as_ref().map(Name::as_str)),
        Cell::optional_text(member.email.as_ref().map(Line::as_str)),
    ]
}

/// A kept reply's columns: scope, `key_hash`, `body_fingerprint`, reply, `reply_until`, resource,
/// `expires_at`.
pub(crate) fn replay_cells(replay: &Replay) -> [Cell<'_>; 7] {
    [
        Cell::text(&*replay.scope),
        Cell::bytes(&replay.key_hash),
        Cell::bytes(&replay.body_fingerprint),
        Cell::bytes(&replay.reply),
        Cell::number(replay.reply_until.micros()),
        Cell::text(&*replay.resource),
        Cell::number(replay.expires_at.micros()),
    ]
}

/// The number that a store keeps for a version, length or place.
pub(crate) fn stored_number(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(Error::internal)
}

/// True where nothing stands in the column of an id.
fn is_null(row: &impl Source, column: usize) -> bool {
    matches!(row.bytes(column), Ok(None))
}
