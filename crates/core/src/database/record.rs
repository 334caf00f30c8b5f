//! What the plane's store has of a tenant database.

use super::new::{DatabaseHost, DatabaseIdentifier, DatabasePort};
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::secrets::{MacWriter, Protected, SealKey, WrappedKey};

/// A tenant database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantDatabase {
    /// The sub-account that it belongs to. Until the account is known to its maker there is no
    /// account of this id.
    pub account: AccountId,
    /// The root account above it.
    pub root: AccountId,
    /// The server's host.
    pub host: DatabaseHost,
    /// The server's port.
    pub port: DatabasePort,
    /// The database's name.
    pub name: DatabaseIdentifier,
    /// The operator's server that it is on, by its name in the configuration; none where the customer
    /// brought one.
    pub server: Option<Box<str>>,
    /// The root user that it is made with.
    pub user: DatabaseIdentifier,
    /// 64 random bits that are in the name of everything that was made for it.
    pub nonce: Nonce,
    /// What becomes of it.
    pub state: DatabaseState,
    /// The last step of its making that is done.
    pub step: Step,
    /// Whether the caller was answered that there is such an account.
    pub acknowledged: bool,
    /// Whether it was made or taken over; known once the server was looked at.
    pub origin: Option<Origin>,
    /// Whose credentials are used; known once the server was looked at.
    pub credential: Option<CredentialKind>,
    /// The key of everything below that is sealed, itself under the key-encryption key.
    pub key: WrappedKey,
    /// The root user's password, sealed: until the database is active, or, where that user is used
    /// ([`CredentialKind::Given`]), for as long as it is. None for an operator's server.
    pub root_password: Option<Vec<u8>>,
    /// The passwords of the two logins, sealed.
    pub passwords: [Option<Vec<u8>>; 2],
    /// The password that one of them is about to get, sealed: until it is known to have it.
    pub next_password: Option<Vec<u8>>,
    /// The login that is given out.
    pub login: Login,
    /// Until when the other login goes on, after a rotation.
    pub overlap_until: Option<Timestamp>,
    /// The account's profile and metadata on their way there, sealed.
    pub pending: Option<Vec<u8>>,
    /// The version of the product's schema.
    pub schema_version: u64,
    /// Why it failed, or was last put off: a word.
    pub failure: Option<Box<str>>,
    /// How often it was put off.
    pub attempts: u32,
    /// When something is to be done about it by whoever comes first; whoever does moves it on, so that
    /// nobody else comes meanwhile.
    pub due_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change of the record.
    pub version: u64,
}

impl TenantDatabase {
    /// Marks the record as changed.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now;
        self.version += 1;
    }
}

impl Protected for TenantDatabase {
    const TABLE: &'static str = "tenant_databases";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.account.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        // Every column, by name: a new one that is not written here does not compile.
        let Self {
            account,
            root,
            host,
            port,
            name,
            server,
            user,
            nonce,
            state,
            step,
            acknowledged,
            origin,
            credential,
            key,
            root_password,
            passwords,
            next_password,
            login,
            overlap_until,
            pending,
            schema_version,
            failure,
            attempts,
            due_at,
            created_at,
            updated_at,
            version,
        } = self;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        mac.bytes(account.as_bytes());
        mac.bytes(root.as_bytes());
        mac.text(host.as_str());
        mac.number(port.get().into());
        mac.text(name.as_str());
        mac.optional(server.as_deref(), MacWriter::text);
        mac.text(user.as_str());
        mac.bytes(&nonce.0);
        mac.text(state.as_str());
        mac.text(step.as_str());
        mac.number((*acknowledged).into());
        mac.optional(origin.as_ref(), |mac, origin| mac.text(origin.as_str()));
        mac.optional(credential.as_ref(), |mac, kind| mac.text(kind.as_str()));
        mac.number(key.kek.into());
        mac.bytes(&key.bytes);
        mac.optional(root_password.as_deref(), MacWriter::bytes);
        for password in passwords {
            mac.optional(password.as_deref(), MacWriter::bytes);
        }
        mac.optional(next_password.as_deref(), MacWriter::bytes);
        mac.text(login.as_str());
        mac.optional(*overlap_until, |mac, at| mac.number(at.micros()));
        mac.optional(pending.as_deref(), MacWriter::bytes);
        mac.number(number(*schema_version));
        mac.optional(failure.as_deref(), MacWriter::text);
        mac.number((*attempts).into());
        mac.optional(*due_at, |mac, at| mac.number(at.micros()));
        mac.number(created_at.micros());
        mac.number(updated_at.micros());
        mac.number(number(*version));
    }
}

/// 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 8]);

impl std::fmt::Display for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Words that stand in rows.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$inner])* $word,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The word in rows and replies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }

            /// Reads that word.
            #[must_use]
            pub fn from_stored(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What becomes of a tenant database.
    DatabaseState {
        /// It is being made.
        Provisioning = "provisioning",
        /// It is in use.
        Active = "active",
        /// What was made for it is being taken away again.
        Cleaning = "cleaning",
        /// It could not be made, and nothing is left of it.
        Failed = "failed",
    }
}

words! {
    /// The steps of its making, in their order.
    Step {
        /// Its place is taken in the plane's store.
        Requested = "requested",
        /// The server was looked at.
        Dialled = "dialled",
        /// The roles are there.
        Roles = "role",
        /// The database is there, under a name of ours unless it was taken over.
        Made = "database",
        /// What belongs into it is in it.
        Migrated = "migrated",
        /// It has its name.
        Renamed = "renamed",
        /// It belongs to its role, and the limited login was tried.
        Owned = "owned",
        /// The account is active.
        Active = "active",
    }
}

words! {
    /// Where a tenant database is from.
    Origin {
        /// It was made.
        Made = "made",
        /// It was there, empty, and was taken over.
        Adopted = "adopted",
    }
}

words! {
    /// Whose credentials a tenant database is reached with.
    CredentialKind {
        /// Roles that were made for it and reach nothing else; the root user's password was erased.
        Limited = "limited",
        /// The user that was given, who may not make roles.
        Given = "given",
    }
}

words! {
    /// One of the two logins of a tenant database, which take turns when passwords are rotated.
    Login {
        /// The first.
        A = "a",
        /// The second.
        B = "b",
    }
}

impl Login {
    /// Both, in the order of [`TenantDatabase::passwords`].
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The place of its password.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}
