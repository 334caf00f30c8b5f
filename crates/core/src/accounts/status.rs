//! Suspending, resuming and closing accounts.

use super::Account;
use super::change::{Done, Which};
use crate::Plane;
use crate::actor::Context;
use crate::audit::Action;
use crate::clock::Timestamp;
use crate::cluster::Effective;
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::permissions::Right;

impl Plane {
    /// Suspends an account; a root account's tree stops with it. Suspending it again changes
    /// nothing and answers the same.
    ///
    /// # Errors
    /// Not found, a missing permission, [`crate::error::Denial::OwnAccount`]: the operator alone suspends a root
    /// account; [`Conflict::Closed`], [`Conflict::Provisioning`].
    pub async fn suspend_account(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<(Account, Effective)> {
        let step =
            Step { action: Action::AccountSuspended, which: Which::Any, take: Account::suspend };
        self.change_status(context, id, step).await
    }

    /// Lets a suspended account go on. Where it goes on already nothing changes.
    ///
    /// # Errors
    /// As [`Self::suspend_account`].
    pub async fn resume_account(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<(Account, Effective)> {
        let step =
            Step { action: Action::AccountResumed, which: Which::Any, take: Account::resume };
        self.change_status(context, id, step).await
    }

    /// Closes an account for good. It stays readable. Closing it again changes nothing and answers
    /// the same.
    ///
    /// # Errors
    /// Not found, a missing permission, [`crate::error::Denial::OwnAccount`].
    pub async fn close_account(
        &self,
        context: &Context,
        id: AccountId,
    ) -> Result<(Account, Effective)> {
        self.close(context, id, Which::Any).await
    }

    /// As [`Self::close_account`], of an account that the caller can mean.
    pub(super) async fn close(
        &self,
        context: &Context,
        id: AccountId,
        which: Which,
    ) -> Result<(Account, Effective)> {
        let take = |account: &mut Account, now| Ok(account.close(now));
        self.change_status(context, id, Step { action: Action::AccountClosed, which, take }).await
    }

    async fn change_status(
        &self,
        context: &Context,
        id: AccountId,
        step: Step,
    ) -> Result<(Account, Effective)> {
        let root = context.actor.organization()?;
        self.change_account(context, (root, id), |account, now| {
            step.which.require(account)?;
            context.actor.require(Right::AccountsWrite)?;
            context.actor.require_above(account.id)?;
            let changed = (step.take)(account, now).map_err(Error::Conflict)?;
            Ok(changed.then_some(Done::plainly(step.action)))
        })
        .await
    }
}

/// A step from one status to another.
struct Step {
    action: Action,
    which: Which,
    /// Takes it. True where that changes anything.
    take: fn(&mut Account, Timestamp) -> Result<bool, Conflict>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{AccountLimits, AccountStatus, Entitlements, Profile};
    use crate::ids::MemberId;
    use crate::text::{Metadata, Name};

    const THEN: Timestamp = Timestamp::from_seconds(1);
    const NOW: Timestamp = Timestamp::from_seconds(2);

    type Move = fn(&mut Account, Timestamp) -> Result<bool, Conflict>;

    fn account(status: AccountStatus) -> Account {
        Account {
            id: AccountId::from_bytes([1; 16]),
            parent: None,
            name: Name::parse("a").expect("a name"),
            profile: Profile::default(),
            metadata: Metadata::empty(),
            status,
            entitlements: Entitlements::NONE,
            limits: AccountLimits::default(),
            created_by: MemberId::from_bytes([2; 16]),
            created_at: THEN,
            updated_at: THEN,
            version: 7,
        }
    }

    #[test]
    fn an_account_moves_between_its_states_and_never_out_of_the_last() {
        use AccountStatus::{Active, Closed, Provisioning, Suspended};
        let close: Move = |account, now| Ok(account.close(now));
        for (from, suspended, resumed, closed) in [
            // Resuming must not pass for a database that is there.
            (Provisioning, Err(Conflict::Provisioning), Err(Conflict::Provisioning), Ok(Closed)),
            (Active, Ok(Suspended), Ok(Active), Ok(Closed)),
            (Suspended, Ok(Suspended), Ok(Active), Ok(Closed)),
            (Closed, Err(Conflict::Closed), Err(Conflict::Closed), Ok(Closed)),
        ] {
            let moves: [(Move, _); 3] =
                [(Account::suspend, suspended), (Account::resume, resumed), (close, closed)];
            for (change, expected) in moves {
                let mut after = account(from);
                let outcome = change(&mut after, NOW);
                assert_eq!(outcome, expected.map(|status| status != from), "from {from:?}");
                assert_eq!(after.status, expected.unwrap_or(from));
                let changed = after.status != from;
                assert_eq!(after.version, if changed { 8 } else { 7 });
                assert_eq!(after.updated_at, if changed { NOW } else { THEN });
            }
        }
    }
}
