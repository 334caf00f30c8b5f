//! The verify cache: credentials by tag, accounts in slots that credentials share.
//!
//! A fill races with changes. It enters only if nothing was applied to its root account's shard
//! since its rows were read ([`super::history`]), and that is decided under the shard's lock, which
//! the applier holds too. Hits take no such lock.

use super::clients::KnownClient;
use super::history::{Broken, History};
use super::known::{About, Known, Read, Slot};
use super::tokens::KnownToken;
use crate::accounts::{Account, AccountStatus};
use crate::cluster::{Marks, Polled};
use crate::commit::{CHANGE_SHARDS, Change, Head, Subject, shard_of};
use crate::ids::AccountId;
use crate::limits;
use crate::permissions::{Grants, PermissionSet};
use crate::secrets::Tag;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The verify cache of a node.
pub(crate) struct VerifyCache {
    credentials: Cache<CacheKey, Known, UnitWeighter, RandomBits>,
    unknown: Cache<CacheKey, Duration, UnitWeighter, RandomBits>,
    pub(super) clients: Cache<CacheKey, Arc<KnownClient>, UnitWeighter, RandomBits>,
    pub(super) tokens: Cache<CacheKey, Arc<KnownToken>, UnitWeighter, RandomBits>,
    /// By the digests of their texts, which tokens these are.
    pub(super) texts: Cache<CacheKey, CacheKey, UnitWeighter, RandomBits>,
    shards: [Mutex<Shard>; CHANGE_SHARDS as usize],
    /// Changes whose outcome is not known, in any shard, and histories that broke off. A fill that
    /// was under way at one of them does not enter.
    doubts: AtomicU64,
    /// How often the log was asked for.
    polls: AtomicU64,
    /// Whether the log is polled, which bears out what fills say of it.
    follows: bool,
}

#[derive(Default)]
struct Shard {
    history: History,
    slots: HashSet<Shared, RandomBits>,
    plain: HashSet<Interned>,
    /// Size of `slots` and `plain` together at which unused ones are swept.
    sweep_at: usize,
}

/// How many doubts and polls there were when a look-up began.
#[derive(Clone, Copy)]
pub(crate) struct Epoch {
    doubts: u64,
    polls: u64,
}

/// The place of one credential, held by whoever looks it up; others wait for the same look-up.
pub(super) type Vacant<'a> = PlaceholderGuard<
    'a,
    CacheKey,
    Known,
    UnitWeighter,
    RandomBits,
    DefaultLifecycle<CacheKey, Known>,
>;

pub(super) enum Entered<'a> {
    Known(Known),
    Vacant(Vacant<'a>),
}

impl VerifyCache {
    /// A cache of at most `entries` credentials, on a node that makes every change itself.
    pub(crate) fn alone(entries: usize) -> Self {
        Self::new(entries, false)
    }

    /// A cache of at most `entries` credentials, on a node that follows the change log.
    pub(crate) fn following(entries: usize) -> Self {
        Self::new(entries, true)
    }

    fn new(entries: usize, follows: bool) -> Self {
        Self {
            follows,
            credentials: cache(entries),
            unknown: cache(limits::NOT_FOUND_ENTRIES_MAX),
            clients: cache(limits::CLIENT_CACHE_ENTRIES),
            tokens: cache(limits::ACCESS_TOKEN_CACHE_ENTRIES),
            texts: cache(limits::ACCESS_TOKEN_CACHE_ENTRIES),
            shards: std::array::from_fn(|_| Mutex::default()),
            doubts: AtomicU64::new(0),
            polls: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.credentials.len()
    }

    pub(super) fn find(&self, tag: &Tag) -> Option<Known> {
        self.credentials.get(&CacheKey::of(tag))
    }

    /// Waits for a look-up of the same credential that is under way, or begins one.
    pub(super) async fn enter(&self, tag: &Tag) -> Entered<'_> {
        match self.credentials.get_value_or_guard_async(&CacheKey::of(tag)).await {
            Ok(known) => Entered::Known(known),
            Err(guard) => Entered::Vacant(guard),
        }
    }

    /// True where the credential was looked up in vain a moment ago.
    pub(super) fn is_unknown(&self, tag: &Tag, now: Duration) -> bool {
        self.unknown.get(&CacheKey::of(tag)).is_some_and(|until| now < until)
    }

    pub(super) fn remember_unknown(&self, tag: Tag, now: Duration) {
        self.unknown.insert(CacheKey::of(&tag), now + limits::NOT_FOUND_TTL);
    }

    /// To be read before the rows of a fill are, and before a change is made.
    pub(crate) fn epoch(&self) -> Epoch {
        let [doubts, polls] = [&self.doubts, &self.polls].map(|count| count.load(Ordering::SeqCst));
        Epoch { doubts, polls }
    }

