//! The signature on checkpoints of the audit trail: Ed25519 (RFC 8032).

use super::Secrets;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What checkpoints are checked with. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointKey(Box<[u8]>);

impl CheckpointKey {
    /// True for a signature that the plane with this key made of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0[..]).verify(message, signature).is_ok()
    }
}

impl Secrets {
    pub(crate) fn sign_checkpoint(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.checkpoint_key.sign(message).as_ref());
        bytes
    }

    /// What this plane's checkpoints are checked with.
    #[must_use]
    pub fn checkpoint_key(&self) -> CheckpointKey {
        CheckpointKey(self.checkpoint_key.public_key().as_ref().into())
    }

    /// The same as a PEM file (RFC 8410), for other programs.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where the library cannot print it.
    pub fn checkpoint_key_pem(&self) -> crate::Result<String> {
        let der: PublicKeyX509Der<'_> =
            self.checkpoint_key.public_key().as_der().map_err(crate::Error::internal)?;
        let text = STANDARD.encode(der.as_ref());
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"))
    }
}

/// The key pair that follows from 32 derived bytes.
pub(super) fn key_pair(seed: &Zeroizing<[u8; 32]>) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&seed[..]).expect("any 32 bytes are a seed")
}
