//! OAuth 2: service accounts trade what they hold for short-lived access tokens (RFC 6749 §4.4,
//! RFC 9068), which others verify by the published keys, and Tenantry itself by its records.
//!
//! Nothing is stored for a token. What ends one early is the standing of its client: its service
//! account, its account, the secret or key that it was got with, the client's not-before; and a
//! list of single tokens that were revoked, which a token leaves when it ends.
//!
//! - [`keys`], [`ring`]: the keys that sign
//! - [`client`], [`assertion`], [`jwk`]: how a client proves who it is
//! - [`issue`], [`scope`]: a token is made
//! - [`introspect`], [`revoke`]: RFC 7662, RFC 7009
//! - [`settings`]: what is known of a client beside its service account

mod assertion;
mod client;
mod introspect;
mod issue;
pub mod jwk;
mod keys;
mod revoke;
pub(crate) mod ring;
mod scope;
mod settings;

pub(crate) use client::machine;
pub use client::{AuthenticatedClient, ClientAuthentication};
pub use introspect::{Introspected, Introspector};
pub use issue::{IssuedAccessToken, TokenRequest};
pub use keys::{KeyState, SigningAlgorithm, SigningKey, SigningKeyView};
pub use revoke::RevokedToken;
pub use ring::PublicKey;
pub use settings::{ClientKey, ClientSettings, NewClientKeys};

use crate::Plane;
use crate::ids::CredentialId;

/// Where tokens are got, below the issuer.
pub const TOKEN_PATH: &str = "/oauth2/token";

/// What a client proved itself with, and with that what its tokens hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// A client secret.
    Secret(CredentialId),
    /// A registered key, by its `kid`.
    Key(Box<str>),
}

const KEY_PREFIX: &str = "jwk_";

impl ClientCredential {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(KEY_PREFIX) {
            Some(kid) => Some(Self::Key(kid.into())),
            None => text
                .starts_with("sec_")
                .then(|| CredentialId::parse_secret(text).ok())
                .flatten()
                .map(Self::Secret),
        }
    }
}

impl std::fmt::Display for ClientCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(id) => f.write_str(&id.to_secret()),
            Self::Key(kid) => write!(f, "{KEY_PREFIX}{kid}"),
        }
    }
}

impl Plane {
    /// The `iss` of access tokens: the server's public URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.policy.issuer
    }
}