    /// Enters what was read, unless a change came in between; gives it back either way.
    pub(super) fn fill(&self, slot: Vacant<'_>, read: &Read, epoch: Epoch) -> Known {
        let mut shard = lock(&self.shards[usize::from(read.head.revision.shard)]);
        if !self.accepts(&mut shard, read.head, epoch) {
            return read.to_known();
        }
        let account = read.account.as_ref().map(|account| {
            let parent = read.parent.as_ref().map(|parent| shard.slot(parent, None));
            shard.slot(account, parent)
        });
        let known = Known::new(read, shard.plain(read.permissions()), account);
        // The place is gone where the applier removed it; then nothing enters.
        let _ = slot.insert(known.clone());
        known
    }

    /// Lets `enter` put something into a cache that was read at `head` and rests on these
    /// accounts, unless a change came in between. `enter` is called under the shard's lock.
    pub(super) fn fill_with<T>(
        &self,
        head: Head,
        epoch: Epoch,
        (account, parent): (&Account, Option<&Account>),
        enter: impl FnOnce(Arc<Slot>) -> T,
    ) -> Option<T> {
        let mut shard = lock(&self.shards[usize::from(head.revision.shard)]);
        self.accepts(&mut shard, head, epoch).then(|| {
            let parent = parent.map(|parent| shard.slot(parent, None));
            let slot = shard.slot(account, parent);
            enter(slot)
        })
    }

    /// As [`Self::fill_with`], for what rests on no account of its own.
    pub(super) fn fill_token(&self, tag: &Tag, token: &Arc<KnownToken>, head: Head, epoch: Epoch) {
        let mut shard = lock(&self.shards[usize::from(head.revision.shard)]);
        if self.accepts(&mut shard, head, epoch) {
            let id = CacheKey::of(tag);
            self.tokens.insert(id, token.clone());
            self.texts.insert(CacheKey::of_digest(&token.digest), id);
        }
    }

    /// Enters an account that was read again, unless a change came in between; gives its status
    /// back either way.
    pub(super) fn refresh(
        &self,
        slot: &Slot,
        account: &Account,
        head: Head,
        epoch: Epoch,
    ) -> AccountStatus {
        let mut shard = lock(&self.shards[usize::from(head.revision.shard)]);
        if self.accepts(&mut shard, head, epoch) {
            slot.set(account);
        }
        account.status
    }

    /// Takes what changed out of the cache. Without a head it is not known whether the change was
    /// committed.
    pub(crate) fn apply(&self, change: &Change, head: Option<Head>) {
        let mut shard = lock(&self.shards[usize::from(change.shard())]);
        match head {
            Some(head) => {
                shard.history.raise(head.revision.number);
                if self.follows {
                    // Where too many are noted the log goes without this one.
                    let _ = shard.history.claim(head.mark());
                }
            }
            None => {
                self.doubts.fetch_add(1, Ordering::SeqCst);
            }
        }
        for (subject, _) in &change.rows {
            self.forget(&shard, subject);
        }
    }

    /// Enters an account that a change at `head` left like this, unless a later change is already
    /// known.
    pub(crate) fn note_account(&self, account: &Account, head: Head, epoch: Epoch) {
        let mut shard = lock(&self.shards[usize::from(shard_of(account.root()))]);
        if shard.history.floor() == head.revision.number
            && self.accepts(&mut shard, head, epoch)
            && let Some(slot) = shard.slots.get(&account.id)
        {
            slot.0.set(account);
        }
    }

    /// Where the next answer of the change log is to begin. To be read before the log is.
    pub(crate) fn ask(&self) -> Marks {
        // First: what does not notice makes its claims before its shard is asked.
        self.polls.fetch_add(1, Ordering::SeqCst);
        std::array::from_fn(|shard| lock(&self.shards[shard]).history.ask())
    }

    /// Takes what the change log says that changed out of the cache. Whether that was all of it,
    /// and how many rows it was.
    pub(crate) fn follow(&self, polled: &Polled) -> Result<(bool, usize), Broken> {
        let (mut complete, mut rows) = (true, 0);
        for (shard, tail) in self.shards.iter().zip(&polled.tails) {
            let mut shard = lock(shard);
            let news = shard.history.follow(tail)?;
            for subject in &news.subjects {
                self.forget(&shard, subject);
            }
            complete &= news.complete;
            rows += news.subjects.len();
        }
        Ok((complete, rows))
    }

