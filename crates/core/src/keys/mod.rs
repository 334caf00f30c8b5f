//! What is done with keys: making further ones, reading, changing, rotating, switching off and
//! revoking them, and the operator's platform keys.

mod create;
mod find;
mod foreign;
mod import;
mod platform;
mod revoke;
mod rotate;
mod switch;
mod update;

pub use create::{CreatedKey, NewKey, NewKeyLimits};
pub use foreign::{ForeignHash, ForeignKind};
pub use import::{ImportedHash, ImportedRows, NewImport};
pub use platform::CreatedPlatformKey;
pub use rotate::{Grace, RotatedKey};
pub use update::KeyChanges;

use crate::Plane;
use crate::actor::{Actor, KeyActor, Scope};
use crate::credentials::{Credential, Owner};
use crate::error::{Error, Kind, Result};
use crate::ids::{AccountId, CredentialId};

/// A key that is its caller's to see.
struct Seen {
    key: Credential,
    /// The root account of its tree; [`AccountId::PLANE`] for a platform key.
    root: AccountId,
    /// Whether the caller presented this very key.
    itself: bool,
}

impl Plane {
    /// Looks a key up for an actor. What is somebody else's is not there.
    async fn see_key(&self, actor: &Actor, id: CredentialId) -> Result<Seen> {
        let not_found = || Error::NotFound(Kind::Key);
        let itself = matches!(actor, Actor::Key(own) if own.id == id);
        // An operator who names no organization means a platform key.
        let root = match actor {
            Actor::Operator(operator) => operator.organization.unwrap_or(AccountId::PLANE),
            Actor::Key(KeyActor { scope: Scope::Plane, .. }) if itself => AccountId::PLANE,
            actor => actor.organization()?,
        };
        let found = self.store.find_credential(root, id).await?.ok_or_else(not_found)?;
        let key = found.open(&self.secrets)?;
        let is_key = match key.owner {
            Owner::Account { .. } => true,
            Owner::Platform => itself || matches!(actor, Actor::Operator(_)),
            // A client secret is an object of its service account, not a key.
            Owner::ServiceAccount { .. } => false,
        };
        let visible = key.owner.root() == AccountId::PLANE
            || actor.reaches(key.owner.root(), key.owner.account());
        if is_key && visible { Ok(Seen { key, root, itself }) } else { Err(not_found()) }
    }
}
