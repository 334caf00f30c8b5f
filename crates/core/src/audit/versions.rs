//! What the trail says about the rows that it is about: each event that makes or changes an
//! account, a credential or a service account names the version that the row has after it.
//!
//! A row's own seal says that the plane wrote it, not that it is the newest: an older row put back
//! by SQL has a good seal. The trail knows how often it was changed since.

use super::{AuditEvent, StoredAuditEvent};
use crate::ids::{AccountId, CredentialId, ServiceAccountId};
use crate::secrets::{MacWriter, Secrets};
use std::fmt::Write as _;

/// Name of the fact that says which version the event's target has after it.
const VERSION: &str = "version";
/// Name of the fact that says the same of further rows, `ID@VERSION` with blanks between.
const ROWS: &str = "rows";

/// Actions whose target is new: version 1, without saying so.
const MAKING: [&str; 6] = [
    "organization.created",
    "account.created",
    "key.created",
    "key.imported",
    "platform_key.created",
    "service_account.created",
];
/// Of these, actions that also make the credential that they name by one of these facts.
const FIRST_CREDENTIAL: [&str; 2] = ["key_id", "secret_id"];

/// A row whose versions the trail knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// An account.
    Account(AccountId),
    /// An API key, platform key or client secret.
    Credential(CredentialId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
}

impl Row {
    /// The id's bytes.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        match self {
            Self::Account(id) => id.as_bytes(),
            Self::Credential(id) => id.as_bytes(),
            Self::ServiceAccount(id) => id.as_bytes(),
        }
    }

    /// The table that it is a row of.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        match self {
            Self::Account(_) => "accounts",
            Self::Credential(_) => "credentials",
            Self::ServiceAccount(_) => "service_accounts",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let account = || AccountId::parse_native(text).map(Self::Account);
        let credential = || CredentialId::parse_native(text).map(Self::Credential);
        let service = || ServiceAccountId::parse_native(text).map(Self::ServiceAccount);
        let secret = || CredentialId::parse_secret(text).map(Self::Credential);
        account().or_else(|_| credential()).or_else(|_| secret()).or_else(|_| service()).ok()
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Credential(id) => id.fmt(f),
            Self::ServiceAccount(id) => id.fmt(f),
        }
    }
}

impl AuditEvent {
    /// Says which version the target has after the event. Every change of a row that has versions
    /// says so of that row, or `audit verify` takes the change for somebody's SQL.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        self.with(VERSION, version)
    }

    /// Says the same of a further row that the event made or changed.
    #[must_use]
    pub fn with_row(mut self, row: Row, version: u64) -> Self {
        if let Some((_, rows)) = self.facts.iter_mut().find(|(name, _)| *name == ROWS) {
            // A string takes every write.
            let _ = write!(rows, " {row}@{version}");
            return self;
        }
        self.with(ROWS, format_args!("{row}@{version}"))
    }
}

impl StoredAuditEvent {
    /// The rows that the event made or changed, each with its version after it.
    #[must_use]
    pub fn rows(&self) -> Vec<(Row, u64)> {
        let makes = MAKING.contains(&&*self.action);
        let mut rows = Vec::new();
        let version = self.fact(VERSION).and_then(|text| text.parse().ok());
        if let Some(version) = version.or_else(|| makes.then_some(1)) {
            rows.extend(Row::parse(&self.target.1).map(|row| (row, version)));
        }
        if makes {
            let named = FIRST_CREDENTIAL.iter().filter_map(|name| self.fact(name));
            rows.extend(named.filter_map(Row::parse).map(|row| (row, 1)));
        }
        let further = self.fact(ROWS).unwrap_or_default().split(' ').filter_map(|text| {
            let (row, version) = text.split_once('@')?;
            Some((Row::parse(row)?, version.parse().ok()?))
        });
        rows.extend(further);
        rows
    }

    /// A fact by its name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

const BUCKETS: usize = 1 << 16;

/// Compares the versions that the trail names with those that rows have, in memory that does not
/// grow with either: what the trail says is added up, what rows say is subtracted, by groups of
/// ids, each version of each row as a number that only the plane's secrets tell.
pub struct VersionSums {
    sums: Vec<u128>,
}

impl Default for VersionSums {
    fn default() -> Self {
        Self { sums: vec![0; BUCKETS] }
    }
}

impl VersionSums {
    /// An event of the trail.
    pub fn add_event(&mut self, event: &StoredAuditEvent, secrets: &Secrets) {
        for (row, version) in event.rows() {
            let sum = &mut self.sums[Self::bucket(&row)];
            *sum = sum.wrapping_add(number(&row, version, secrets));
        }
    }

