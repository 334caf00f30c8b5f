//! Service accounts: machine identities of an account, each with a client id and secrets.

mod create;

pub use create::CreatedServiceAccount;

use crate::clock::Timestamp;
use crate::ids::{AccountId, MemberId, ServiceAccountId};
use crate::permissions::PermissionSet;
use crate::secrets::{MacWriter, Protected, SealKey};
use crate::text::Name;

/// A machine identity of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The root account of that account's tree.
    pub root: AccountId,
    /// Its name, unique within the account.
    pub name: Name,
    /// What it calls itself, unique in the plane.
    pub client_id: Box<str>,
    /// What it may do.
    pub permissions: PermissionSet,
    /// Whether its secrets verify.
    pub status: ServiceAccountStatus,
    /// The member who made it.
    pub created_by: MemberId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every change of the record.
    pub version: u64,
}

/// Whether a service account's secrets verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccountStatus {
    /// In use.
    Active,
    /// Switched off for now.
    Disabled,
    /// Gone for good.
    Deleted,
}

impl ServiceAccountStatus {
    /// The word in rows and replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

impl Protected for ServiceAccount {
    const TABLE: &'static str = "service_accounts";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        // Every column, by name: a new one that is not written here does not compile.
        let Self {
            id,
            account,
            root,
            name,
            client_id,
            permissions,
            status,
            created_by,
            created_at,
            version,
        } = self;
        mac.bytes(id.as_bytes());
        mac.bytes(account.as_bytes());
        mac.bytes(root.as_bytes());
        mac.text(name.as_str());
        mac.text(client_id);
        mac.number(i64::try_from(permissions.iter().count()).unwrap_or(i64::MAX));
        for permission in permissions.iter() {
            mac.text(permission);
        }
        mac.text(status.as_str());
        mac.bytes(created_by.as_bytes());
        mac.number(created_at.micros());
        mac.number(i64::try_from(*version).unwrap_or(i64::MAX));
    }
}
