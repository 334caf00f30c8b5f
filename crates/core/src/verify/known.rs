//! What is known of a credential, ready to be judged; and the slots of accounts that many
//! credentials share, so that suspending one account touches one place.

use super::clients::KnownClient;
use super::tokens::AccessToken;
use crate::accounts::{Account, AccountStatus};
use crate::clock::Timestamp;
use crate::commit::{Head, shard_of};
use crate::credentials::{Credential, CredentialStatus, KeyLimits, Owner};
use crate::error::{Error, Result};
use crate::ids::{AccountId, CredentialId, ServiceAccountId};
use crate::oauth::ClientCredential;
use crate::permissions::{Grants, PermissionSet};
use crate::rates::Rates;
use crate::secrets::{Protected, Secrets, Tag};
use crate::service_accounts::{ServiceAccount, ServiceAccountStatus};
use crate::store::Found;
use crate::text::{Metadata, Name};
use crate::uses::Line;
use arc_swap::ArcSwapOption;
use ipnet::IpNet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A credential as the verify path needs it. Small, and copied out of the cache whole.
#[derive(Clone, Debug)]
pub struct Known {
    /// The credential's id.
    pub id: CredentialId,
    about: Arc<About>,
    account: Option<Arc<Slot>>,
}

/// What is known of a credential beside its id and account. Most say the same of it as many
/// others, so that they share this.
#[derive(Debug)]
pub(super) struct About {
    pub(super) grants: Arc<Grants>,
    // The end of time where it has no end.
    expires_at: Timestamp,
    state: State,
    extra: Option<Box<Extra>>,
}

/// Which kind of credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account's key.
    ApiKey,
    /// A key of the product's own services.
    PlatformKey,
    /// A service account's secret.
    ClientSecret,
    /// A service account's access token.
    AccessToken,
}

/// What a credential's own record, and its service account's, say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Active,
    Disabled,
    Revoked,
}

#[derive(Debug)]
struct Extra {
    name: Option<Name>,
    metadata: Metadata,
    allowed_ips: Box<[IpNet]>,
    client: Option<Client>,
    limits: Option<Box<OfLine>>,
}

/// Limits, and the line of keys that they hold for together.
#[derive(Debug)]
pub(super) struct OfLine {
    pub(super) lineage: CredentialId,
    pub(super) limits: KeyLimits,
}

#[derive(Debug)]
struct Client {
    id: Box<str>,
    service_account: ServiceAccountId,
    token: Option<Arc<AccessToken>>,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::ApiKey, Self::PlatformKey, Self::ClientSecret, Self::AccessToken];

    /// The word in replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::PlatformKey => "platform_key",
            Self::ClientSecret => "client_secret",
            Self::AccessToken => "access_token",
        }
    }
}

const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

impl About {
    /// An active credential that does not end and has no more than its grants.
    pub(super) fn plain(grants: Grants) -> Self {
        let grants = Arc::new(grants);
        Self { grants, expires_at: NEVER, state: State::Active, extra: None }
    }
}

