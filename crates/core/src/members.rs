//! Members: the persons of a root account, recorded when they are first seen.

use crate::Plane;
use crate::actor::{Context, MemberActor};
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::error::{Conflict, Error, Result};
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

impl Plane {
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
