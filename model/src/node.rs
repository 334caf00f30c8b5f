//! A node: its cache, what it has applied, and what is on its way to it.

use crate::log::{Log, Mark, NUMBERS};
use crate::rules::{Rule, Setting};

/// The nonce of two heads of one number: no row has both.
const NOBODYS: u8 = u8::MAX;

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node {
    /// Whether the cache says that the key is on. That it is off is as good as nothing.
    pub(crate) cached: bool,
    applied: Mark,
    floor: u8,
    claims: [Option<Claim>; NUMBERS],
    /// For how many ticks it is fresh.
    pub(crate) fresh: u8,
    /// How long ago its last answer was asked for.
    asked: u8,
    pub(crate) poll: Option<Poll>,
    pub(crate) fill: Option<Fill>,
    /// A verification that began too late to be answered VALID.
    pub(crate) verifying: Verifying,
    /// Its row in the store.
    pub(crate) noted: u8,
    pub(crate) silence: u8,
}

/// That the log has a row, by the row's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Claim {
    nonce: u8,
    /// Whether an answer that is asked for already has to have it.
    asked: bool,
}

/// A reading of the log that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Poll {
    age: u8,
    pub(crate) stage: Stage,
    /// What was read.
    log: Log,
}

/// How far a reading of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The question is on its way.
    Asked,
    /// The log was read.
    Read,
    /// The node's row was written, too, and the answer is on its way.
    Committed,
    /// Another server has taken over since.
    OfTheServerBefore,
}

/// Rows that say that the key is on, on their way to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fill {
    head: Mark,
    /// Whether the log was asked for since.
    polled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verifying {
    No,
    /// The node was fresh; the cache is looked at next.
    FoundFresh,
    /// The cache said that the key is on; whether the node is fresh is asked next.
    FoundOn,
}

/// The log is not the one that was read before.
struct Broken;

impl Node {
    /// One that is fresh, and has applied the log up to here.
    pub(crate) fn new(applied: Mark, setting: Setting) -> Self {
        Self {
            cached: false,
            applied,
            floor: applied.number,
            claims: [None; NUMBERS],
            fresh: setting.bound,
            asked: 0,
            poll: None,
            fill: None,
            verifying: Verifying::No,
            noted: applied.number,
            silence: 0,
        }
    }

    /// A tick passes.
    pub(crate) fn age(&mut self, setting: Setting) {
        self.fresh = self.fresh.saturating_sub(1);
        self.asked = setting.bound.min(self.asked + 1);
        self.silence = setting.bound.min(self.silence + 1);
        if let Some(poll) = &mut self.poll {
            poll.age = setting.bound.min(poll.age + 1);
        }
    }

    /// Whether it answers that the key is on.
    pub(crate) fn says_on(&self, setting: Setting) -> bool {
        self.cached && (self.fresh > 0 || !setting.has(Rule::Freshness))
    }

    /// Begins to read the log.
    pub(crate) fn ask(&mut self) {
        for claim in self.claims.iter_mut().flatten() {
            claim.asked = true;
        }
        if let Some(fill) = &mut self.fill {
            fill.polled = true;
        }
        self.poll = Some(Poll { age: 0, stage: Stage::Asked, log: Log::default() });
    }

    /// The question arrives, and the log is read.
    pub(crate) fn read(&mut self, log: Log) {
        if let Some(poll) = &mut self.poll {
            (poll.stage, poll.log) = (Stage::Read, log);
        }
    }

    /// What was read is noted in the store. The row's time is the earliest that it may be.
    pub(crate) fn commit(&mut self) {
        let Some(poll) = &mut self.poll else { return };
        poll.stage = Stage::Committed;
        self.silence = poll.age;
        self.noted = self.applied.number;
    }

    /// What was read arrives. Gives whether the server was the same all the while.
    pub(crate) fn arrive(&mut self, setting: Setting) -> bool {
        let Some(poll) = self.poll.take() else { return true };
        if self.follow(&poll.log, setting).is_err() {
            self.start_over(&poll.log);
        }
        if self.asked < setting.bound || !setting.has(Rule::FreshByTheSecond) {
            let age = if setting.has(Rule::LeaseFromAsking) { poll.age } else { 0 };
            self.fresh = self.fresh.max(setting.bound - age);
        }
        self.asked = poll.age;
        poll.stage == Stage::Committed
    }