impl Known {
    /// Which kind of credential it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.access_token().is_some() {
            Kind::AccessToken
        } else if self.client().is_some() {
            Kind::ClientSecret
        } else if self.account.is_some() {
            Kind::ApiKey
        } else {
            Kind::PlatformKey
        }
    }

    /// What it may do.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.about.grants
    }

    /// When it ends; a rotated one with its grace, if not before.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        (self.about.expires_at != NEVER).then_some(self.about.expires_at)
    }

    /// Its account, unless it is a platform key.
    #[must_use]
    pub fn account(&self) -> Option<&Slot> {
        self.account.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.extra().and_then(|extra| extra.name.as_ref()).map(Name::as_str)
    }

    /// The caller's own object, as JSON text.
    #[must_use]
    pub fn metadata(&self) -> &str {
        self.extra().map_or("{}", |extra| extra.metadata.as_str())
    }

    /// The service account of a client secret.
    #[must_use]
    pub fn service_account(&self) -> Option<ServiceAccountId> {
        self.client().map(|client| client.service_account)
    }

    /// What an access token says of itself.
    #[must_use]
    pub fn access_token(&self) -> Option<&AccessToken> {
        self.client().and_then(|client| client.token.as_deref())
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client().map(|client| &*client.id)
    }

    pub(super) fn state(&self) -> State {
        self.about.state
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.about.expires_at <= now
    }

    pub(super) fn allowed_ips(&self) -> &[IpNet] {
        self.extra().map_or(&[], |extra| &extra.allowed_ips)
    }

    pub(super) fn limits(&self) -> Option<&OfLine> {
        self.extra().and_then(|extra| extra.limits.as_deref())
    }

    /// The line whose uses are spent, where it was given some.
    pub(super) fn uses_line(&self, root: AccountId) -> Option<Line> {
        let of = self.limits()?;
        Some(Line { lineage: of.lineage, root, uses: of.limits.uses? })
    }

    fn extra(&self) -> Option<&Extra> {
        self.about.extra.as_deref()
    }

    fn client(&self) -> Option<&Client> {
        self.extra().and_then(|extra| extra.client.as_ref())
    }

    /// An access token of `client` that may do what `grants` says until `expires_at`.
    pub(super) fn of_token(
        client: &KnownClient,
        token: Arc<AccessToken>,
        grants: Grants,
        state: State,
        expires_at: Timestamp,
    ) -> Self {
        // A key has no row: its service account's id stands for it, which is no credential's.
        let id = match &token.credential {
            ClientCredential::Secret(id) => *id,
            ClientCredential::Key(_) => CredentialId::from_bytes(*client.id.as_bytes()),
        };
        let extra = Extra {
            name: Some(client.name.clone()),
            metadata: Metadata::empty(),
            allowed_ips: Box::default(),
            client: Some(Client {
                id: client.client_id.clone(),
                service_account: client.id,
                token: Some(token),
            }),
            limits: None,
        };
        let grants = Arc::new(grants);
        let about = About { grants, expires_at, state, extra: Some(Box::new(extra)) };
        Self { id, about: Arc::new(about), account: Some(client.account.clone()) }
    }

    /// What `read` says, with its grants and account as the cache shares them: `plain` has the
    /// grants of its permissions.
    pub(super) fn new(read: &Read, plain: Arc<About>, account: Option<Arc<Slot>>) -> Self {
        let credential = &read.credential;
        let client = read.service_account.as_ref().map(|service_account| Client {
            id: service_account.client_id.clone(),
            service_account: service_account.id,
            token: None,
        });
        let name = match &read.service_account {
            Some(service_account) => Some(service_account.name.clone()),
            None => credential.name.clone(),
        };
        let extra = Extra {
            name,
            metadata: credential.metadata.clone(),
            allowed_ips: credential.allowed_ips.clone().into(),
            client,
            limits: (!credential.limits.is_nothing()).then(|| {
                let Credential { lineage, limits, .. } = *credential;
                Box::new(OfLine { lineage, limits })
            }),
        };
        let (expires_at, state) = (credential.ends_at().unwrap_or(NEVER), read.state());
        let about = if expires_at == NEVER && state == State::Active && extra.is_nothing() {
            plain
        } else {
            let extra = (!extra.is_nothing()).then(|| Box::new(extra));
            Arc::new(About { grants: plain.grants.clone(), expires_at, state, extra })
        };
        Self { id: credential.id, about, account }
    }
}

impl Extra {
    fn is_nothing(&self) -> bool {
        self.name.is_none()
            && self.metadata.is_empty()
            && self.allowed_ips.is_empty()
            && self.client.is_none()
            && self.limits.is_none()
    }
}

