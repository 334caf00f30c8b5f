//! Credentials: what can be presented and verified. An API key of an account, a platform key of
//! the product's own services, or a client secret of a service account.

mod limits;

pub use limits::KeyLimits;

use crate::Plane;
use crate::clock::Timestamp;
use crate::error::Conflict;
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
    /// What took its place, where it was rotated.
    pub superseded: Option<Superseded>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every change of the record.
    pub version: u64,
    /// What it is limited to, beside its account. A client secret has none of its own.
    pub limits: KeyLimits,
    /// When it was last presented and let in, up to a minute late. Outside the seal, written by
    /// nobody but [`crate::store::CredentialStore::touch_credentials`]: shown, never decided by.
    pub last_used_at: Option<Timestamp>,
}

/// What took a credential's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The credential that came after it.
    pub by: CredentialId,
    /// When its grace is over. Its own end may come before.
    pub until: Timestamp,
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
    /// What a key can be made in. One that is imported is not made, and a client secret is no key.
    pub const MADE: [Self; 3] = [Self::Native, Self::SubAccount, Self::Account];

    /// What a key can be in.
    pub const OF_KEYS: [Self; 4] = [Self::Native, Self::SubAccount, Self::Account, Self::Imported];

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

    /// Reads the word for a format that a key is to be made in.
    #[must_use]
    pub fn parse_made(word: &str) -> Option<Self> {
        Self::MADE.into_iter().find(|format| format.as_str() == word)
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
            superseded: None,
            created_at: now,
            version: 1,
            limits: KeyLimits::default(),
            last_used_at: None,
        };
        (credential, secret)
    }

    /// Refuses to change what has come to its end: that is final.
    ///
    /// # Errors
    /// [`Conflict::KeyRevoked`], [`Conflict::KeyExpired`].
    pub fn require_living(&self, now: Timestamp) -> Result<(), Conflict> {
        match (self.status, self.ends_at()) {
            (CredentialStatus::Revoked { .. }, _) => Err(Conflict::KeyRevoked),
            (_, Some(end)) if end <= now => Err(Conflict::KeyExpired),
            _ => Ok(()),
        }
    }

    /// When it ends: at its own end, or with its grace where that comes before.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let grace = self.superseded.map(|superseded| superseded.until);
        self.expires_at.into_iter().chain(grace).min()
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
            superseded,
            created_at,
            version,
            limits,
            last_used_at: _,
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
        // At the end and only where there is one: every other record has the seal that it had
        // before records had this.
        if let Some(Superseded { by, until }) = superseded {
            mac.bytes(by.as_bytes());
            mac.number(until.micros());
        }
        if let Some(limits) = limits.to_stored() {
            mac.text("limits");
            mac.text(&limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::secrets::{Sealed, Secrets, SecretsMaterial};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// Rows outlive versions: what was sealed before records had a successor must open.
    #[test]
    fn a_key_that_was_not_rotated_has_the_seal_that_it_always_had() {
        let rng = SeededRng::new(1);
        let secrets = Secrets::new(&SecretsMaterial::generate(&rng).expect("secrets"));
        let at = Timestamp::from_seconds(1_700_000_000);
        let id = CredentialId::from_bytes([1; 16]);
        let credential = Credential {
            id,
            owner: Owner::Account {
                account: AccountId::from_bytes([2; 16]),
                root: AccountId::from_bytes([3; 16]),
                member: MemberId::from_bytes([4; 16]),
            },
            format: KeyFormat::Native,
            tag: Tag::from_bytes([5; 32]),
            pepper_id: 1,
            start: Start::from_stored("tnt_abc"),
            name: None,
            permissions: PermissionSet::master(),
            allowed_ips: Vec::new(),
            metadata: Metadata::empty(),
            status: CredentialStatus::Active,
            expires_at: Some(at),
            lineage: id,
            superseded: None,
            created_at: at,
            version: 1,
            limits: KeyLimits::default(),
            last_used_at: None,
        };
        let seal = URL_SAFE_NO_PAD.encode(Sealed::new(credential, &secrets).seal());
        assert_eq!(seal, "lhRHPItUqG_2k3SiiAvqXd7Zjh8291dWcrJv0UQSrtI");
    }
}
