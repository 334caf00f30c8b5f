//! Keys of other systems: found by the hashes that were imported.
//!
//! Only a text that is no key of Tenantry's own comes here, and only where something was imported:
//! elsewhere it is malformed, and costs nothing.

use super::misses::{Budget, Source};
use crate::Plane;
use crate::audit::{Action, AuditEvent, Target};
use crate::clock::Timestamp;
use crate::commit::{Change, Commit, Subject};
use crate::credentials::Credential;
use crate::error::{Conflict, Error, Result};
use crate::ids::EventId;
use crate::keys::{ForeignHash, ForeignKind};
use crate::limits;
use crate::secrets::foreign::{FastHash, FastKind, LookUp, may_be_foreign};
use crate::secrets::{Sealed, Tag};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// What is known of imports, for a moment; and the bound on slow checks.
pub(crate) struct Foreign {
    kinds: Mutex<Option<(Duration, Arc<Kinds>)>>,
    checks: Semaphore,
    waiting: Semaphore,
}

#[derive(Default)]
struct Kinds {
    fast: Vec<FastKind>,
    slow: bool,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            kinds: Mutex::default(),
            checks: Semaphore::new(limits::FOREIGN_CHECKS_MAX),
            waiting: Semaphore::new(limits::FOREIGN_CHECKS_WAITING_MAX),
        }
    }
}

impl Foreign {
    /// What was imported is read again.
    pub(crate) fn forget(&self) {
        *self.kinds.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a presented foreign key is.
pub(super) enum Presented {
    /// Nothing is imported, or it has not the form of a key.
    Malformed,
    /// No import fits.
    Unknown,
    /// It is the credential with this tag.
    Known(Tag),
}

impl Plane {
    /// Finds out what a text is that is no key of Tenantry's own.
    pub(super) async fn find_foreign(
        &self,
        text: &str,
        source: Option<Source>,
    ) -> Result<Presented> {
        if !may_be_foreign(text) {
            return Ok(Presented::Malformed);
        }
        let kinds = self.foreign_kinds().await?;
        if kinds.fast.is_empty() && !kinds.slow {
            return Ok(Presented::Malformed);
        }
        for kind in &kinds.fast {
            let tag = FastHash::of(kind, text).tag(&self.secrets);
            if self.find_known(&tag, source).await?.is_some() {
                return Ok(Presented::Known(tag));
            }
        }
        if kinds.slow { self.find_used_or_slow(text, source).await } else { Ok(Presented::Unknown) }
    }

    /// A slow hash that was used once is stored as a fast one from then on.
    async fn find_used_or_slow(&self, text: &str, source: Option<Source>) -> Result<Presented> {
        let used = FastHash::of(&FastKind::Used, text).tag(&self.secrets);
        // Whoever looks this up in vain must not be believed for a second: the first use may be
        // under way.
        if self.look_up_anew(&used, source).await? {
            return Ok(Presented::Known(used));
        }
        for look_up in LookUp::of(text) {
            if let Some(tag) = self.find_slow(text, &look_up, source).await? {
                return Ok(Presented::Known(tag));
            }
        }
        // Another request of the same key may have put the fast hash there in between.
        let known = self.look_up_anew(&used, source).await?;
        Ok(if known { Presented::Known(used) } else { Presented::Unknown })
    }

    /// Whether a credential is there, without remembering that it is not.
    async fn look_up_anew(&self, tag: &Tag, source: Option<Source>) -> Result<bool> {
        if self.cluster.cache.find(tag).is_some() {
            return Ok(true);
        }
        let now = self.clock.monotonic();
        source.map_or(Ok(()), |source| self.misses.take(source, now))?;
        let found = self.store.find_credential_by_tag(tag).await.map(|found| found.is_some());
        if let (Some(source), Ok(true) | Err(_)) = (source, &found) {
            self.misses.give_back(source, now);
        }
        found
    }

    async fn foreign_kinds(&self) -> Result<Arc<Kinds>> {
        let now = self.clock.monotonic();
        {
            let known = self.foreign.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((until, kinds)) = &*known
                && now < *until
            {
                return Ok(kinds.clone());
            }
        }
        let stored: Vec<ForeignKind> = self.store.list_foreign_kinds().await?;
        let kinds = Arc::new(Kinds {
            fast: stored.iter().filter_map(|kind| self.fast_kind(kind)).collect(),
            slow: stored.iter().any(|kind| kind.word == "slow"),
        });
        let mut known = self.foreign.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now + limits::FOREIGN_KINDS_TTL, kinds.clone()));
        Ok(kinds)
    }

