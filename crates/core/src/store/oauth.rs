//! What tokens rest on.

use super::Committed;
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::commit::{Commit, Head};
use crate::error::Result;
use crate::ids::{AccountId, ServiceAccountId};
use crate::oauth::{ClientSettings, RevokedToken, SigningKey};
use crate::secrets::{Sealed, Tag, Unverified};
use crate::service_accounts::ServiceAccount;
use async_trait::async_trait;

/// A client and the rows that decide about it.
pub struct FoundClient {
    /// Its service account.
    pub service_account: Unverified<ServiceAccount>,
    /// What is known of it beside that.
    pub settings: Option<Unverified<ClientSettings>>,
    /// Its account.
    pub account: Option<Unverified<Account>>,
    /// That account's parent, for a sub-account.
    pub parent: Option<Unverified<Account>>,
    /// The head of the root account's shard when these rows were read.
    pub head: Head,
}

/// Signing keys, clients, and what ends tokens.
#[async_trait]
pub trait OAuthStore: Send + Sync {
    /// Stores a new signing key.
    ///
    /// # Errors
    /// `Conflict(Taken)` where its number or `kid` exists.
    async fn insert_signing_key(
        &self,
        key: &Sealed<SigningKey>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Lists at most `limit` signing keys by number, the highest first. A row that cannot be read
    /// keeps its place.
    async fn list_signing_keys(
        &self,
        limit: u32,
    ) -> Result<Vec<(u64, Result<Unverified<SigningKey>>)>>;

    /// Stores another sealed private key, and the seal, of the signing key with this number and `kid`,
    /// where it is there.
    async fn update_signing_key(&self, key: &Sealed<SigningKey>) -> Result<()>;

    /// Deletes the signing keys with numbers below `number`.
    async fn delete_signing_keys(&self, number: u64) -> Result<()>;

    /// Looks a client up by its id, with the rows that decide about it and the head of their shard of
    /// the change log, all of one instant; a deleted one included.
    async fn find_client(&self, client_id: &str) -> Result<Option<FoundClient>>;

    /// Looks up what is known of a client of `root`'s tree beside its service account.
    async fn find_client_settings(
        &self,
        root: AccountId,
        id: ServiceAccountId,
    ) -> Result<Option<Unverified<ClientSettings>>>;

    /// Stores what is known of a client: its first version, or the next.
    ///
    /// # Errors
    /// `Conflict(Changed)` unless the stored version is the one before, and none before the first.
    async fn save_client_settings(
        &self,
        settings: &Sealed<ClientSettings>,
        commit: Commit,
    ) -> Result<Committed>;

    /// Stores that a token is revoked.
    ///
    /// # Errors
    /// `Conflict(Taken)` where it is already.
    async fn insert_revoked_token(&self, token: &RevokedToken, commit: Commit)
    -> Result<Committed>;

    /// The head of the shard of `root`'s tree, and whether the token with this tag was revoked by then:
    /// both of one instant.
    async fn find_revocation(&self, root: AccountId, tag: &Tag) -> Result<(Head, bool)>;

    /// Stores that an assertion was used which can be used until `until`. Not a change: no event, no
    /// log row.
    ///
    /// # Errors
    /// `Conflict(Taken)` where it was used before and that is not over at `now`.
    async fn insert_used_assertion(
        &self,
        assertion: &Tag,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<()>;

    /// Forgets at most `limit` revoked tokens and at most `limit` assertions whose time is over at
    /// `now`. Answers how many rows there were.
    async fn sweep_tokens(&self, now: Timestamp, limit: u32) -> Result<u64>;
}
