//! Accounts: root accounts (organizations) and their sub-accounts, one level deep.

mod caps;
mod change;
mod create;
mod find;
mod list;
mod organizations;
mod status;
mod sub_accounts;
mod update;

pub use caps::LimitsInForce;
pub use create::{CreatedAccount, FirstKey, NewAccount};
pub use organizations::{CreatedOrganization, NewOrganization, OrganizationPage};
pub use sub_accounts::{ListedSubAccount, SubAccount, SubAccountPage, SubAccountsAsked};
pub use update::AccountChanges;

use crate::clock::Timestamp;
use crate::database::DedicatedDatabase;
use crate::error::{Conflict, Error};
use crate::ids::{AccountId, MemberId};
use crate::limits;
use crate::rates::Rates;
use crate::secrets::{MacWriter, Protected, SealKey};
use crate::text::{Line, Metadata, Name};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The root account above it; none for a root account itself.
    pub parent: Option<AccountId>,
    /// Its name. Names are not identifiers: two accounts may share one.
    pub name: Name,
    /// Optional attributes of the accounts dialect.
    pub profile: Profile,
    /// The caller's own JSON object.
    pub metadata: Metadata,
    /// Whether its credentials verify.
    pub status: AccountStatus,
    /// What a root account may do beyond the ordinary.
    pub entitlements: Entitlements,
    /// Caps that were set; absent ones follow defaults.
    pub limits: AccountLimits,
    /// The member who made it.
    pub created_by: MemberId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change of the record.
    pub version: u64,
}

impl Account {
    /// The root account of its tree: its parent, or itself.
    #[must_use]
    pub fn root(&self) -> AccountId {
        self.parent.unwrap_or(self.id)
    }

    /// Stops its credentials, and for a root account its tree's. True where that changes anything.
    ///
    /// # Errors
    /// [`Conflict::Closed`], which is final; [`Conflict::Provisioning`], since resuming would pass
    /// for a database that is there.
    pub fn suspend(&mut self, now: Timestamp) -> Result<bool, Conflict> {
        self.move_between(AccountStatus::Active, AccountStatus::Suspended, now)
    }

    /// Lets a suspended account go on. True where that changes anything.
    ///
    /// # Errors
    /// As [`Self::suspend`].
    pub fn resume(&mut self, now: Timestamp) -> Result<bool, Conflict> {
        self.move_between(AccountStatus::Suspended, AccountStatus::Active, now)
    }

    /// Ends it for good, whatever it was. True where that changes anything.
    pub fn close(&mut self, now: Timestamp) -> bool {
        let open = self.status != AccountStatus::Closed;
        if open {
            self.status = AccountStatus::Closed;
            self.touch(now);
        }
        open
    }

    fn move_between(
        &mut self,
        from: AccountStatus,
        to: AccountStatus,
        now: Timestamp,
    ) -> Result<bool, Conflict> {
        match self.status {
            AccountStatus::Closed => Err(Conflict::Closed),
            AccountStatus::Provisioning => Err(Conflict::Provisioning),
            status if status == from => {
                self.status = to;
                self.touch(now);
                Ok(true)
            }
            AccountStatus::Active | AccountStatus::Suspended => Ok(false),
        }
    }

    /// What a sub-account takes of its parent's concurrent calls: the limit that was set on it, until
    /// it is closed. A default takes nothing.
    #[must_use]
    pub fn given_calls(&self) -> u32 {
        match (self.parent, self.status, self.limits.concurrent_calls) {
            (None, _, _) | (_, AccountStatus::Closed, _) | (_, _, None) => 0,
            (Some(_), _, Some(calls)) => calls.get(),
        }
    }

    /// Marks the record as changed.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now;
        self.version += 1;
    }
}

impl Protected for Account {
    const TABLE: &'static str = "accounts";
    const KEY: SealKey = SealKey::Row;

    fn printed_id(&self) -> String {
        self.id.to_string()
    }

    fn write_to(&self, mac: &mut MacWriter) {
        // Every column, by name: a new one that is not written here does not compile.
        let Self {
            id,
            parent,
            name,
            profile,
            metadata,
            status,
            entitlements,
            limits,
            created_by,
            created_at,
            updated_at,
            version,
        } = self;
        mac.bytes(id.as_bytes());
        mac.optional(parent.as_ref(), |mac, parent| mac.bytes(parent.as_bytes()));
        mac.text(name.as_str());
        for (_, value) in profile.iter() {
            mac.optional(value, MacWriter::text);
        }
        mac.text(metadata.as_str());
        mac.text(status.as_str());
        mac.text(&entitlements.to_text());
        mac.optional(limits.concurrent_calls, |mac, n| mac.number(n.into()));
        mac.optional(limits.sub_account_concurrent_calls, |mac, n| mac.number(n.into()));
        mac.bytes(created_by.as_bytes());
        mac.number(created_at.micros());
        mac.number(updated_at.micros());
        mac.number(i64::try_from(*version).unwrap_or(i64::MAX));
        // At the end and only where there are some: every other record has the seal that it had before
        // records had this.
        if let Some(rates) = limits.rates.to_stored() {
            mac.text("rates");
            mac.text(&rates);
        }
    }
}

