//! How an account's record is changed, whatever is changed of it: read, judged, replaced by its next
//! version, and known to the verify path before the reply.

use super::{Account, AccountStatus};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::cluster::Effective;
use crate::commit::{Change, Commit, Subject};
use crate::error::{Conflict, Error, Kind, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::Sealed;

/// What was done to a record, for the audit trail.
pub(super) struct Done {
    action: Action,
    /// Names of fields, never their values.
    fields: Vec<String>,
}

impl Done {
    /// `action`, which says all there is to say.
    pub(super) const fn plainly(action: Action) -> Self {
        Self { action, fields: Vec::new() }
    }

    /// `action` on `fields`.
    pub(super) const fn to_fields(action: Action, fields: Vec<String>) -> Self {
        Self { action, fields }
    }
}

/// Which accounts the caller can mean; every other one is not there.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Any,
    /// A sub-account, closed or not.
    SubAccount,
    /// A sub-account that is not closed.
    OpenSubAccount,
}

impl Which {
    /// Refuses an account that cannot be meant.
    pub(super) fn require(self, account: &Account) -> Result<()> {
        let fits = match self {
            Self::Any => true,
            Self::SubAccount => account.parent.is_some(),
            Self::OpenSubAccount => {
                account.parent.is_some() && account.status != AccountStatus::Closed
            }
        };
        if fits { Ok(()) } else { Err(Error::NotFound(Kind::Account)) }
    }
}

impl Plane {
    /// Reads an account of `root`'s tree and lets `change` work on it, which also refuses whom it
    /// must; again where somebody else was faster. A `change` that gives `None` has found
    /// everything as it should be, and nothing is written.
    pub(super) async fn change_account(
        &self,
        context: &Context,
        (root, id): (AccountId, AccountId),
        change: impl Fn(&mut Account, Timestamp) -> Result<Option<Done>> + Send,
    ) -> Result<(Account, Effective)> {
        for _ in 0..limits::RETRIES_MAX {
            let epoch = self.cluster.cache.epoch();
            let mut account = self.account_of_tree(context, root, id).await?;
            let now = self.clock.now();
            let log = Change::new(&*self.rng, root, [Subject::Account(id)]);
            let Some(done) = change(&mut account, now)? else {
                // Whoever made it so may not have applied that here yet; it must hold before this
                // reply says so.
                let head = self.store.find_head(root).await?;
                return Ok((account, self.confirm(&log, head)));
            };
            let mut event = self
                .audit_event(context, root, now, done.action, Target::Account(id))
                .with_version(account.version);
            if !done.fields.is_empty() {
                event = event.with("fields", done.fields.join(","));
            }
            let account = Sealed::new(account, &self.secrets);
            let commit = Commit::changing(self.seal(event), log.clone());
            match self.store.update_account(&account, commit).await {
                Err(Error::Conflict(Conflict::Changed)) => {}
                outcome => {
                    let effective = self.publish(&log, outcome)?;
                    let account = account.into_record();
                    self.cluster.note_account(&account, &log, effective, epoch);
                    return Ok((account, effective));
                }
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }
}
