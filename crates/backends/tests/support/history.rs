//! A checker of what leases were held when: by the intervals that the store stamped, and by nothing
//! that the store counted.

use std::collections::BTreeMap;
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::AccountId;

/// A slot that was held from one instant up to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) account: AccountId,
    pub(crate) from: Timestamp,
    /// The first instant at which it was not.
    pub(crate) until: Timestamp,
}

/// More slots than there may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) at: Timestamp,
    /// None for the whole tree.
    pub(crate) account: Option<AccountId>,
    pub(crate) held: u32,
}

/// Looks for the first instant at which an account held more than `own`, or all of them together more
/// than `tree`.
pub(crate) fn check(intervals: &[Interval], own: u32, tree: u32) -> Result<(), Excess> {
    // Of one instant, ends come first: what ends then is not held then.
    let mut steps: Vec<(Timestamp, bool, AccountId)> = intervals
        .iter()
        .filter(|interval| interval.from < interval.until)
        .flat_map(|interval| {
            let Interval { account, from, until } = *interval;
            [(from, true, account), (until, false, account)]
        })
        .collect();
    steps.sort();
    let (mut held, mut of_tree) = (BTreeMap::<AccountId, u32>::new(), 0);
    for (at, begins, account) in steps {
        let of_account = held.entry(account).or_default();
        if !begins {
            (*of_account, of_tree) = (*of_account - 1, of_tree - 1);
            continue;
        }
        (*of_account, of_tree) = (*of_account + 1, of_tree + 1);
        if *of_account > own {
            return Err(Excess { at, account: Some(account), held: *of_account });
        }
        if of_tree > tree {
            return Err(Excess { at, account: None, held: of_tree });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_overlaps_counts() {
        let (a, b) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let interval = |account, from, until| Interval {
            account,
            from: Timestamp::from_seconds(from),
            until: Timestamp::from_seconds(until),
        };
        let history = [interval(a, 0, 5), interval(a, 5, 9), interval(b, 4, 6), interval(b, 7, 7)];
        assert_eq!(check(&history, 1, 2), Ok(()));
        let at = Timestamp::from_seconds(4);
        assert_eq!(check(&history, 1, 1), Err(Excess { at, account: None, held: 2 }));
        let planted = [&history[..], &[interval(a, 8, 10)]].concat();
        let at = Timestamp::from_seconds(8);
        assert_eq!(check(&planted, 1, 2), Err(Excess { at, account: Some(a), held: 2 }));
    }
}