/// An account in the cache. Every cached credential of the account points here.
#[derive(Debug)]
pub struct Slot {
    /// The account's id.
    pub id: AccountId,
    parent: Option<Arc<Slot>>,
    // Version, status and whether it is stale in one word, so that the newer one always wins.
    state: AtomicU64,
    // Looked at only where the state says that there are some.
    rates: ArcSwapOption<Rates>,
}

impl Slot {
    pub(super) fn new(account: &Account, parent: Option<Arc<Slot>>) -> Self {
        let rates = ArcSwapOption::new(rates_of(account));
        Self { id: account.id, parent, state: AtomicU64::new(pack(account)), rates }
    }

    /// The account above it.
    #[must_use]
    pub fn parent_id(&self) -> Option<AccountId> {
        self.parent.as_ref().map(|parent| parent.id)
    }

    /// The root account of its tree.
    #[must_use]
    pub fn root(&self) -> AccountId {
        self.parent_id().unwrap_or(self.id)
    }

    pub(super) fn parent(&self) -> Option<&Self> {
        self.parent.as_deref()
    }

    /// How it and the account above it stand; `None` where a change has made that unknown.
    pub(super) fn standing(&self) -> Option<Standing> {
        let own = Standing::GOOD.and(self.status()?);
        match &self.parent {
            Some(parent) => Some(own.and(parent.status()?)),
            None => Some(own),
        }
    }

    fn status(&self) -> Option<AccountStatus> {
        let state = self.state.load(Ordering::SeqCst);
        (state & STALE == 0).then(|| unpack(state))
    }

    /// True where it, or the account above it, has rates.
    pub(super) fn is_limited(&self) -> bool {
        let limited = |slot: &Self| slot.state.load(Ordering::SeqCst) & LIMITED != 0;
        limited(self) || self.parent.as_deref().is_some_and(limited)
    }

    /// Its own rates.
    pub(super) fn rates(&self) -> Rates {
        self.rates.load().as_deref().copied().unwrap_or_default()
    }

    /// Takes over what an account is, unless something newer is known; one at a time, under the lock of
    /// its shard.
    pub(super) fn set(&self, account: &Account) {
        // First: whoever sees that there are rates finds them.
        if pack(account) >= self.state.load(Ordering::SeqCst) & !STALE {
            self.rates.store(rates_of(account));
        }
        // In one step: a reader must not see the old status as good again.
        let newer = |old: u64| Some((old & !STALE).max(pack(account)));
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, newer);
    }

    pub(super) fn set_stale(&self) {
        self.state.fetch_or(STALE, Ordering::SeqCst);
    }
}

fn rates_of(account: &Account) -> Option<Arc<Rates>> {
    let rates = account.limits.rates;
    (!rates.is_empty()).then(|| Arc::new(rates))
}

const STALE: u64 = 4;
const LIMITED: u64 = 8;

fn pack(account: &Account) -> u64 {
    let status = match account.status {
        AccountStatus::Provisioning => 0,
        AccountStatus::Active => 1,
        AccountStatus::Suspended => 2,
        AccountStatus::Closed => 3,
    };
    let limited = if account.limits.rates.is_empty() { 0 } else { LIMITED };
    account.version << 4 | limited | status
}

const fn unpack(state: u64) -> AccountStatus {
    match state & 3 {
        0 => AccountStatus::Provisioning,
        1 => AccountStatus::Active,
        2 => AccountStatus::Suspended,
        _ => AccountStatus::Closed,
    }
}

/// How an account and the account above it stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(super) provisioning: bool,
    pub(super) suspended: bool,
    pub(super) closed: bool,
}

impl Standing {
    pub(crate) const GOOD: Self = Self { provisioning: false, suspended: false, closed: false };

    pub(crate) fn and(mut self, status: AccountStatus) -> Self {
        match status {
            AccountStatus::Provisioning => self.provisioning = true,
            AccountStatus::Active => {}
            AccountStatus::Suspended => self.suspended = true,
            AccountStatus::Closed => self.closed = true,
        }
        self
    }
}