/// Whether an account's credentials verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// Its own database is being made.
    Provisioning,
    /// In use.
    Active,
    /// Stopped for now. A suspended root account stops its sub-accounts too.
    Suspended,
    /// Gone for good.
    Closed,
}

impl AccountStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Provisioning, Self::Active, Self::Suspended, Self::Closed];

    /// The word in rows and replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// The optional attributes of the accounts dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    values: [Option<Line>; 7],
}

impl Profile {
    /// The attributes' names, in the order of the accounts contract.
    pub const FIELDS: [&'static str; 7] =
        ["company", "vat", "country", "address", "city", "state", "zip_code"];

    /// Sets the attribute at `index` of [`Self::FIELDS`].
    ///
    /// # Panics
    /// When there is no such attribute.
    pub fn set(&mut self, index: usize, value: Option<Line>) {
        self.values[index] = value;
    }

    /// Names and values in the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        Self::FIELDS
            .into_iter()
            .zip(self.values.iter().map(|value| value.as_ref().map(Line::as_str)))
    }
}

/// Something an organization may be entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entitlement {
    /// Creating sub-accounts in the sub-accounts dialect (its contract's "enterprise feature").
    SubAccounts,
}

impl Entitlement {
    /// Every entitlement.
    pub const ALL: [Self; 1] = [Self::SubAccounts];

    /// The word in rows and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubAccounts => "sub_accounts",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entitlement| entitlement.as_str() == word)
    }
}

impl std::fmt::Display for Entitlement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An organization's entitlements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlements {
    sub_accounts: bool,
}

impl Default for Entitlements {
    /// What a new organization has.
    fn default() -> Self {
        Self { sub_accounts: true }
    }
}

impl Entitlements {
    /// None at all, as sub-accounts have.
    pub const NONE: Self = Self { sub_accounts: false };

    /// True where `entitlement` is among them.
    #[must_use]
    pub const fn has(self, entitlement: Entitlement) -> bool {
        match entitlement {
            Entitlement::SubAccounts => self.sub_accounts,
        }
    }

    /// Gives or takes one.
    pub fn set(&mut self, entitlement: Entitlement, given: bool) {
        match entitlement {
            Entitlement::SubAccounts => self.sub_accounts = given,
        }
    }

    /// The stored text: words with commas between.
    #[must_use]
    pub fn to_text(self) -> String {
        let words: Vec<&str> = Entitlement::ALL
            .into_iter()
            .filter(|entitlement| self.has(*entitlement))
            .map(Entitlement::as_str)
            .collect();
        words.join(",")
    }

    /// Reads a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let mut entitlements = Self::NONE;
        for word in text.split(',').filter(|word| !word.is_empty()) {
            entitlements.set(Entitlement::parse(word)?, true);
        }
        Some(entitlements)
    }
}

/// Caps that were set on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Concurrent calls of this account and, for a root account, of its tree.
    pub concurrent_calls: Option<ConcurrentCalls>,
    /// What this root account's sub-accounts have where they set nothing.
    pub sub_account_concurrent_calls: Option<ConcurrentCalls>,
    /// Requests of its credentials in windows of time and, for a root account, of its tree's.
    pub rates: Rates,
}

impl AccountLimits {
    /// The concurrent calls of a sub-account with these limits under `root`.
    #[must_use]
    pub fn effective_concurrent_calls(&self, root: &Self) -> ConcurrentCalls {
        self.concurrent_calls
            .or(root.sub_account_concurrent_calls)
            .unwrap_or(ConcurrentCalls(limits::CONCURRENT_CALLS_DEFAULT))
    }

    /// Refuses a sub-account a limit with which its root account, whose limits these are, would give
    /// more than it has; `given` is what its other sub-accounts have.
    ///
    /// # Errors
    /// [`Error::ConcurrencyExceeded`].
    pub fn admit(&self, requested: ConcurrentCalls, given: u64) -> Result<(), Error> {
        let Some(own) = self.concurrent_calls else {
            return Ok(());
        };
        let given = u32::try_from(given).unwrap_or(u32::MAX);
        let available = own.get().saturating_sub(given);
        if requested.get() <= available {
            return Ok(());
        }
        Err(Error::ConcurrencyExceeded {
            requested: requested.get(),
            available,
            account_limit: own.get(),
            given,
        })
    }
}

/// A number of concurrent calls, 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrentCalls(u32);

impl ConcurrentCalls {
    /// A number within the range.
    #[must_use]
    pub fn new(number: i64) -> Option<Self> {
        u32::try_from(number)
            .ok()
            .filter(|number| (1..=limits::CONCURRENT_CALLS_MAX).contains(number))
            .map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<ConcurrentCalls> for i64 {
    fn from(calls: ConcurrentCalls) -> Self {
        calls.0.into()
    }
}

/// Where an account's own records are to live.
#[derive(Debug)]
pub enum NewPlacement {
    /// In the plane's own store.
    Shared,
    /// In a database of its own.
    Dedicated(DedicatedDatabase),
}