    /// Drops everything, and goes on from the heads.
    pub(crate) fn start_over(&self, polled: &Polled) {
        // Rows that are being read may be of the history that is left. First, so that none of them
        // enters once the locks are free again.
        self.doubts.fetch_add(1, Ordering::SeqCst);
        let mut shards: Vec<_> = self.shards.iter().map(lock).collect();
        for (shard, tail) in shards.iter_mut().zip(&polled.tails) {
            shard.history.start(tail.head);
            // Of two versions of an account the higher one stays, and the lower may be the true one.
            shard.slots.clear();
        }
        self.credentials.clear();
        self.clients.clear();
        self.tokens.clear();
        self.texts.clear();
    }
}

impl VerifyCache {
    fn accepts(&self, shard: &mut Shard, head: Head, epoch: Epoch) -> bool {
        let now = self.epoch();
        now.doubts == epoch.doubts
            && if self.follows {
                shard.history.accepts(head.mark(), now.polls == epoch.polls)
            } else {
                shard.history.accepts_alone(head.mark())
            }
    }

    /// Forgets one thing that changed; its shard's lock is held.
    fn forget(&self, shard: &Shard, subject: &Subject) {
        match subject {
            Subject::Credential(tag) => {
                let key = CacheKey::of(tag);
                self.credentials.remove(&key);
                self.clients.remove(&key);
                self.tokens.remove(&key);
            }
            Subject::Account(id) => {
                if let Some(slot) = shard.slots.get(id) {
                    slot.0.set_stale();
                }
            }
        }
    }
}

impl Shard {
    /// Forgets accounts and sets that no cached credential uses any more. Nobody else takes them
    /// from here meanwhile: that is done under the lock that is held.
    fn sweep(&mut self) {
        if self.slots.len() + self.plain.len() < self.sweep_at {
            return;
        }
        self.slots.retain(|slot| Arc::strong_count(&slot.0) > 1);
        self.plain.retain(|plain| {
            Arc::strong_count(&plain.0) > 1 || Arc::strong_count(&plain.0.grants) > 1
        });
        self.sweep_at = ((self.slots.len() + self.plain.len()) * 2).max(1024);
    }

    fn plain(&mut self, set: &PermissionSet) -> Arc<About> {
        if let Some(known) = self.plain.get(set) {
            return known.0.clone();
        }
        self.sweep();
        let plain = Arc::new(About::plain(Grants::new(set.clone())));
        self.plain.insert(Interned(plain.clone()));
        plain
    }

    fn slot(&mut self, account: &Account, parent: Option<Arc<Slot>>) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(&account.id) {
            slot.0.set(account);
            return slot.0.clone();
        }
        self.sweep();
        let slot = Arc::new(Slot::new(account, parent));
        self.slots.insert(Shared(slot.clone()));
        slot
    }
}

/// An account that many credentials share, found by its id.
struct Shared(Arc<Slot>);

impl Borrow<AccountId> for Shared {
    fn borrow(&self) -> &AccountId {
        &self.0.id
    }
}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Shared {}

/// What plain credentials share, found by their permissions.
struct Interned(Arc<About>);

impl Borrow<PermissionSet> for Interned {
    fn borrow(&self) -> &PermissionSet {
        self.0.grants.set()
    }
}

impl Hash for Interned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.grants.set().hash(state);
    }
}

impl PartialEq for Interned {
    fn eq(&self, other: &Self) -> bool {
        self.0.grants.set() == other.0.grants.set()
    }
}

impl Eq for Interned {}

/// The first half of a tag: 128 bits of an HMAC are as many as a credential has (RFC 2104 §5), and
/// entries are small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 16]);

impl CacheKey {
    pub(super) fn of(tag: &Tag) -> Self {
        Self::of_digest(tag.as_bytes())
    }

    /// Of a text that was signed here: what others send is looked up and never entered.
    pub(super) fn of_digest(digest: &[u8; 32]) -> Self {
        let (half, _) = digest.split_at(16);
        Self(half.try_into().expect("half of 32 bytes are 16"))
    }
}

/// Hashes what is random already: parts of HMACs under a key that no caller knows, and ids that no
/// caller chooses. The last eight bytes are the hash.
#[derive(Clone, Copy, Default)]
pub(super) struct RandomBits;

impl BuildHasher for RandomBits {
    type Hasher = LastBytes;

    fn build_hasher(&self) -> LastBytes {
        LastBytes(0)
    }
}

pub(super) struct LastBytes(u64);

impl Hasher for LastBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk::<8>() {
            self.0 = u64::from_ne_bytes(*last);
        }
    }

    // The length of an array that precedes its bytes says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

fn cache<T: Clone>(entries: usize) -> Cache<CacheKey, T, UnitWeighter, RandomBits> {
    let weight = u64::try_from(entries).unwrap_or(u64::MAX);
    Cache::with(entries, weight, UnitWeighter, RandomBits, DefaultLifecycle::default())
}

/// No code panics while it holds a shard's lock; were it to, the state is still whole, since each
/// step leaves it so.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
