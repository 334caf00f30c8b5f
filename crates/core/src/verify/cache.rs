//! The verify cache: credentials by tag, accounts in slots that credentials share.
//!
//! A fill races with changes. It enters only if nothing was applied to its root account's shard
//! since its rows were read, and that is decided under the shard's lock, which the applier holds
//! too. Hits take no such lock.

use super::known::{Known, Read, Slot};
use crate::accounts::{Account, AccountStatus};
use crate::commit::{CHANGE_SHARDS, Change, Revision, Subject, shard_of};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::Tag;
use quick_cache::sync::{Cache, PlaceholderGuard};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The verify cache of a node.
pub struct VerifyCache {
    credentials: Cache<Tag, Arc<Known>>,
    unknown: Cache<Tag, Duration>,
    shards: [Mutex<Shard>; CHANGE_SHARDS as usize],
}

#[derive(Default)]
struct Shard {
    /// Number of the newest change that was applied here.
    applied: u64,
    /// Changes whose outcome is not known. A fill that was under way then does not enter.
    doubts: u64,
    slots: HashMap<AccountId, Weak<Slot>>,
    /// Size of `slots` at which empty ones are swept.
    sweep_at: usize,
}

/// Doubts of every shard at one instant.
pub(super) type Epochs = [u64; CHANGE_SHARDS as usize];

/// The place of one credential, held by whoever looks it up; others wait for the same look-up.
pub(super) type Vacant<'a> = PlaceholderGuard<
    'a,
    Tag,
    Arc<Known>,
    quick_cache::UnitWeighter,
    quick_cache::DefaultHashBuilder,
    quick_cache::sync::DefaultLifecycle<Tag, Arc<Known>>,
>;

pub(super) enum Entered<'a> {
    Known(Arc<Known>),
    Vacant(Vacant<'a>),
}

impl VerifyCache {
    /// A cache of at most `entries` credentials.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self {
            credentials: Cache::new(entries),
            unknown: Cache::new(limits::NOT_FOUND_ENTRIES_MAX),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub(super) fn find(&self, tag: &Tag) -> Option<Arc<Known>> {
        self.credentials.get(tag)
    }

    /// Waits for a look-up of the same credential that is under way, or begins one.
    pub(super) async fn enter(&self, tag: &Tag) -> Entered<'_> {
        match self.credentials.get_value_or_guard_async(tag).await {
            Ok(known) => Entered::Known(known),
            Err(guard) => Entered::Vacant(guard),
        }
    }

    /// True where the credential was looked up in vain a moment ago.
    pub(super) fn is_unknown(&self, tag: &Tag, now: Duration) -> bool {
        self.unknown.get(tag).is_some_and(|until| now < until)
    }

    pub(super) fn remember_unknown(&self, tag: Tag, now: Duration) {
        self.unknown.insert(tag, now + limits::NOT_FOUND_TTL);
    }

    /// To be read before the rows of a fill are.
    pub(super) fn epochs(&self) -> Epochs {
        std::array::from_fn(|shard| lock(&self.shards[shard]).doubts)
    }

    /// Enters what was read, unless a change came in between; gives it back either way.
    pub(super) fn fill(&self, slot: Vacant<'_>, read: Read, epochs: Epochs) -> Arc<Known> {
        let revision = read.revision;
        let mut shard = lock(&self.shards[usize::from(revision.shard)]);
        if shard.accepts(revision, &epochs) {
            let account = read.account.as_ref().map(|account| {
                let parent = read.parent.as_ref().map(|parent| shard.slot(parent, None));
                shard.slot(account, parent)
            });
            let known = Arc::new(read.into_known(account));
            // The place is gone where the applier removed it; then nothing enters.
            let _ = slot.insert(known.clone());
            known
        } else {
            let account = read.account.as_ref().map(|account| {
                let parent = read.parent.as_ref().map(|parent| Arc::new(Slot::new(parent, None)));
                Arc::new(Slot::new(account, parent))
            });
            Arc::new(read.into_known(account))
        }
    }

    /// Enters an account that was read again, unless a change came in between; gives its status
    /// back either way.
    pub(super) fn refresh(
        &self,
        slot: &Slot,
        account: &Account,
        revision: Revision,
        epochs: Epochs,
    ) -> AccountStatus {
        let shard = lock(&self.shards[usize::from(revision.shard)]);
        if shard.accepts(revision, &epochs) {
            slot.set(account);
        }
        account.status
    }

    /// Takes what changed out of the cache. Without a revision it is not known whether the change
    /// was committed.
    pub(crate) fn apply(&self, change: &Change, revision: Option<Revision>) {
        let mut shard = lock(&self.shards[usize::from(change.shard())]);
        match revision {
            Some(revision) => shard.applied = shard.applied.max(revision.number),
            None => shard.doubts += 1,
        }
        for (subject, _) in &change.rows {
            match subject {
                Subject::Credential(tag) => {
                    self.credentials.remove(tag);
                }
                Subject::Account(id) => {
                    if let Some(slot) = shard.slots.get(id).and_then(Weak::upgrade) {
                        slot.set_stale();
                    }
                }
            }
        }
    }

    /// Enters an account that a change at `revision` left like this, unless a later change is
    /// already known.
    pub(crate) fn note_account(&self, account: &Account, revision: Revision) {
        let shard = lock(&self.shards[usize::from(shard_of(account.root()))]);
        if shard.applied == revision.number
            && shard.doubts == 0
            && let Some(slot) = shard.slots.get(&account.id).and_then(Weak::upgrade)
        {
            slot.set(account);
        }
    }
}

impl Shard {
    fn accepts(&self, revision: Revision, epochs: &Epochs) -> bool {
        self.applied <= revision.number && self.doubts == epochs[usize::from(revision.shard)]
    }

    fn slot(&mut self, account: &Account, parent: Option<Arc<Slot>>) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(&account.id).and_then(Weak::upgrade) {
            slot.set(account);
            return slot;
        }
        if self.slots.len() >= self.sweep_at {
            self.slots.retain(|_, slot| slot.strong_count() > 0);
            self.sweep_at = (self.slots.len() * 2).max(1024);
        }
        let slot = Arc::new(Slot::new(account, parent));
        self.slots.insert(account.id, Arc::downgrade(&slot));
        slot
    }
}

/// No code panics while it holds a shard's lock; were it to, the state is still whole, since each
/// step leaves it so.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