    /// A row whose seal is right. Of each of its versions the trail has to know.
    pub fn take_row(&mut self, row: &Row, version: u64, secrets: &Secrets) {
        let sum = &mut self.sums[Self::bucket(row)];
        for version in 1..=version {
            *sum = sum.wrapping_sub(number(row, version, secrets));
        }
    }

    /// The groups in which trail and rows disagree.
    #[must_use]
    pub fn differing(&self) -> Vec<usize> {
        let sums = self.sums.iter().enumerate();
        sums.filter(|(_, sum)| **sum != 0).map(|(bucket, _)| bucket).collect()
    }

    /// The group of a row.
    #[must_use]
    pub fn bucket(row: &Row) -> usize {
        let id = row.id();
        usize::from(u16::from_be_bytes([id[14], id[15]]))
    }
}

fn number(row: &Row, version: u64, secrets: &Secrets) -> u128 {
    let mut writer = MacWriter::new();
    writer.text("versions");
    writer.text(row.table());
    writer.bytes(row.id());
    writer.number(i64::try_from(version).unwrap_or(i64::MAX));
    let mac = secrets.chain_mac(&writer);
    let half: [u8; 16] = std::array::from_fn(|index| mac[index]);
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::EventId;
    use crate::rng::SeededRng;
    use crate::secrets::SecretsMaterial;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
    const KEY: CredentialId = CredentialId::from_bytes([2; 16]);
    const OTHER: CredentialId = CredentialId::from_bytes([3; 16]);

    fn event(action: &str, target: &str, facts: &[(&str, &str)]) -> StoredAuditEvent {
        StoredAuditEvent {
            id: EventId::from_bytes([9; 16]),
            root: ACCOUNT,
            at: Timestamp::from_micros(0),
            actor: ("operator".to_owned(), "local".to_owned()),
            action: action.to_owned(),
            target: (String::new(), target.to_owned()),
            facts: facts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            request_id: "r".to_owned(),
            address: None,
        }
    }

    #[test]
    fn an_event_names_the_versions_of_the_rows_that_it_wrote() {
        let (account, key) = (Row::Account(ACCOUNT), Row::Credential(KEY));
        let other = Row::Credential(OTHER);
        let made = event("account.created", &ACCOUNT.to_string(), &[("key_id", &KEY.to_string())]);
        assert_eq!(made.rows(), [(account, 1), (key, 1)]);
        let rows = format!("{OTHER}@1 nonsense {KEY}@x");
        let facts = [("version", "4"), ("key_id", &KEY.to_string()), ("rows", &rows)];
        let changed = event("key.rotated", &KEY.to_string(), &facts);
        assert_eq!(changed.rows(), [(key, 4), (other, 1)]);
        assert_eq!(event("token.issued", &ACCOUNT.to_string(), &[]).rows(), []);
    }

    #[test]
    fn sums_differ_where_a_version_is_missing_or_too_many() {
        let secrets =
            Secrets::new(&SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets"));
        let made = event("key.created", &KEY.to_string(), &[]);
        let changed = event("key.revoked", &KEY.to_string(), &[("version", "2")]);
        let differs = |events: &[&StoredAuditEvent], version: Option<u64>| {
            let mut sums = VersionSums::default();
            for event in events {
                sums.add_event(event, &secrets);
            }
            if let Some(version) = version {
                sums.take_row(&Row::Credential(KEY), version, &secrets);
            }
            !sums.differing().is_empty()
        };
        assert!(!differs(&[&made, &changed], Some(2)));
        assert!(!differs(&[&changed, &made], Some(2)));
        assert!(differs(&[&made, &changed], Some(1)), "an older row put back");
        assert!(differs(&[&made], Some(2)), "a change without an event");
        assert!(differs(&[&made, &changed], None), "a row that is gone");
        assert!(differs(&[], Some(1)), "a row that nobody made");
        assert!(differs(&[&changed, &changed], Some(2)));
    }
}
