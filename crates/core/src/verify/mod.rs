//! Verification: may this credential do this, now? The path that every request of the product
//! takes.
//!
//! An answer from the cache does no I/O. What the cache holds was checked against its seals when
//! it entered, and leaves when the change log says that it changed.

mod authenticate;
mod cache;
mod clients;
mod foreign;
mod history;
mod judge;
mod known;
mod lease;
mod misses;
mod spend;
mod tally;
mod tokens;

pub(crate) use cache::Epoch;
pub(crate) use cache::VerifyCache;
pub(crate) use clients::{Hold, KnownClient};
pub(crate) use foreign::Foreign;
pub(crate) use history::Broken;
pub use judge::{Code, Verdict};
pub(crate) use known::Standing;
pub use known::{Kind, Known, Slot};
pub use lease::Concurrency;
pub(crate) use lease::code_of;
pub use misses::{Budget, network};
pub(crate) use misses::{Misses, Source};
pub use spend::Limited;
pub(crate) use tally::Tally;
pub use tokens::AccessToken;
pub(crate) use tokens::PresentedToken;

use crate::Plane;
use crate::accounts::Account;
use crate::actor::Scope;
use crate::clock::Timestamp;
use crate::error::{Denial, Error, Result};
use crate::ids::{AccountId, CredentialId, ServiceAccountId};
use crate::jwt::looks_like_jwt;
use crate::leases::WantedLease;
use crate::limits;
use crate::permissions::{Permission, Right};
use crate::secrets::{Presented, Protected as _, Tag, plain};
use std::net::IpAddr;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// The credential.
    pub credential: Asked<'a>,
    /// What it must be allowed to do.
    pub permissions: &'a [Permission],
    /// Where it came from; needed where the credential has an allow-list.
    pub address: Option<IpAddr>,
    /// How often it counts in rates and uses, at least once.
    pub cost: u32,
}

impl<'a> Question<'a> {
    /// Whether a credential is good, for a request that counts once.
    #[must_use]
    pub const fn of(credential: Asked<'a>) -> Self {
        Self { credential, permissions: &[], address: None, cost: 1 }
    }
}

