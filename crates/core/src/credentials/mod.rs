//! Credentials: what can be presented and verified. An API key of an account, a platform key of
//! the product's own services, or a client secret of a service account.

use crate::Plane;
use crate::clock::Timestamp;
use crate::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};
use crate::permissions::PermissionSet;
use crate::secrets::{KeyFormat, MacWriter, PlainSecret, Protected, SealKey, Start, Tag};
use crate::text::{Metadata, Name};
use ipnet::IpNet;

/// A credential as it is stored: everything but its plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whom it belongs to; this is also what kind of credential it is.
    pub owner: Owner,
    /// How it is spelled.
    pub format: KeyFormat,
    /// What it is found by.
    pub tag: Tag,
    /// The pepper of the tag.
    pub pepper_id: u16,
    /// Its first characters.
    pub start: Start,
    /// Its name, where it has one.
    pub name: Option<Name>,
    /// What it may do. Empty for a client secret: its service account's permissions count.
    pub permissions: PermissionSet,
    /// Where it may come from; empty means anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// The caller's own object.
    pub metadata: Metadata,
    /// Whether it was switched off.
    pub status: CredentialStatus,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The first credential of the line that rotations made; its own id where it is the first.
    pub lineage: CredentialId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every change of the record.
    pub version: u64,
}

/// Whom a credential belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An API key.
    Account {
        /// The account.
        account: AccountId,
        /// The root account of its tree.
        root: AccountId,
        /// The member who made the key, or whose key made it.
        member: MemberId,
    },
    /// A client secret.
    ServiceAccount {
        /// The service account.
        service_account: ServiceAccountId,
        /// The account that it belongs to.
        account: AccountId,
        /// The root account of that account's tree.
        root: AccountId,
    },
    /// A platform key, of no account.
    Platform,
}

impl Owner {
    /// The word in rows and replies.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account { .. } => "api_key",
            Self::ServiceAccount { .. } => "client_secret",
            Self::Platform => "platform_key",
        }
    }

    /// The account, unless it is a platform key.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account { account, .. } | Self::ServiceAccount { account, .. } => Some(*account),
            Self::Platform => None,
        }
    }

    /// The root account; [`AccountId::PLANE`] for a platform key.
    #[must_use]
    pub const fn root(&self) -> AccountId {
        match self {
            Self::Account { root, .. } | Self::ServiceAccount { root, .. } => *root,
            Self::Platform => AccountId::PLANE,
        }
    }
}

/// Whether a credential was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialStatus {
    /// In use.
    Active,
    /// Switched off for now.
    Disabled,
    /// Ended for good.
    Revoked {
        /// When.
        at: Timestamp,
    },
}

impl CredentialStatus {
    /// The word in rows and replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl KeyFormat {
    /// The word in rows and replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::SubAccount => "sub_account",
            Self::Account => "account",
            Self::Imported => "imported",
            Self::ClientSecret => "client_secret",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Native, Self::SubAccount, Self::Account, Self::Imported, Self::ClientSecret]
            .into_iter()
            .find(|format| format.as_str() == word)
    }
}

/// A credential to issue.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) owner: Owner,
    pub(crate) format: KeyFormat,
    pub(crate) name: Option<Name>,
    pub(crate) permissions: PermissionSet,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Credential {
    /// Draws the plaintext of a new credential and builds its record.
    pub(crate) fn issue(
        id: CredentialId,
        new: NewCredential,
        now: Timestamp,
        plane: &Plane,
    ) -> (Self, PlainSecret) {
        let secret = PlainSecret::generate(&*plane.rng, new.format, id, &plane.policy.key_prefix);
        let credential = Self {
            id,
            owner: new.owner,
            format: new.format,
            tag: secret.tag(&plane.secrets),
            pepper_id: plane.secrets.pepper_id(),
            start: secret.start(),
            name: new.name,
            permissions: new.permissions,
            allowed_ips: Vec::new(),
            metadata: Metadata::empty(),
            status: CredentialStatus::Active,
            expires_at: new.expires_at,
            lineage: id,
            created_at: now,
            version: 1,
        };
        (credential, secret)
    }
}

impl Protected for Credential {
    const TABLE: &'static str = "credentials";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        // Every column, by name: a new one that is not written here does not compile.
        let Self {
            id,
            owner,
            format,
            tag,
            pepper_id,
            start,
            name,
            permissions,
            allowed_ips,
            metadata,
            status,
            expires_at,
            lineage,
            created_at,
            version,
        } = self;
        mac.bytes(id.as_bytes());
        mac.text(owner.kind());
        match owner {
            Owner::Account { account, root, member } => {
                mac.bytes(account.as_bytes());
                mac.bytes(root.as_bytes());
                mac.bytes(member.as_bytes());
            }
            Owner::ServiceAccount { service_account, account, root } => {
                mac.bytes(service_account.as_bytes());
                mac.bytes(account.as_bytes());
                mac.bytes(root.as_bytes());
            }
            Owner::Platform => {}
        }
        mac.text(format.as_str());
        mac.bytes(tag.as_bytes());
        mac.number((*pepper_id).into());
        mac.text(start.as_str());
        mac.optional(name.as_ref(), |mac, name| mac.text(name.as_str()));
        mac.number(i64::try_from(permissions.iter().count()).unwrap_or(i64::MAX));
        for permission in permissions.iter() {
            mac.text(permission);
        }
        mac.number(i64::try_from(allowed_ips.len()).unwrap_or(i64::MAX));
        for network in allowed_ips {
            mac.text(&network.to_string());
        }
        mac.text(metadata.as_str());
        mac.text(status.as_str());
        if let CredentialStatus::Revoked { at } = status {
            mac.number(at.micros());
        }
        mac.optional(*expires_at, |mac, at| mac.number(at.micros()));
        mac.bytes(lineage.as_bytes());
        mac.number(created_at.micros());
        mac.number(i64::try_from(*version).unwrap_or(i64::MAX));
    }
}
