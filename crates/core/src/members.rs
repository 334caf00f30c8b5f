//! Members: the persons of a root account, recorded when they are first seen.

use crate::Plane;
use crate::accounts::ConcurrentCalls;
use crate::actor::{Actor, Context, MemberActor};
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::error::{Conflict, Error, Kind, Result};
use crate::ids::{AccountId, MemberId};
use crate::limits;
use crate::realms;
use crate::text::{Line, Name};

/// A person of a root account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Their id, which the dialects print as a UUID. Unique within the root account.
    pub id: MemberId,
    /// The root account.
    pub account: AccountId,
    /// The realm that vouches for them.
    pub realm: Box<str>,
    /// Who they are there: the token's `sub`.
    pub subject: Box<str>,
    /// Their name, where known.
    pub name: Option<Name>,
    /// Their e-mail address, where known.
    pub email: Option<Line>,
}

/// Who asks, as a person.
#[derive(Debug)]
pub struct Caller {
    /// The member who made the caller's key, or whose key made it; of a token, who holds it.
    pub member: Member,
    /// Concurrent calls of the caller's account; none for a root account without a limit.
    pub concurrent_calls: Option<ConcurrentCalls>,
    /// Those in progress: of its account, and of a root account in its tree.
    pub in_progress: u32,
}

impl Plane {
    /// The member behind the caller. Everybody may ask this of themselves.
    ///
    /// # Errors
    /// [`crate::error::Denial::NoOrganization`] for platform keys, which nobody's account has.
    pub async fn find_caller(&self, context: &Context) -> Result<Caller> {
        let root = self.organization(context.actor.organization()?).await?;
        let found = match &context.actor {
            Actor::Key(key) => {
                let member = key.member.unwrap_or(root.created_by);
                self.store.find_member_by_id(root.id, member).await?
            }
            Actor::Machine(machine) => {
                self.store.find_member_by_id(root.id, machine.member).await?
            }
            Actor::Member(member) => {
                self.store.find_member(root.id, &member.realm, &member.subject).await?
            }
            Actor::Operator(_) => self.store.find_member_by_id(root.id, root.created_by).await?,
        };
        let member = found.ok_or(Error::NotFound(Kind::Member))?;
        let concurrent_calls = match context.actor.account() {
            Some(own) if own != root.id => {
                let account = self.find_account(context, own).await?;
                Some(account.limits.effective_concurrent_calls(&root.limits))
            }
            _ => root.limits.concurrent_calls,
        };
        let own = context.actor.account().unwrap_or(root.id);
        let in_progress = self.calls_in_progress(root.id, own).await?;
        Ok(Caller { member, concurrent_calls, in_progress })
    }

    /// The member of `root` that a token names: found by realm and subject, or recorded now with
    /// what the claims say. Later claims that say more or other replace name and e-mail.
    pub(crate) async fn record_member(
        &self,
        context: &Context,
        root: AccountId,
        actor: &MemberActor,
    ) -> Result<Member> {
        for attempt in 0..limits::RETRIES_MAX {
            let now = self.clock.now();
            let known = self.store.find_member(root, &actor.realm, &actor.subject).await?;
            let (member, action) = if let Some(mut member) = known {
                let name = actor.name.clone().or_else(|| member.name.clone());
                let email = actor.email.clone().or_else(|| member.email.clone());
                if member.name == name && member.email == email {
                    return Ok(member);
                }
                (member.name, member.email) = (name, email);
                (member, Action::MemberUpdated)
            } else {
                // In the local realm the subject is the member's id, unless a member of another
                // realm has drawn the same.
                let id = (&*actor.realm == realms::LOCAL && attempt == 0)
                    .then(|| MemberId::parse_uuid(&actor.subject).ok())
                    .flatten()
                    .unwrap_or_else(|| MemberId::generate(&*self.rng, now));
                let member = Member {
                    id,
                    account: root,
                    realm: actor.realm.clone(),
                    subject: actor.subject.clone(),
                    name: actor.name.clone(),
                    email: actor.email.clone(),
                };
                (member, Action::MemberRecorded)
            };
            let audit = self.audit_event(context, root, now, action, Target::Member(member.id));
            match self.store.save_member(&member, Commit::audited(self.seal(audit))).await {
                Err(Error::Conflict(Conflict::Taken)) => {}
                outcome => return outcome.map(|_| member),
            }
        }
        Err(Error::Conflict(Conflict::Changed))
    }
}
