//! Service accounts: machine identities of an account, each with a client id and secrets.

mod change;
mod create;
mod find;
mod rotate;
mod secrets;

pub use change::{ServiceAccountChanges, Switch};
pub use create::{CreatedServiceAccount, NewServiceAccount};
pub use find::{NumberedPage, ServiceAccountPage};
pub use rotate::RotatedSecret;
pub use secrets::CreatedSecret;

use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::credentials::Credential;
use crate::ids::{AccountId, MemberId, ServiceAccountId};
use crate::members::Member;
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
    /// Its name, unique within the account among those that are not deleted.
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
    /// Grows by one with every change of the record and with every new secret, so that whoever
    /// changes it has seen all of its secrets.
    pub version: u64,
}

/// A service account with what is shown beside it.
#[derive(Clone, Debug)]
pub struct ServiceAccountDetails {
    /// The service account.
    pub service_account: ServiceAccount,
    /// Its secrets that verify, oldest first.
    pub secrets: Vec<Credential>,
    /// The member who made it, where that is known.
    pub created_by: Option<Member>,
    /// The organization that it belongs to.
    pub organization: Account,
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
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Disabled, Self::Deleted];

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
        Self::ALL.into_iter().find(|status| status.as_str() == word)
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