/// The credential that is asked about.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// An API key.
    Key(&'a str),
    /// A service account's client id and secret.
    Client {
        /// The client id.
        id: &'a str,
        /// The secret.
        secret: &'a str,
    },
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// Who asks for verifications, and about whom they may ask.
#[derive(Clone, Copy, Debug)]
pub struct Verifier {
    scope: Scope,
    allowed: bool,
    /// Whether they may take leases, too.
    leases: bool,
    /// Who asks, by their key's id; the operator has none.
    asks: Option<CredentialId>,
}

impl Verifier {
    /// The operator, who may ask about everybody, or about one organization.
    #[must_use]
    pub fn operator(organization: Option<AccountId>) -> Self {
        let scope = match organization {
            Some(id) => Scope::Account { account: id, root: id },
            None => Scope::Plane,
        };
        Self { scope, allowed: true, leases: true, asks: None }
    }

    /// A client that asks in its own name.
    pub(crate) fn of_client(scope: Scope, client: ServiceAccountId) -> Self {
        Self { scope, allowed: true, leases: false, asks: Some(asks_as(client)) }
    }

    /// Whether they may ask at all.
    #[must_use]
    pub const fn may_verify(&self) -> bool {
        self.allowed
    }
}

/// A client as one who asks: of clients and keys no two have the same id.
fn asks_as(client: ServiceAccountId) -> CredentialId {
    CredentialId::from_bytes(*client.as_bytes())
}

/// What a forged or damaged row says is nothing: it has raised its alarm, and to the caller what
/// rests on it does not exist.
pub(crate) fn believed<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Error::Integrity { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Plane {
    /// Verifies a credential of the caller's tree, or of any tree for a platform key. A yes counts in
    /// the rates of its key and accounts, and spends uses of the key; a no spends nothing.
    ///
    /// # Errors
    /// A missing permission of the caller; [`Error::RateLimited`] for a credential that is not in
    /// the cache where too many were looked up in vain; [`Error::Unavailable`] where the store is
    /// needed and does not answer. A refusal of the credential is a [`Verdict`], not an error.
    pub async fn verify(&self, verifier: Verifier, question: &Question<'_>) -> Result<Verdict> {
        self.settle(verifier, question, None).await
    }

    /// Says what a credential is as [`Self::verify`] does, but counts it in no rate and spends none of
    /// its uses: nobody is let in by that.
    pub(crate) async fn recognize(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
    ) -> Result<Verdict> {
        let (verdict, at) = self.judge(verifier, question).await?;
        self.tally.count(&verdict, at);
        Ok(verdict)
    }

    /// Judges a credential, takes what a good one needs for its request, and counts the answer.
    async fn settle(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
        lease: Option<&WantedLease>,
    ) -> Result<Verdict> {
        let (verdict, at) = self.judge(verifier, question).await?;
        let verdict = match verdict {
            Verdict { code: Code::Valid, known: Some(known), .. }
                if lease.is_some() || known.is_limited() =>
            {
                self.spend(known, question.cost, lease).await?
            }
            verdict => verdict,
        };
        self.tally.count(&verdict, at);
        Ok(verdict)
    }

    /// The answer, and when a credential that was found was judged.
    async fn judge(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
    ) -> Result<(Verdict, Option<Timestamp>)> {
        if !verifier.allowed {
            return Err(Error::Forbidden(Denial::Permission(Right::KeysVerify)));
        }
        if let Asked::Key(text) = question.credential
            && looks_like_jwt(text)
        {
            return self.judge_token(verifier, question, text).await;
        }
        let (presented, client_id) = match question.credential {
            Asked::Key(text) => (Presented::key(text), None),
            Asked::Client { id, secret } => {
                (Presented::client_secret(secret).filter(|_| plain::is_client_id(id)), Some(id))
            }
        };
        let source = source(verifier, question.address);
        let tag = match (presented, question.credential) {
            (Some(presented), _) => presented.tag(&self.secrets),
            (None, Asked::Client { .. }) => {
                return Ok((Verdict::unknown(Code::Malformed), None));
            }
            (None, Asked::Key(text)) => match believed(self.find_foreign(text, source).await)? {
                Some(foreign::Presented::Known(tag)) => tag,
                Some(foreign::Presented::Malformed) => {
                    return Ok((Verdict::unknown(Code::Malformed), None));
                }
                Some(foreign::Presented::Unknown) | None => {
                    return Ok((Verdict::unknown(Code::NotFound), None));
                }
            },
        };
        let found = self.find_known(&tag, source).await;
        let known = believed(found)?.flatten();
        let known = known.filter(|known| known.client_id() == client_id);
        self.judge_known(verifier, question, known).await
    }

    /// As [`Self::judge`], for what has the form of an access token.
    async fn judge_token(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
        text: &str,
    ) -> Result<(Verdict, Option<Timestamp>)> {
        let known = match believed(self.find_token(text).await)? {
            Some(PresentedToken::Known(known)) => Some(known),
            Some(PresentedToken::Malformed) => {
                return Ok((Verdict::unknown(Code::Malformed), None));
            }
            Some(PresentedToken::Unknown) | None => {
                // It costs a check of its signature, if not a look-up.
                let now = self.clock.monotonic();
                let source = source(verifier, question.address);
                source.map_or(Ok(()), |source| self.misses.charge(source, now))?;
                None
            }
        };
        self.judge_known(verifier, question, known).await
    }

    async fn judge_known(
        &self,
        verifier: Verifier,
        question: &Question<'_>,
        known: Option<Known>,
    ) -> Result<(Verdict, Option<Timestamp>)> {
        let in_scope = |known: &Known| {
            let account = known.account();
            account.is_some_and(|slot| verifier.scope.reaches(slot.root(), Some(slot.id)))
        };
        let Some(known) = known.filter(in_scope) else {
            return Ok((Verdict::unknown(Code::NotFound), None));
        };
        let Some(standing) = believed(self.standing_of(&known).await)? else {
            return Ok((Verdict::unknown(Code::NotFound), None));
        };
        let now = self.clock.now();
        let code = known.judge(standing, now, question.address, question.permissions);
        Ok((Verdict::known(code, known), Some(now)))
    }

    /// Writes the last-used times that verifications have left in memory.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what was not written is lost, and only that.
    pub async fn flush_last_used(&self) -> Result<()> {
        let used = self.tally.take_used();
        for batch in used.chunks(limits::LAST_USED_BATCH) {
            self.store.touch_credentials(batch).await?;
        }
        Ok(())
    }

    /// Credentials in the cache.
    #[must_use]
    pub fn cached_credentials(&self) -> usize {
        self.cluster.cache.len()
    }

    /// Credentials that were not in the cache and were looked up in the store, since the start.
    #[must_use]
    pub fn credential_look_ups(&self) -> u64 {
        self.tally.look_ups()
    }

    /// How often each answer was given since the start.
    #[must_use]
    pub fn verdicts(&self) -> [(Code, u64); Code::ALL.len()] {
        self.tally.verdicts()
    }

    /// How many wrong credentials were refused since the start because a budget was spent.
    #[must_use]
    pub fn misses_refused(&self) -> [(Budget, u64); Budget::ALL.len()] {
        self.misses.refused()
    }

    /// What is known of a credential: from the cache, else from the store, which is asked only
    /// while `source` has not asked for too much that is not there.
    async fn find_known(&self, tag: &Tag, source: Option<Source>) -> Result<Option<Known>> {
        // Before the cache is looked at: what it held while the node was fresh was true a moment
        // before, and a poll that ends in between would make an old entry look fresh.
        self.require_fresh()?;
        let cache = &self.cluster.cache;
        if let Some(known) = cache.find(tag) {
            return Ok(Some(known));
        }
        if cache.is_unknown(tag, self.clock.monotonic()) {
            return self.still_unknown(source);
        }
        let slot = match cache.enter(tag).await {
            // Somebody else looked the same credential up in the meantime.
            cache::Entered::Known(known) => return Ok(Some(known)),
            cache::Entered::Vacant(slot) => slot,
        };
        if cache.is_unknown(tag, self.clock.monotonic()) {
            return self.still_unknown(source);
        }
        let now = self.clock.monotonic();
        let source = source.filter(|_| !self.misses.is_familiar(tag));
        source.map_or(Ok(()), |source| self.misses.take(source, now))?;
        let epoch = cache.epoch();
        self.tally.count_look_up();
        let found = self.store.find_credential_by_tag(tag).await;
        // A store that does not answer has not said that the credential opens nothing.
        if let (Some(source), Ok(Some(_)) | Err(_)) = (source, &found) {
            self.misses.give_back(source, now);
        }
        let Some(found) = found? else {
            cache.remember_unknown(*tag, self.clock.monotonic());
            return Ok(None);
        };
        let read = known::Read::open(found, tag, &self.secrets)?;
        Ok(Some(cache.fill(slot, &read, epoch)))
    }

    /// A bearer pays for a wrong key each time, a question only for a look-up.
    fn still_unknown(&self, source: Option<Source>) -> Result<Option<Known>> {
        match source {
            Some(source @ Source::Bearer(_)) => {
                self.misses.charge(source, self.clock.monotonic()).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    /// How a credential's accounts stand, looked up again where a change has made that unknown.
    ///
    /// # Errors
    /// [`Error::Integrity`] where an account is gone or not what was written: its credentials are
    /// believed no more than it is.
    async fn standing_of(&self, known: &Known) -> Result<known::Standing> {
        match known.account() {
            Some(account) => self.standing_of_account(account).await,
            None => Ok(known::Standing::GOOD),
        }
    }

    async fn standing_of_account(&self, account: &Slot) -> Result<known::Standing> {
        if let Some(standing) = account.standing() {
            return Ok(standing);
        }
        let root = account.root();
        let mut standing = known::Standing::GOOD;
        for slot in std::iter::once(account).chain(account.parent()) {
            let epoch = self.cluster.cache.epoch();
            // The head first: a change between the two reads makes the head too old, never too new.
            let head = self.store.find_head(root).await?;
            let found = self.store.find_account(root, slot.id).await?;
            let account = found.ok_or_else(|| Error::Integrity {
                table: Account::TABLE,
                id: slot.id.to_string(),
                problem: "the row is gone",
            })?;
            let account = account.open(&self.secrets)?;
            let status = self.cluster.cache.refresh(slot, &account, head, epoch);
            standing = standing.and(status);
        }
        Ok(standing)
    }
}

/// Who answers for a question about a credential that does not exist: the end client where its
/// address is named, so that one who guesses leaves the caller's other clients alone. The operator
/// answers to nobody.
fn source(verifier: Verifier, address: Option<IpAddr>) -> Option<Source> {
    match (verifier.asks, address) {
        (None, _) => None,
        (Some(_), Some(address)) => Some(Source::client(address)),
        (Some(key), None) => Some(Source::Caller(key)),
    }
}
