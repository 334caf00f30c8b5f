//! What a node knows of the history of one shard, and what follows from it: whether rows that were
//! read may enter the cache, and whether the log that is read still is the log that was read.
//!
//! Two numbers are told apart. *Applied* is the row up to which the log was read and applied. The
//! *floor* is the newest change that is known to be committed, by this node's own doing as a rule:
//! what was read before it is too old to enter.
//!
//! Rows may have been read at a head that is ahead of what is applied. They are newer than they
//! need be, if that head stays part of the history. It does not where a failover loses commits. So
//! such a head is noted as a claim, and the next answers of the log have to bear it out. Rows that
//! arrive when such an answer is asked for already are too late for a claim, and do not enter.

use crate::cluster::Tail;
use crate::commit::{Mark, Subject};
use crate::limits;

/// What is known of a shard's history.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Up to where the log was applied. A node that is alone applies none.
    applied: Mark,
    /// The number of the newest change that is known to be committed.
    floor: u64,
    claims: Vec<Claim>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    mark: Mark,
    /// A poll that began after the claim was made has to see it.
    asked: bool,
}

/// The log is not the one that was read before, or does not say what changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// What an answer of the log says of a shard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    /// What changed, in order.
    pub(super) subjects: Vec<Subject>,
    /// Whether the answer went up to the head.
    pub(super) complete: bool,
}

impl History {
    /// Whether rows that were read at `head` may enter, on a node that is alone.
    pub(super) fn accepts_alone(&self, head: Mark) -> bool {
        self.floor <= head.number
    }

    /// Whether rows that were read at `head` may enter, on a node that follows the log. They are
    /// `recent` if the log was not asked for since before they were read.
    pub(super) fn accepts(&mut self, head: Mark, recent: bool) -> bool {
        if head.number < self.floor {
            return false;
        }
        if head.number <= self.applied.number {
            return head == self.applied;
        }
        // Else the log may have been read after a failover that lost this head, and the node is
        // fresh by that for longer than the rows may be used.
        if !recent {
            return false;
        }
        match self.claims.iter().find(|claim| claim.mark.number == head.number) {
            Some(claim) => claim.mark == head,
            None => self.claim(head),
        }
    }

    /// Notes the newest change that is known to be committed.
    pub(super) fn raise(&mut self, number: u64) {
        self.floor = self.floor.max(number);
    }

    /// The floor.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    /// Where the next answer of the log is to begin. What is claimed by now it has to bear out.
    pub(super) fn ask(&mut self) -> Mark {
        for claim in &mut self.claims {
            claim.asked = true;
        }
        self.applied
    }

    /// Takes an answer to [`Self::ask`].
    pub(super) fn follow(&mut self, tail: &Tail) -> Result<News, Broken> {
        let mut last = self.applied;
        let mut rows = &*tail.rows;
        if last != Mark::default() {
            // Lost commits, a restore and pruning that has passed this node all look the same.
            let (first, rest) = rows.split_first().ok_or(Broken)?;
            if first.mark != last {
                return Err(Broken);
            }
            rows = rest;
        }
        let mut subjects = Vec::with_capacity(rows.len());
        for row in rows {
            if row.mark.number != last.number + 1 {
                return Err(Broken);
            }
            last = row.mark;
            subjects.push(row.subject.ok_or(Broken)?);
        }
        let complete = last == tail.head;
        if !complete && last.number >= tail.head.number {
            return Err(Broken);
        }
        let borne_out = |claim: &Claim| match claim.mark.number {
            number if number > last.number => !(claim.asked && complete),
            number if number > self.applied.number => rows.iter().any(|row| row.mark == claim.mark),
            _ => true,
        };
        if !self.claims.iter().all(borne_out) {
            return Err(Broken);
        }
        self.claims.retain(|claim| claim.mark.number > last.number);
        self.applied = last;
        self.raise(last.number);
        Ok(News { subjects, complete })
    }

    /// Starts over at `head`, with nothing in the cache.
    pub(super) fn start(&mut self, head: Mark) {
        *self = Self { applied: head, floor: head.number, claims: Vec::new() };
    }

