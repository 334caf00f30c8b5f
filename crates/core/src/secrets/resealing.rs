//! What the store keeps sealed under the key-encryption key itself, sealed anew after that was
//! rotated: signing keys, and the HMAC keys of imported hashes.

use crate::Plane;
use crate::actor::Context;
use crate::error::Result;
use crate::keys::ForeignKind;
use crate::limits;
use crate::oauth::SigningKey;
use crate::secrets::Sealed;

/// How many values were sealed anew, and how many could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Signing keys and HMAC keys that are under the current key now.
    pub resealed: u32,
    /// Those that open under none of the keys, or whose rows are not believed. They serve nobody
    /// before this either.
    pub unreadable: u32,
}

impl Plane {
    /// Seals under the current key-encryption key what is sealed under a further one. Can be
    /// interrupted, run on several nodes at once, and run again, at any time: each value opens
    /// before and after.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`], or what the store says.
    pub async fn reseal_values(&self, context: &Context) -> Result<Resealed> {
        context.actor.require_operator()?;
        let mut done = Resealed::default();
        for (_, row) in self.store.list_signing_keys(limits::SIGNING_KEYS_MAX).await? {
            match row.and_then(|row| row.open(&self.secrets)) {
                Ok(key) => self.reseal_signing_key(key, &mut done).await?,
                Err(crate::Error::Integrity { .. }) => done.unreadable += 1,
                Err(error) => return Err(error),
            }
        }
        for kind in self.store.list_foreign_kinds().await? {
            // The other kinds have no key of their own.
            if !kind.sealed_key.is_empty() {
                self.reseal_foreign_kind(kind, &mut done).await?;
            }
        }
        Ok(done)
    }

    async fn reseal_signing_key(&self, key: SigningKey, done: &mut Resealed) -> Result<()> {
        let purpose = SigningKey::purpose(key.number, key.algorithm);
        if let Some(sealed) = self.resealed(&purpose, &key.sealed, done) {
            let key = Sealed::new(SigningKey { sealed, ..key }, &self.secrets);
            self.store.update_signing_key(&key).await?;
            done.resealed += 1;
        }
        Ok(())
    }

    async fn reseal_foreign_kind(&self, kind: ForeignKind, done: &mut Resealed) -> Result<()> {
        if let Some(sealed_key) = self.resealed(&kind.key_id, &kind.sealed_key, done) {
            self.store.update_foreign_kind(&ForeignKind { sealed_key, ..kind }).await?;
            done.resealed += 1;
        }
        Ok(())
    }

    /// None where there is nothing to do, or nothing that can be done, which is counted.
    fn resealed(&self, purpose: &[u8], sealed: &[u8], done: &mut Resealed) -> Option<Vec<u8>> {
        self.secrets.reseal_value(&*self.rng, purpose, sealed).unwrap_or_else(|error| {
            tracing::error!(%error, "a sealed value is left as it is");
            done.unreadable += 1;
            None
        })
    }
}
