//! Blocks of uses in the node's memory.

use super::{Drawn, Unspent, Uses};
use crate::clock::Timestamp;
use crate::ids::CredentialId;
use crate::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The uses of a key, as a verification has found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsesLeft {
    /// How many there are in a period.
    pub limit: u64,
    /// How many are left, as far as this node knows: those that other nodes have drawn are not among
    /// them.
    pub remaining: u64,
}

/// What a block says of a number of uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// They are spent.
    Spent(UsesLeft),
    /// There are not so many.
    Exceeded(UsesLeft),
    /// The store has to be asked: so many more are needed.
    Needs(u64),
}

/// The blocks of a node, by the line of keys that they were drawn for.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: Mutex<HashMap<CredentialId, Arc<Block>>>,
}

/// The block of one line of keys.
#[derive(Default)]
pub(super) struct Block {
    state: Mutex<State>,
    /// One at a time asks the store.
    pub(super) drawing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    granted_at: Option<Timestamp>,
    began_at: Option<Timestamp>,
    left: u64,
    /// What the store had left when it was last asked.
    rest: u64,
    /// When the period ends, by the clock that is never set back.
    ends: Option<Duration>,
    /// Until when the store is believed to have no more than `rest`.
    known_until: Duration,
    /// When it was last spent from.
    used_at: Duration,
}

impl Blocks {
    /// The block of a line. Where there are too many, one that is kept for this call alone; what it
    /// draws too much is given back with the rest of it.
    pub(super) fn of(&self, lineage: CredentialId) -> Option<Arc<Block>> {
        let mut blocks = lock(&self.blocks);
        if let Some(block) = blocks.get(&lineage) {
            return Some(block.clone());
        }
        if blocks.len() >= limits::USES_BLOCKS_MAX {
            return None;
        }
        let block = Arc::<Block>::default();
        blocks.insert(lineage, block.clone());
        Some(block)
    }

    /// Takes out what is left of blocks that were not spent from since `before`; forgets those in which
    /// nothing is left.
    pub(super) fn take_idle(&self, before: Duration) -> Vec<Unspent> {
        let mut idle = Vec::new();
        lock(&self.blocks).retain(|lineage, block| {
            let mut state = lock(&block.state);
            if state.used_at >= before {
                return true;
            }
            idle.extend(state.take(*lineage));
            // Whoever is about to use it goes on with it, and it is entered no more than once.
            Arc::strong_count(block) > 1
        });
        idle
    }
}

impl Block {
    /// Spends `cost` uses where they are there.
    pub(super) fn take(&self, uses: &Uses, cost: u64, now: Duration) -> Taken {
        let mut state = lock(&self.state);
        let taken = state.ask(uses, cost, now);
        if let Taken::Spent(_) = taken {
            state.left -= cost;
        }
        taken
    }

    /// What is left, as far as that is known, for who wants to spend `cost`; an error where it is known
    /// not to be enough.
    pub(super) fn look(&self, uses: &Uses, cost: u64, now: Duration) -> Result<UsesLeft, UsesLeft> {
        let mut state = lock(&self.state);
        match state.ask(uses, cost, now) {
            Taken::Exceeded(left) => Err(left),
            Taken::Spent(_) | Taken::Needs(_) => Ok(UsesLeft {
                limit: uses.limit(),
                remaining: match state.granted_at {
                    Some(_) => state.left.saturating_add(state.rest),
                    None => uses.limit(),
                },
            }),
        }
    }

    /// Adds what was drawn for `uses`, where the store was asked at `asked_at`.
    pub(super) fn add(&self, uses: &Uses, drawn: &Drawn, asked_at: Duration) {
        let mut state = lock(&self.state);
        let same =
            state.granted_at == Some(uses.granted_at) && state.began_at == Some(drawn.began_at);
        // What is left of an earlier period is gone with it.
        let kept = if same { state.left } else { 0 };
        let ends = drawn.ends_after.map(|after| asked_at.saturating_add(after));
        *state = State {
            granted_at: Some(uses.granted_at),
            began_at: Some(drawn.began_at),
            left: kept.saturating_add(drawn.drawn),
            rest: drawn.rest,
            ends,
            known_until: asked_at.saturating_add(limits::USES_ASK_AGAIN_AFTER),
            used_at: asked_at,
        };
    }

    /// Puts back what was taken and is not spent after all.
    pub(super) fn put_back(&self, uses: &Uses, cost: u64, now: Duration) {
        let mut state = lock(&self.state);
        state.settle(uses, now);
        if state.granted_at == Some(uses.granted_at) && state.ends.is_none_or(|end| now < end) {
            state.left = state.left.saturating_add(cost);
        }
    }

    /// Takes out what is left of a block that is not kept.
    pub(super) fn drain(&self, lineage: CredentialId) -> Option<Unspent> {
        lock(&self.state).take(lineage)
    }
}