    /// Notes that `head` is part of the history. False where too many are noted.
    pub(super) fn claim(&mut self, head: Mark) -> bool {
        let room = self.claims.len() < limits::CHANGE_CLAIMS_MAX;
        if room && head.number > self.applied.number {
            self.claims.push(Claim { mark: head, asked: false });
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::LogRow;
    use crate::ids::AccountId;

    const SUBJECT: Subject = Subject::Account(AccountId::PLANE);

    fn mark(number: u64, nonce: u64) -> Mark {
        Mark { number, nonce }
    }

    /// Rows of these marks, up to the head.
    fn tail(marks: &[Mark]) -> Tail {
        let rows = marks.iter().map(|mark| LogRow { mark: *mark, subject: Some(SUBJECT) });
        Tail { head: marks.last().copied().unwrap_or_default(), rows: rows.collect() }
    }

    fn at(mark: Mark) -> History {
        let mut history = History::default();
        history.start(mark);
        history
    }

    fn news(count: usize) -> News {
        News { subjects: vec![SUBJECT; count], complete: true }
    }

    #[test]
    fn an_answer_has_to_go_on_from_the_mark() {
        for (rows, expected) in [
            (vec![mark(4, 40)], Ok(news(0))),
            (vec![mark(4, 40), mark(5, 50), mark(6, 60)], Ok(news(2))),
            (vec![mark(4, 41), mark(5, 50)], Err(Broken)),
            (vec![mark(5, 50), mark(6, 60)], Err(Broken)),
            (vec![mark(3, 30)], Err(Broken)),
            (vec![mark(4, 40), mark(6, 60)], Err(Broken)),
            (vec![], Err(Broken)),
        ] {
            let mut history = at(mark(4, 40));
            assert_eq!(history.ask(), mark(4, 40));
            assert_eq!(history.follow(&tail(&rows)), expected, "{rows:?}");
        }
    }

    #[test]
    fn before_the_first_row_there_is_no_mark() {
        assert_eq!(at(Mark::default()).follow(&tail(&[])), Ok(news(0)));
        assert_eq!(at(Mark::default()).follow(&tail(&[mark(1, 1)])), Ok(news(1)));
        assert_eq!(at(Mark::default()).follow(&tail(&[mark(2, 1)])), Err(Broken));
    }

    #[test]
    fn a_row_that_does_not_say_what_changed_breaks_the_history() {
        let mut rows = tail(&[mark(4, 40), mark(5, 50)]);
        rows.rows[1].subject = None;
        assert_eq!(at(mark(4, 40)).follow(&rows), Err(Broken));
        // The mark's own row was dealt with when it came.
        let mut rows = tail(&[mark(4, 40), mark(5, 50)]);
        rows.rows[0].subject = None;
        assert_eq!(at(mark(4, 40)).follow(&rows), Ok(news(1)));
    }

    #[test]
    fn a_part_of_the_log_is_not_all_of_it() {
        let mut history = at(mark(4, 40));
        let part = Tail { head: mark(9, 90), ..tail(&[mark(4, 40), mark(5, 50)]) };
        let news = history.follow(&part);
        assert_eq!(news, Ok(News { subjects: vec![SUBJECT], complete: false }));
        assert_eq!(history.ask(), mark(5, 50));
        for head in [mark(5, 51), mark(4, 40)] {
            let torn = Tail { head, ..tail(&[mark(5, 50)]) };
            assert_eq!(at(mark(5, 50)).follow(&torn), Err(Broken), "{head:?}");
        }
    }

    #[test]
    fn rows_enter_unless_a_newer_change_is_known() {
        let mut history = at(mark(4, 40));
        history.raise(6);
        assert!(!history.accepts(mark(5, 50), true));
        assert!(history.accepts(mark(6, 60), true));
        assert!(history.accepts(mark(7, 70), true));
        assert!(!history.accepts(mark(7, 71), true), "one of the two is of another history");
        assert!(!history.accepts(mark(8, 80), false), "no answer that was asked for since has it");
        assert!(at(mark(4, 40)).accepts(mark(4, 40), false));
        assert!(!at(mark(4, 40)).accepts(mark(4, 41), true));
        assert!(!at(mark(4, 40)).accepts(mark(3, 30), true));
    }

    #[test]
    fn what_was_read_ahead_of_the_log_has_to_be_borne_out() {
        let claimed = || {
            let mut history = at(mark(4, 40));
            assert!(history.accepts(mark(6, 60), true));
            history
        };
        let rewound = tail(&[mark(4, 40), mark(5, 50)]);
        // An answer that was read before the rows were need not have them.
        let mut history = claimed();
        assert_eq!(history.follow(&rewound), Ok(news(1)));
        history.ask();
        assert_eq!(history.follow(&tail(&[mark(5, 50), mark(6, 60)])), Ok(news(1)));
        // One that was read after must.
        let mut history = claimed();
        history.ask();
        assert_eq!(history.follow(&rewound), Err(Broken));
        // Nor may another row have its number.
        let rewritten = tail(&[mark(4, 40), mark(5, 50), mark(6, 61)]);
        assert_eq!(claimed().follow(&rewritten), Err(Broken));
        // A part of the log says nothing of what comes after it.
        let mut history = claimed();
        history.ask();
        let part = Tail { head: mark(7, 70), ..rewound };
        assert!(history.follow(&part).is_ok());
    }

    #[test]
    fn claims_are_bounded() {
        let mut history = at(mark(4, 40));
        for number in 0..limits::CHANGE_CLAIMS_MAX as u64 {
            assert!(history.accepts(mark(5 + number, 1), true));
        }
        assert!(!history.accepts(mark(u64::MAX, 1), true));
        assert!(history.accepts(mark(5, 1), true), "what is noted already");
    }
}