/// True where these rows are the account that is named, and the account above it where there is one.
pub(super) fn belongs(
    account: AccountId,
    root: AccountId,
    row: Option<&Account>,
    parent: Option<&Account>,
) -> bool {
    row.is_some_and(|row| {
        row.id == account && row.root() == root && row.parent == parent.map(|parent| parent.id)
    }) && parent.is_none_or(|parent| parent.parent.is_none())
}

/// Rows that belong together and whose seals are right.
pub(crate) struct Read {
    pub(crate) credential: Credential,
    pub(crate) service_account: Option<ServiceAccount>,
    pub(crate) account: Option<Account>,
    pub(crate) parent: Option<Account>,
    pub(crate) head: Head,
}

impl Read {
    /// Checks the seals, and that each row is the one that the row before it names.
    pub(crate) fn open(found: Found, tag: &Tag, secrets: &Secrets) -> Result<Self> {
        let read = Self {
            credential: found.credential.open(secrets)?,
            service_account: found.service_account.map(|row| row.open(secrets)).transpose()?,
            account: found.account.map(|row| row.open(secrets)).transpose()?,
            parent: found.parent.map(|row| row.open(secrets)).transpose()?,
            head: found.head,
        };
        if read.fits(tag) {
            return Ok(read);
        }
        let id = read.credential.printed_id();
        tracing::error!(alarm = "row_integrity", table = Credential::TABLE, id = %id,
            "stored rows do not belong together; they are not used");
        Err(Error::Integrity {
            table: Credential::TABLE,
            id,
            problem: "its rows do not belong together",
        })
    }

    fn fits(&self, tag: &Tag) -> bool {
        let tree =
            |account, root| belongs(account, root, self.account.as_ref(), self.parent.as_ref());
        let owned = match self.credential.owner {
            Owner::Account { account, root, .. } => {
                tree(account, root) && self.service_account.is_none()
            }
            Owner::ServiceAccount { service_account, account, root } => {
                tree(account, root)
                    && self.service_account.as_ref().is_some_and(|row| {
                        row.id == service_account && row.account == account && row.root == root
                    })
            }
            Owner::Platform => {
                self.account.is_none() && self.parent.is_none() && self.service_account.is_none()
            }
        };
        owned
            && self.credential.tag == *tag
            && self.head.revision.shard == shard_of(self.credential.owner.root())
    }

    /// What the credential may do: its own permissions, or its service account's.
    pub(crate) fn permissions(&self) -> &PermissionSet {
        match &self.service_account {
            Some(service_account) => &service_account.permissions,
            None => &self.credential.permissions,
        }
    }

    /// As it is, in no cache: for one request.
    pub(crate) fn to_known(&self) -> Known {
        let parent = self.parent.as_ref().map(|parent| Arc::new(Slot::new(parent, None)));
        let account = self.account.as_ref().map(|account| Arc::new(Slot::new(account, parent)));
        let plain = About::plain(Grants::new(self.permissions().clone()));
        Known::new(self, Arc::new(plain), account)
    }

    fn state(&self) -> State {
        let own = match self.credential.status {
            CredentialStatus::Active => State::Active,
            CredentialStatus::Disabled => State::Disabled,
            CredentialStatus::Revoked { .. } => State::Revoked,
        };
        let service_account = self.service_account.as_ref().map(|row| match row.status {
            ServiceAccountStatus::Active => State::Active,
            ServiceAccountStatus::Disabled => State::Disabled,
            ServiceAccountStatus::Deleted => State::Revoked,
        });
        match (own, service_account) {
            (State::Revoked, _) | (_, Some(State::Revoked)) => State::Revoked,
            (State::Disabled, _) | (_, Some(State::Disabled)) => State::Disabled,
            _ => State::Active,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        [&self.account, &self.parent]
            .into_iter()
            .flatten()
            .fold(Standing::GOOD, |standing, account| standing.and(account.status))
    }
}