    /// Another server takes over, which has the first so many rows of the log, and the node's row of
    /// a while ago or none.
    pub(crate) fn fail_over(&mut self, rows: u8, setting: Setting) {
        self.noted = self.noted.min(rows);
        self.silence = setting.bound;
        if let Some(poll) = &mut self.poll {
            match poll.stage {
                Stage::Asked => {}
                Stage::Read => self.poll = None,
                Stage::Committed | Stage::OfTheServerBefore => {
                    poll.stage = Stage::OfTheServerBefore;
                }
            }
        }
    }

    fn follow(&mut self, log: &Log, setting: Setting) -> Result<(), Broken> {
        let nonces = setting.has(Rule::Nonces);
        let gaps = setting.has(Rule::Gaps);
        let begins = match log.find(self.applied.number) {
            Some(row) => !nonces || row.nonce == self.applied.nonce,
            None if self.applied.number == 0 => log.pruned == 0 || !gaps,
            None if self.applied.number <= log.pruned => !gaps,
            None => false,
        };
        if !begins {
            return Err(Broken);
        }
        let borne_out = |(number, claim): (u8, &Option<Claim>)| {
            claim.is_none_or(|claim| match log.find(number) {
                Some(row) => !nonces || row.nonce == claim.nonce,
                None => number <= log.len() || !claim.asked,
            })
        };
        if setting.has(Rule::Claims) && !(1..).zip(&self.claims).all(borne_out) {
            return Err(Broken);
        }
        let mut news = (self.applied.number + 1..=log.len()).filter_map(|number| log.find(number));
        if setting.has(Rule::ChangesApplied) && news.any(|row| row.of_the_key) {
            self.cached = false;
        }
        self.applied = log.head();
        self.floor = self.floor.max(self.applied.number);
        self.claims[..usize::from(self.applied.number)].fill(None);
        Ok(())
    }

    fn start_over(&mut self, log: &Log) {
        self.cached = false;
        self.applied = log.head();
        self.floor = self.applied.number;
        self.claims = [None; NUMBERS];
    }

    /// The key's rows are read.
    pub(crate) fn look_up(&mut self, log: &Log) {
        self.fill = Some(Fill { head: log.head(), polled: false });
    }

    /// Rows that were read arrive.
    pub(crate) fn enter(&mut self, setting: Setting) {
        let Some(fill) = self.fill.take() else { return };
        self.cached |= self.accepts(fill, setting);
    }

    fn accepts(&mut self, Fill { head, polled }: Fill, setting: Setting) -> bool {
        let nonces = setting.has(Rule::Nonces);
        if !setting.has(Rule::LateFills) && head.number <= self.applied.number.max(self.floor) {
            return true;
        }
        if head.number < self.floor {
            return false;
        }
        if head.number <= self.applied.number {
            return head.number == self.applied.number && (!nonces || head == self.applied);
        }
        if polled && setting.has(Rule::NoFillsAheadOfAPoll) {
            return false;
        }
        self.claim(head);
        !nonces || self.claims[usize::from(head.number) - 1].is_some_and(|c| c.nonce == head.nonce)
    }

    /// Notes that a head is part of the history.
    fn claim(&mut self, head: Mark) {
        if head.number > self.applied.number {
            let claim = &mut self.claims[usize::from(head.number) - 1];
            match claim {
                None => *claim = Some(Claim { nonce: head.nonce, asked: false }),
                Some(claim) if claim.nonce == head.nonce => {}
                Some(claim) => claim.nonce = NOBODYS,
            }
        }
    }

    /// Applies a change that it made itself.
    pub(crate) fn publish(&mut self, head: Mark, of_the_key: bool) {
        self.floor = self.floor.max(head.number);
        self.claim(head);
        self.cached &= !of_the_key;
    }

    /// Forgets when it noted what, where nothing less than `wanted` counts any more.
    pub(crate) fn forget_noted(&mut self, wanted: u8) {
        self.noted = if self.noted < wanted { 0 } else { wanted };
    }

    /// Forgets all that its row in the store does not depend on.
    pub(crate) fn forget(&mut self) {
        (self.cached, self.floor, self.claims) = (false, 0, [None; NUMBERS]);
        (self.fresh, self.asked) = (0, 0);
    }

    /// Forgets what can make no difference any more.
    pub(crate) fn tidy(&mut self, setting: Setting) {
        let rules = setting.has(Rule::LateFills) && setting.has(Rule::Nonces);
        let too_late = |fill: &Fill| {
            fill.head.number < self.floor
                || (fill.head.number <= self.applied.number && fill.head != self.applied)
        };
        if rules && self.fill.as_ref().is_some_and(too_late) {
            self.fill = None;
        }
    }
}