impl State {
    /// Forgets what is of an earlier grant, or of a period that is over.
    fn settle(&mut self, uses: &Uses, now: Duration) {
        let earlier = self.granted_at.is_some_and(|at| at < uses.granted_at);
        if earlier || self.ends.is_some_and(|end| end <= now) {
            *self = Self { used_at: self.used_at, ..Self::default() };
        }
    }

    fn ask(&mut self, uses: &Uses, cost: u64, now: Duration) -> Taken {
        self.settle(uses, now);
        // Of a grant that has ended in the meantime nothing is spent any more.
        let later = self.granted_at.is_some_and(|at| at > uses.granted_at);
        if later {
            return Taken::Exceeded(UsesLeft { limit: uses.limit(), remaining: 0 });
        }
        self.used_at = now;
        let there = self.left.saturating_add(self.rest);
        let left = |remaining| UsesLeft { limit: uses.limit(), remaining };
        if self.left >= cost {
            Taken::Spent(left(there - cost))
        } else if now < self.known_until && there < cost {
            Taken::Exceeded(left(there))
        } else {
            Taken::Needs(cost - self.left)
        }
    }

    fn take(&mut self, lineage: CredentialId) -> Option<Unspent> {
        let (granted_at, began_at) = self.granted_at.zip(self.began_at)?;
        let unspent = self.left;
        *self = Self { used_at: self.used_at, ..Self::default() };
        (unspent > 0).then_some(Unspent { lineage, granted_at, began_at, unspent })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds the lock, and each step leaves what it guards whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::Refill;
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const BEGAN: Timestamp = Timestamp::from_seconds(1_752_158_100);

    fn uses(limit: i64, granted_at: i64) -> Uses {
        let refill = Refill::from_seconds(60).expect("a minute");
        Uses::new(limit, Some(refill), Timestamp::from_seconds(granted_at)).expect("uses")
    }

    fn drawn(drawn: u64, rest: u64) -> Drawn {
        Drawn { drawn, rest, began_at: BEGAN, ends_after: Some(Duration::from_mins(1)) }
    }

    #[test]
    fn a_block_is_spent_and_then_the_store_is_asked() {
        let (block, uses) = (Block::default(), uses(100, 1));
        assert_eq!(block.take(&uses, 1, NOW), Taken::Needs(1));
        block.add(&uses, &drawn(3, 97), NOW);
        let left = |remaining| UsesLeft { limit: 100, remaining };
        assert_eq!(block.look(&uses, 2, NOW), Ok(left(100)));
        assert_eq!(block.look(&uses, 101, NOW), Err(left(100)));
        assert_eq!(block.take(&uses, 2, NOW), Taken::Spent(UsesLeft { limit: 100, remaining: 98 }));
        assert_eq!(block.take(&uses, 2, NOW), Taken::Needs(1));
        block.put_back(&uses, 2, NOW);
        assert!(matches!(block.take(&uses, 3, NOW), Taken::Spent(_)));
        assert_eq!(
            block.take(&uses, 98, NOW),
            Taken::Exceeded(UsesLeft { limit: 100, remaining: 97 })
        );
        let later = NOW + limits::USES_ASK_AGAIN_AFTER;
        assert_eq!(block.take(&uses, 98, later), Taken::Needs(98), "others may have given back");
    }

    #[test]
    fn nothing_outlives_its_period_or_its_grant() {
        let block = Block::default();
        block.add(&uses(100, 1), &drawn(10, 0), NOW);
        let end = NOW + Duration::from_mins(1);
        assert_eq!(block.take(&uses(100, 1), 1, end), Taken::Needs(1));
        block.add(&uses(100, 1), &drawn(10, 0), NOW);
        assert_eq!(block.take(&uses(5, 2), 1, NOW), Taken::Needs(1), "a new grant");
        block.add(&uses(5, 2), &drawn(5, 0), NOW);
        let none = UsesLeft { limit: 100, remaining: 0 };
        assert_eq!(block.take(&uses(100, 1), 1, NOW), Taken::Exceeded(none), "the grant before");
        block.put_back(&uses(100, 1), 7, NOW);
        assert!(matches!(block.take(&uses(5, 2), 6, NOW), Taken::Exceeded(_)));
    }

    #[test]
    fn an_idle_block_is_taken_out_once() {
        let blocks = Blocks::default();
        let lineage = CredentialId::from_bytes([1; 16]);
        let uses = uses(100, 1);
        let block = blocks.of(lineage).expect("room");
        block.add(&uses, &drawn(10, 90), NOW);
        assert!(matches!(block.take(&uses, 4, NOW), Taken::Spent(_)));
        drop(block);
        assert_eq!(blocks.take_idle(NOW), []);
        let expected =
            Unspent { lineage, granted_at: uses.granted_at, began_at: BEGAN, unspent: 6 };
        assert_eq!(blocks.take_idle(NOW + Duration::from_secs(1)), [expected]);
        assert_eq!(blocks.take_idle(NOW + Duration::from_secs(2)), []);
    }
}
