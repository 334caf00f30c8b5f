//! Who asks: the actor of a request, and what that actor may reach and do.

use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::error::{Denial, Error, Result};
use crate::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};
use crate::permissions::{Grants, PermissionSet, Right};
use crate::text::{Line, Name};
use std::net::IpAddr;
use std::sync::Arc;

/// A request's actor and where it came from. The first argument of every operation.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks.
    pub actor: Actor,
    /// The request's id, for the audit trail.
    pub request_id: Box<str>,
    /// The client's address, where there is one.
    pub address: Option<IpAddr>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Holder of an API key or platform key.
    Key(KeyActor),
    /// A service account, by an access token or, where it asks about its tokens, as their client.
    Machine(MachineActor),
    /// A person, by an admin JWT.
    Member(MemberActor),
    /// Whoever can use the machine itself: the local command line.
    Operator(OperatorActor),
}

/// Holder of an API key or platform key.
#[derive(Clone, Debug)]
pub struct KeyActor {
    /// The key.
    pub id: CredentialId,
    /// The first key of the line that rotations made.
    pub lineage: CredentialId,
    /// Its name.
    pub name: Option<Name>,
    /// The member who made it; a platform key has none.
    pub member: Option<MemberId>,
    /// What the key reaches.
    pub scope: Scope,
    /// What it may do there.
    pub grants: Arc<Grants>,
    /// The key's own end. A grace after a rotation is no end of this kind: whoever holds the key
    /// is to have its successor by then.
    pub expires_at: Option<Timestamp>,
    /// Whether it has rates or uses of its own.
    pub limited: bool,
    /// The root account as it stood when the key was read, for a key of the root account itself.
    pub organization: Option<Arc<Account>>,
}

/// What a key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tree: a platform key.
    Plane,
    /// One account; for a root account, its sub-accounts too.
    Account {
        /// The account.
        account: AccountId,
        /// The root account of its tree.
        root: AccountId,
    },
}

impl Scope {
    /// True where `account` of `root`'s tree is within it.
    #[must_use]
    pub fn reaches(self, root: AccountId, account: Option<AccountId>) -> bool {
        match self {
            Self::Plane => true,
            Self::Account { account: own, root: own_root } => {
                own_root == root && (own == own_root || account == Some(own))
            }
        }
    }
}

/// A person, by an admin JWT that was admitted to a tenant.
#[derive(Clone, Debug)]
pub struct MemberActor {
    /// The realm that vouches for them.
    pub realm: Box<str>,
    /// Who they are there.
    pub subject: Box<str>,
    /// Their name, from the claims.
    pub name: Option<Name>,
    /// Their e-mail address, from the claims.
    pub email: Option<Line>,
    /// The organization that they act for.
    pub tenant: AccountId,
    /// The organization that their token is bound to.
    pub own_tenant: Option<AccountId>,
    /// What their roles allow.
    pub permissions: Arc<PermissionSet>,
}

/// A service account.
#[derive(Clone, Debug)]
pub struct MachineActor {
    /// Its id.
    pub id: ServiceAccountId,
    /// What it calls itself.
    pub client_id: Box<str>,
    /// Its name.
    pub name: Name,
    /// The member who made it.
    pub member: MemberId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The root account of that account's tree.
    pub root: AccountId,
    /// What it may do; with a token, no more than was granted to that.
    pub grants: Arc<Grants>,
    /// The end of what it has proved itself with. A token's own end is none of this kind: there is
    /// always another.
    pub expires_at: Option<Timestamp>,
}

impl MachineActor {
    /// What it reaches.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        Scope::Account { account: self.account, root: self.root }
    }
}

/// The operator, acting for an organization where an operation needs one.
#[derive(Clone, Copy, Debug)]
pub struct OperatorActor {
    /// The organization.
    pub organization: Option<AccountId>,
}

impl Actor {
    /// The root account of the tree in which the actor acts.
    ///
    /// # Errors
    /// [`Denial::NoOrganization`] for platform keys and an operator who named none.
    pub fn organization(&self) -> Result<AccountId> {
        match self {
            Self::Key(KeyActor { scope: Scope::Account { root, .. }, .. }) => Some(*root),
            Self::Key(KeyActor { scope: Scope::Plane, .. }) => None,
            Self::Machine(machine) => Some(machine.root),
            Self::Member(member) => Some(member.tenant),
            Self::Operator(operator) => operator.organization,
        }
        .ok_or(Error::Forbidden(Denial::NoOrganization))
    }

