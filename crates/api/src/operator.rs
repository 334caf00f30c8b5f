//! What the command line and the server say to each other over the operator's socket.

use serde::{Deserialize, Serialize};

/// Header by which the operator names the organization to act for.
pub const ORGANIZATION_HEADER: &str = "tenantry-organization";

/// An organization to make.
#[derive(Debug, Deserialize, Serialize)]
pub struct CreateOrganization {
    /// Its name.
    pub organization: String,
    /// Its first member's name.
    pub name: String,
    /// Its first member's e-mail address.
    pub email: String,
}

/// An organization that was made.
#[derive(Deserialize, Serialize)]
pub struct CreatedOrganization {
    /// The root account's id as a UUID: `x-tenantid` in the service-accounts dialect.
    pub organization_id: String,
    /// The same id as `acc_…`.
    pub account_id: String,
    /// The first member, a UUID.
    pub member_id: String,
    /// The master key: shown here and nowhere else.
    pub api_key: String,
}

impl std::fmt::Debug for CreatedOrganization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedOrganization")
            .field("organization_id", &self.organization_id)
            .finish_non_exhaustive()
    }
}

/// An organization.
#[derive(Debug, Deserialize, Serialize)]
pub struct Organization {
    /// The root account's id as a UUID.
    pub organization_id: String,
    /// The same id as `acc_…`.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// What it is entitled to.
    pub entitlements: Vec<String>,
    /// When it was made.
    pub created_at: String,
}

/// Organizations by id.
#[derive(Debug, Deserialize, Serialize)]
pub struct Organizations {
    /// A page of them.
    pub data: Vec<Organization>,
    /// The last one's id where there may be more: ask again with `?after=`.
    pub next: Option<String>,
}

/// Suspends an organization or lets it go on.
#[derive(Debug, Deserialize, Serialize)]
pub struct SetSuspended {
    /// Which of the two.
    pub suspended: bool,
}

/// Gives or takes an entitlement.
#[derive(Debug, Deserialize, Serialize)]
pub struct SetEntitlement {
    /// `sub_accounts`
    pub entitlement: String,
    /// Given or taken.
    pub given: bool,
}

/// A token of the `local` realm to make.
#[derive(Debug, Deserialize, Serialize)]
pub struct CreateToken {
    /// The organization, in either spelling.
    pub tenant: String,
    /// Any role.
    pub role: String,
    /// The member, a UUID; the organization's first unless given.
    pub member: Option<String>,
    /// How long it lives, in seconds.
    pub ttl_seconds: u64,
}

/// A token of the `local` realm.
#[derive(Deserialize, Serialize)]
pub struct CreatedToken {
    /// The JWT.
    pub token: String,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreatedToken")
    }
}

/// A platform key to make.
#[derive(Debug, Deserialize, Serialize)]
pub struct CreatePlatformKey {
    /// Its name.
    pub name: Option<String>,
}

/// The nodes of a cluster by id.
#[derive(Debug, Deserialize, Serialize)]
pub struct Nodes {
    /// All of them; none where one node is alone.
    pub data: Vec<Node>,
}

/// A node of a cluster.
#[derive(Debug, Deserialize, Serialize)]
pub struct Node {
    /// Its id, another one each time that it starts.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// When it last read the change log, by the store's clock.
    pub seen_at: String,
    /// How long ago that was, in whole seconds.
    pub silent_seconds: u64,
    /// The number of the last row of each shard of the change log that it had applied then.
    pub applied: Vec<u64>,
}

/// A key that signs access tokens, did or will.
#[derive(Debug, Deserialize, Serialize)]
pub struct SigningKey {
    /// Its `kid`.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// `next`, `signing` or `retiring`.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// From when on it signs.
    pub signs_from: String,
    /// Until when it signs, where the next one is made.
    pub signs_until: Option<String>,
}

/// The keys that are published, the newest first.
#[derive(Debug, Deserialize, Serialize)]
pub struct SigningKeys {
    /// All of them.
    pub data: Vec<SigningKey>,
}
