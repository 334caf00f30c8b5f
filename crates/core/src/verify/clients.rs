//! Clients: service accounts as the holders of access tokens. Kept in the cache like credentials,
//! under a tag of their own, so that whatever changes one takes it out.

use super::cache::VerifyCache;
use super::known::{Slot, Standing, belongs};
use super::{Epoch, believed};
use crate::Plane;
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::commit::{Head, Subject, shard_of};
use crate::credentials::CredentialStatus;
use crate::error::{Error, Result};
use crate::ids::{CredentialId, MemberId, ServiceAccountId};
use crate::limits;
use crate::oauth::{ClientCredential, ClientKey, ClientSettings};
use crate::permissions::PermissionSet;
use crate::secrets::plain::SecretKind;
use crate::secrets::{Protected as _, Secrets, Tag};
use crate::service_accounts::{ServiceAccount, ServiceAccountStatus};
use crate::store::FoundClient;
use crate::text::Name;
use std::sync::Arc;

/// A client as its tokens need it.
#[derive(Debug)]
pub(crate) struct KnownClient {
    pub(crate) id: ServiceAccountId,
    pub(crate) client_id: Box<str>,
    pub(crate) name: Name,
    pub(crate) permissions: PermissionSet,
    pub(crate) status: ServiceAccountStatus,
    pub(crate) created_by: MemberId,
    pub(crate) account: Arc<Slot>,
    pub(crate) keys: Vec<ClientKey>,
    pub(crate) token_endpoint_audience: bool,
    pub(crate) not_before: Option<Timestamp>,
    secrets: Vec<(CredentialId, Option<Timestamp>)>,
}

/// How long a credential of a client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is not, or no more, the client's.
    Gone,
    /// Until then.
    Until(Timestamp),
    /// For as long as it is not taken back.
    Open,
}

impl KnownClient {
    /// How long a credential of this client holds.
    pub(crate) fn hold(&self, credential: &ClientCredential) -> Hold {
        match credential {
            ClientCredential::Secret(id) => {
                match self.secrets.iter().find(|(known, _)| known == id) {
                    None => Hold::Gone,
                    Some((_, None)) => Hold::Open,
                    Some((_, Some(end))) => Hold::Until(*end),
                }
            }
            ClientCredential::Key(kid) if self.keys.iter().any(|key| key.kid == *kid) => Hold::Open,
            ClientCredential::Key(_) => Hold::Gone,
        }
    }
}

/// A client's rows, whose seals are right and which belong together.
pub(super) struct ReadClient {
    pub(super) service_account: ServiceAccount,
    pub(super) settings: ClientSettings,
    pub(super) account: Account,
    pub(super) parent: Option<Account>,
    pub(super) secrets: Vec<(CredentialId, Option<Timestamp>)>,
    pub(super) head: Head,
}

impl ReadClient {
    fn open(found: FoundClient, client_id: &str, secrets: &Secrets) -> Result<Self> {
        let service_account = found.service_account.open(secrets)?;
        let settings = found.settings.map(|row| row.open(secrets)).transpose()?;
        let settings = settings.unwrap_or_else(|| ClientSettings::of(&service_account));
        let account = found.account.map(|row| row.open(secrets)).transpose()?;
        let parent = found.parent.map(|row| row.open(secrets)).transpose()?;
        let fits = *service_account.client_id == *client_id
            && settings.service_account == service_account.id
            && settings.root == service_account.root
            && found.head.revision.shard == shard_of(service_account.root);
        let (of, root) = (service_account.account, service_account.root);
        match account {
            Some(account) if fits && belongs(of, root, Some(&account), parent.as_ref()) => {
                let (secrets, head) = (Vec::new(), found.head);
                Ok(Self { service_account, settings, account, parent, secrets, head })
            }
            _ => {
                let id = service_account.printed_id();
                tracing::error!(alarm = "row_integrity", table = ServiceAccount::TABLE, id = %id,
                    "stored rows do not belong together; they are not used");
                let problem = "its rows do not belong together";
                Err(Error::Integrity { table: ServiceAccount::TABLE, id, problem })
            }
        }
    }

    /// How the client's accounts stand.
    pub(super) fn standing(&self) -> Standing {
        let accounts = std::iter::once(&self.account).chain(&self.parent);
        accounts.fold(Standing::GOOD, |standing, account| standing.and(account.status))
    }