    /// The account that the actor itself belongs to.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Key(KeyActor { scope: Scope::Account { account, .. }, .. }) => Some(*account),
            Self::Key(KeyActor { scope: Scope::Plane, .. }) | Self::Operator(_) => None,
            Self::Machine(machine) => Some(machine.account),
            Self::Member(member) => Some(member.tenant),
        }
    }

    /// True for the credential of a sub-account.
    #[must_use]
    pub fn is_sub_account(&self) -> bool {
        match self {
            Self::Key(KeyActor { scope: Scope::Account { account, root }, .. })
            | Self::Machine(MachineActor { account, root, .. }) => account != root,
            Self::Key(_) | Self::Member(_) | Self::Operator(_) => false,
        }
    }

    /// True where `account` of `root`'s tree is the actor's to see: its own, or one below it. For
    /// everything else the actor gets the answer for what does not exist.
    #[must_use]
    pub fn reaches(&self, root: AccountId, account: Option<AccountId>) -> bool {
        match self {
            Self::Key(key) => key.scope.reaches(root, account),
            Self::Machine(machine) => machine.scope().reaches(root, account),
            Self::Member(member) => member.tenant == root,
            Self::Operator(operator) => operator.organization.is_none_or(|own| own == root),
        }
    }

    fn permissions(&self) -> Option<&PermissionSet> {
        match self {
            Self::Key(key) => Some(key.grants.set()),
            Self::Machine(machine) => Some(machine.grants.set()),
            Self::Member(member) => Some(&member.permissions),
            // The operator owns the machine and the store on it: there is nothing to keep from them.
            Self::Operator(_) => None,
        }
    }

    /// Refuses an actor without `right`.
    ///
    /// # Errors
    /// [`Denial::Permission`].
    pub fn require(&self, right: Right) -> Result<()> {
        if self.permissions().is_none_or(|own| right.is_granted_by(own)) {
            Ok(())
        } else {
            Err(Error::Forbidden(Denial::Permission(right)))
        }
    }

    /// Refuses to let an actor grant what it lacks.
    ///
    /// # Errors
    /// [`Denial::GrantExceedsOwn`].
    pub fn require_grant(&self, granted: &PermissionSet) -> Result<()> {
        if self.permissions().is_none_or(|own| own.covers(granted)) {
            Ok(())
        } else {
            Err(Error::Forbidden(Denial::GrantExceedsOwn))
        }
    }

    /// Refuses an actor whose own account `account` is: what it may be is settled above it, and above
    /// a root account there is the operator alone.
    ///
    /// # Errors
    /// [`Denial::OwnAccount`].
    pub fn require_above(&self, account: AccountId) -> Result<()> {
        if self.account() == Some(account) {
            Err(Error::Forbidden(Denial::OwnAccount))
        } else {
            Ok(())
        }
    }

    /// Refuses to let a key make or prolong one that outlives it: for ever is longer than any time.
    ///
    /// # Errors
    /// [`Denial::EndExceedsOwn`].
    pub fn require_end(&self, end: Option<Timestamp>) -> Result<()> {
        let (Self::Key(KeyActor { expires_at: Some(own), .. })
        | Self::Machine(MachineActor { expires_at: Some(own), .. })) = self
        else {
            return Ok(());
        };
        if end.is_some_and(|end| end <= *own) {
            Ok(())
        } else {
            Err(Error::Forbidden(Denial::EndExceedsOwn))
        }
    }

    /// Refuses to let a key that has limits of its own make or free others: they would count for
    /// themselves, and it could have any number of them.
    ///
    /// # Errors
    /// [`Denial::LimitsExceedOwn`].
    pub fn require_unlimited(&self) -> Result<()> {
        match self {
            Self::Key(KeyActor { limited: true, .. }) => {
                Err(Error::Forbidden(Denial::LimitsExceedOwn))
            }
            Self::Key(_) | Self::Machine(_) | Self::Member(_) | Self::Operator(_) => Ok(()),
        }
    }

    /// The first key of the line of the actor's own key.
    #[must_use]
    pub const fn lineage(&self) -> Option<CredentialId> {
        match self {
            Self::Key(key) => Some(key.lineage),
            Self::Machine(_) | Self::Member(_) | Self::Operator(_) => None,
        }
    }

    /// Refuses everybody but the operator.
    ///
    /// # Errors
    /// [`Denial::OperatorOnly`].
    pub fn require_operator(&self) -> Result<()> {
        match self {
            Self::Operator(_) => Ok(()),
            Self::Key(_) | Self::Machine(_) | Self::Member(_) => {
                Err(Error::Forbidden(Denial::OperatorOnly))
            }
        }
    }
}
