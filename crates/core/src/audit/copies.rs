//! Whether the outside copy of the checkpoints and the store tell the same.
//!
//! The copy may begin later than the store (it was moved), and may have a line twice (a crash came
//! between writing it and noting that). After a restore from a backup it also has checkpoints of the
//! history that ended there. Those are explained by the event `store.restored`, which names the last
//! checkpoint that the backup had; any others say that the store lost something.

use super::checkpoint::{self, BadCheckpoint, CheckpointHash, SignedCheckpoint};
use super::trail::{Findings, Problem};
use crate::secrets::CheckpointKey;

/// Fact of `store.restored` that names the last checkpoint that the backup had.
pub const RESTORED_CHECKPOINT: &str = "checkpoint";

/// Reads the copy, line by line.
pub struct CopyCheck<'a> {
    key: CheckpointKey,
    /// The last checkpoints of the backups that were restored.
    restored: &'a [u64],
    line: u64,
    last: Option<(u64, CheckpointHash)>,
    /// A line that was not written to its end, unless another follows that makes it good.
    torn: bool,
    /// Since the copy left the store's history at a restore: the checkpoint after which that was.
    abandoned: Option<u64>,
    /// Checkpoints of histories that a restore ended.
    pub superseded: u64,
    /// The highest number that copy and store both have.
    pub common: u64,
}

impl<'a> CopyCheck<'a> {
    /// A check of the copy of a store with this key and these restores.
    #[must_use]
    pub fn new(key: CheckpointKey, restored: &'a [u64]) -> Self {
        Self {
            key,
            restored,
            line: 0,
            last: None,
            torn: false,
            abandoned: None,
            superseded: 0,
            common: 0,
        }
    }

    /// Looks at the next line. `stored` gives the store's line of a number. The checkpoint, where the
    /// store should have it and does not.
    ///
    /// # Errors
    /// What `stored` says.
    pub fn next<E>(
        &mut self,
        text: &str,
        stored: impl FnOnce(u64) -> Result<Option<String>, E>,
        findings: &mut Findings,
    ) -> Result<Option<SignedCheckpoint>, E> {
        self.line += 1;
        let signed = match checkpoint::read(text, &self.key) {
            Ok(signed) => signed,
            // A crash leaves the beginning of a line; the next start writes it anew. Only whether
            // the numbers go on tells.
            Err(BadCheckpoint::Malformed) => {
                self.torn = true;
                return Ok(None);
            }
            Err(BadCheckpoint::Signature) => {
                findings.add(None, None, Problem::SinkAltered(self.line));
                return Ok(None);
            }
        };
        let number = signed.checkpoint.number;
        let ours = stored(number)?.is_some_and(|line| line == text);
        self.follow(&signed, findings);
        self.last = Some((number, signed.hash));
        self.torn = false;
        if ours {
            self.common = self.common.max(number);
            if self.abandoned.is_some_and(|after| number > after) {
                self.abandoned = None;
            }
            return Ok(None);
        }
        if self.abandoned.is_none() && self.restored.contains(&(number.saturating_sub(1))) {
            self.abandoned = Some(number.saturating_sub(1));
        }
        if self.abandoned.is_some_and(|after| number > after) {
            self.superseded += 1;
            return Ok(None);
        }
        findings.add(None, None, Problem::CheckpointUnknown(number));
        Ok(Some(signed))
    }

    /// Whether the line continues the one before it. One that goes back, after a crash or a
    /// restore, begins anew.
    fn follow(&self, signed: &SignedCheckpoint, findings: &mut Findings) {
        let number = signed.checkpoint.number;
        let Some((last, hash)) = self.last else { return };
        if number == last + 1 && signed.checkpoint.previous != hash {
            findings.add(None, None, Problem::CheckpointOutOfOrder(number));
        }
        for missing in (last + 1..number).take(crate::limits::AUDIT_FINDINGS_MAX) {
            findings.add(None, None, Problem::SinkLacks(missing));
        }
    }

    /// Looks at the copy's end, given the number of the store's last checkpoint: those that the
    /// copy lacks, which is no fault where the sink failed and is to be made good.
    #[must_use]
    pub const fn lacking(&self, stored: u64) -> u64 {
        stored.saturating_sub(self.common)
    }