    /// Checks a key against the slow hash that its beginning finds, on the blocking pool, and
    /// stores a fast one in its place where it fits.
    async fn find_slow(
        &self,
        text: &str,
        look_up: &LookUp,
        source: Option<Source>,
    ) -> Result<Option<Tag>> {
        let now = self.clock.monotonic();
        // Each check that fails is paid for: it costs far more than a look-up.
        source.map_or(Ok(()), |source| self.misses.take(source, now))?;
        let give_back = || {
            if let Some(source) = source {
                self.misses.give_back(source, now);
            }
        };
        let found = self.store.find_foreign_hash(&look_up.tag(&self.secrets)).await;
        let Some(found) = found.inspect_err(|_| give_back())? else {
            return Ok(None);
        };
        let found = found.open(&self.secrets)?;
        let busy = || self.misses.limited(Budget::SlowHashes, Duration::from_secs(1));
        let _place = self.foreign.waiting.try_acquire().map_err(|_| busy())?;
        let turn = self.foreign.checks.acquire().await.map_err(Error::internal)?;
        let (hash, key) = (found.hash.clone(), Zeroizing::new(text.to_owned()));
        let fits = tokio::task::spawn_blocking(move || hash.matches(&key)).await;
        drop(turn);
        if !fits.map_err(Error::internal)?? {
            return Ok(None);
        }
        give_back();
        self.adopt(found, text).await.map(Some)
    }

    /// Stores the fast hash of a key whose slow one it has just fitted.
    async fn adopt(&self, found: ForeignHash, text: &str) -> Result<Tag> {
        let tag = FastHash::of(&FastKind::Used, text).tag(&self.secrets);
        for _ in 0..limits::RETRIES_MAX {
            let credential = self.store.find_credential(found.root, found.credential).await?;
            let gone = || Error::Integrity {
                table: "foreign_hashes",
                id: found.credential.to_string(),
                problem: "its credential is gone",
            };
            let mut credential: Credential = credential.ok_or_else(gone)?.open(&self.secrets)?;
            if credential.tag == tag {
                // Another request of the same key was faster.
                return Ok(tag);
            }
            let subjects = [Subject::Credential(credential.tag), Subject::Credential(tag)];
            let change = Change::new(&*self.rng, found.root, subjects);
            credential.tag = tag;
            credential.pepper_id = self.secrets.pepper_id();
            credential.version += 1;
            let audit = self.rehashed(&found, self.clock.now()).with_version(credential.version);
            let commit = Commit::changing(self.seal(audit), change.clone());
            let sealed = Sealed::new(credential, &self.secrets);
            match self.store.adopt_foreign_key(&sealed, &found.look_up, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => {
                    self.publish(&change, outcome)?;
                    return Ok(tag);
                }
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }

    /// The plane's own doing: nobody asked for it by name.
    fn rehashed(&self, found: &ForeignHash, now: Timestamp) -> AuditEvent {
        AuditEvent {
            id: EventId::generate(&*self.rng, now),
            root: found.root,
            at: now,
            actor: ("plane", "verify".to_owned()),
            action: Action::KeyRehashed,
            target: Target::Key(found.credential).describe(),
            facts: vec![("hash", found.hash.algorithm().to_owned())],
            request_id: "".into(),
            address: None,
        }
    }
}