    /// With its account as the cache shares it.
    pub(super) fn to_known(&self, account: Arc<Slot>) -> KnownClient {
        KnownClient {
            id: self.service_account.id,
            client_id: self.service_account.client_id.clone(),
            name: self.service_account.name.clone(),
            permissions: self.service_account.permissions.clone(),
            status: self.service_account.status,
            created_by: self.service_account.created_by,
            account,
            keys: self.settings.keys.clone(),
            token_endpoint_audience: self.settings.token_endpoint_audience,
            not_before: self.settings.not_before,
            secrets: self.secrets.clone(),
        }
    }

    /// In no cache: for one request.
    pub(super) fn alone(&self) -> KnownClient {
        let parent = self.parent.as_ref().map(|parent| Arc::new(Slot::new(parent, None)));
        self.to_known(Arc::new(Slot::new(&self.account, parent)))
    }
}

impl Plane {
    /// What changes when something about a client does.
    pub(crate) fn client_subject(&self, client_id: &str) -> Subject {
        Subject::Credential(self.client_tag(client_id))
    }

    pub(super) fn client_tag(&self, client_id: &str) -> Tag {
        self.secrets.tag(SecretKind::Client, client_id)
    }

    /// A client from the cache, else from the store. A forged one is not there.
    pub(crate) async fn find_client(&self, client_id: &str) -> Result<Option<Arc<KnownClient>>> {
        self.require_fresh()?;
        match self.cluster.cache.find_client(&self.client_tag(client_id)) {
            Some(client) => Ok(Some(client)),
            None => self.refill_client(client_id).await,
        }
    }

    /// A client from the store, for the cache.
    async fn refill_client(&self, client_id: &str) -> Result<Option<Arc<KnownClient>>> {
        let epoch = self.cluster.cache.epoch();
        let read = self.read_client(client_id).await?;
        let tag = self.client_tag(client_id);
        Ok(read.map(|read| self.cluster.cache.fill_client(&tag, &read, epoch)))
    }

    /// A client that has this credential. One that the cache does not know of may have been made
    /// since: creates are not in the change log.
    pub(crate) async fn find_client_with(
        &self,
        client_id: &str,
        credential: &ClientCredential,
    ) -> Result<Option<Arc<KnownClient>>> {
        match self.find_client(client_id).await? {
            Some(client) if client.hold(credential) == Hold::Gone => {
                self.refill_client(client_id).await
            }
            found => Ok(found),
        }
    }

    /// A client's rows. The head of the log is read before its secrets are: a change in between
    /// makes it too old, never too new.
    pub(super) async fn read_client(&self, client_id: &str) -> Result<Option<ReadClient>> {
        let Some(found) = self.store.find_client(client_id).await? else {
            return Ok(None);
        };
        let Some(mut read) = believed(ReadClient::open(found, client_id, &self.secrets))? else {
            return Ok(None);
        };
        let (root, id) = (read.service_account.root, read.service_account.id);
        let (now, limit) = (self.clock.now(), limits::SECRETS_SEEN_MAX);
        for (_, row) in self.store.list_client_secrets(root, &[id], now, limit).await? {
            if let Some(secret) = believed(row.and_then(|row| row.open(&self.secrets)))?
                && secret.status == CredentialStatus::Active
            {
                read.secrets.push((secret.id, secret.ends_at()));
            }
        }
        Ok(Some(read))
    }
}

impl VerifyCache {
    pub(super) fn find_client(&self, tag: &Tag) -> Option<Arc<KnownClient>> {
        self.clients.get(&super::cache::CacheKey::of(tag))
    }

    /// Enters a client that was read, unless a change came in between; gives it back either way.
    fn fill_client(&self, tag: &Tag, read: &ReadClient, epoch: Epoch) -> Arc<KnownClient> {
        let accounts = (&read.account, read.parent.as_ref());
        let known = self.fill_with(read.head, epoch, accounts, |account| {
            let client = Arc::new(read.to_known(account));
            self.clients.insert(super::cache::CacheKey::of(tag), client.clone());
            client
        });
        known.unwrap_or_else(|| Arc::new(read.alone()))
    }
}