    /// True where the copy's last line was not written to its end.
    #[must_use]
    pub const fn ends_torn(&self) -> bool {
        self.torn
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::Checkpoint;
    use super::*;
    use crate::clock::Timestamp;
    use crate::rng::SeededRng;
    use crate::secrets::{Secrets, SecretsMaterial};

    fn secrets() -> Secrets {
        Secrets::new(&SecretsMaterial::generate(&SeededRng::new(1)).expect("secrets"))
    }

    /// Lines `from..=to` that continue `before`, told apart from other histories by `at`.
    fn history(before: &[String], to: u64, at: i64) -> Vec<String> {
        let secrets = secrets();
        let mut lines = before.to_vec();
        while (lines.len() as u64) < to {
            let number = lines.len() as u64 + 1;
            let previous = lines.last().map_or([0; 32], |line| checkpoint::hash_of_line(line));
            let at = Timestamp::from_seconds(at);
            let checkpoint = Checkpoint { number, at, previous, heads: Vec::new() };
            lines.push(checkpoint.sign(&secrets).expect("a line"));
        }
        lines
    }

    /// What is found, and how many lines are of a history that a restore ended.
    fn check(copy: &[&[String]], store: &[String], restored: &[u64]) -> (Vec<Problem>, u64) {
        let mut findings = Findings::default();
        let mut check = CopyCheck::new(secrets().checkpoint_key(), restored);
        for line in copy.iter().copied().flatten() {
            let stored = |number: u64| {
                let index = usize::try_from(number).expect("small") - 1;
                Ok::<_, ()>(store.get(index).cloned())
            };
            check.next(line, stored, &mut findings).expect("no store fails");
        }
        let problems = findings.first.into_iter().map(|finding| finding.problem).collect();
        (problems, check.superseded)
    }

    #[test]
    fn a_copy_that_begins_late_or_repeats_a_line_is_a_copy() {
        let store = history(&[], 9, 1);
        assert_eq!(check(&[&store], &store, &[]), (Vec::new(), 0));
        assert_eq!(check(&[&store[4..]], &store, &[]), (Vec::new(), 0));
        assert_eq!(check(&[&store[..6], &store[5..]], &store, &[]), (Vec::new(), 0));
        let torn = [store[6][..40].to_owned()];
        assert_eq!(check(&[&store[..6], &torn, &store[6..]], &store, &[]), (Vec::new(), 0));
    }

    #[test]
    fn what_is_missing_in_between_is_named() {
        let store = history(&[], 9, 1);
        let found = check(&[&store[..3], &store[5..]], &store, &[]);
        assert_eq!(found, (vec![Problem::SinkLacks(4), Problem::SinkLacks(5)], 0));
        let found = check(&[&store], &store[..8], &[]);
        assert_eq!(found, (vec![Problem::CheckpointUnknown(9)], 0));
    }

    #[test]
    fn a_restore_explains_the_history_that_it_ended_and_no_other() {
        let first = history(&[], 9, 1);
        let second = history(&first[..5], 8, 2);
        let copy: [&[String]; 2] = [&first, &second[4..]];
        assert_eq!(check(&copy, &second, &[5]), (Vec::new(), 4));
        let unknown = |numbers: [u64; 4]| numbers.map(Problem::CheckpointUnknown).to_vec();
        assert_eq!(check(&copy, &second, &[]), (unknown([6, 7, 8, 9]), 0));
        assert_eq!(check(&copy, &second, &[4]), (unknown([6, 7, 8, 9]), 0));
        // What the restored store loses afterwards is not explained by it.
        let lost = check(&copy, &second[..7], &[5]);
        assert_eq!(lost, (vec![Problem::CheckpointUnknown(8)], 4));
        // Restored once more, from before the first restore: both histories ended.
        let third = history(&second[..3], 6, 3);
        let copy: [&[String]; 3] = [&first, &second[4..], &third[2..]];
        assert_eq!(check(&copy, &third, &[3]), (Vec::new(), 6 + 4));
    }
}
