//! Platform keys: what the product's own services hold. They verify keys of every tree.

use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::credentials::{Credential, NewCredential, Owner};
use crate::error::Result;
use crate::ids::{AccountId, CredentialId};
use crate::permissions::PermissionSet;
use crate::replay::{Keep, Once};
use crate::secrets::{KeyFormat, PlainSecret, Sealed};
use crate::text::Name;

/// A platform key that was made, and its plaintext.
#[derive(Debug)]
pub struct CreatedPlatformKey {
    /// The key.
    pub key: Credential,
    /// The plaintext, here and nowhere else.
    pub secret: PlainSecret,
}

impl Plane {
    /// Makes a platform key.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`].
    pub async fn create_platform_key(
        &self,
        context: &Context,
        name: Option<Name>,
        once: Once<'_, CreatedPlatformKey>,
    ) -> Result<CreatedPlatformKey> {
        context.actor.require_operator()?;
        let now = self.clock.now();
        let (key, secret) = Credential::issue(
            CredentialId::generate(&*self.rng, now),
            NewCredential {
                owner: Owner::Platform,
                format: KeyFormat::Native,
                name,
                permissions: PermissionSet::platform(),
                expires_at: None,
            },
            now,
            self,
        );
        let audit = self
            .audit_event(
                context,
                AccountId::PLANE,
                now,
                Action::PlatformKeyCreated,
                Target::Key(key.id),
            )
            .with("key_start", key.start.as_str());
        let mut commit = Commit::audited(self.seal(audit));
        let key = Sealed::new(key, &self.secrets);
        let created = CreatedPlatformKey { key: key.record().clone(), secret };
        once.keep(self, &mut commit, created.key.id, Keep::Secret, &created)?;
        self.store.insert_credential(&key, commit).await?;
        Ok(created)
    }
}
