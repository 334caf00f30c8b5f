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

/// Tenant databases by account.
#[derive(Debug, Deserialize, Serialize)]
pub struct TenantDatabases {
    /// A page of them.
    pub data: Vec<crate::databases::TenantDatabase>,
    /// The last one's account where there may be more: ask again with `?after=`.
    pub next: Option<String>,
}

/// A tenant database, and what its server says.
#[derive(Debug, Deserialize, Serialize)]
pub struct InspectedDatabase {
    /// What is stored of it.
    #[serde(flatten)]
    pub database: crate::databases::TenantDatabase,
    /// What its server says; none where it says nothing.
    pub inspected: Option<DatabaseServer>,
    /// Why it says nothing, in a word.
    pub problem: Option<String>,
}

/// What a tenant database's server says.
#[derive(Debug, Deserialize, Serialize)]
pub struct DatabaseServer {
    /// `server_version_num`
    pub server_version: u32,
    /// Bytes on its disk.
    pub size_bytes: u64,
    /// The version of the product's schema.
    pub schema_version: u64,
    /// Other databases of the server that the login may connect to, as PUBLIC may.
    pub reachable_databases: u64,
}

/// What became of a tenant database's schema.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct MigratedDatabase {
    /// The version that it has.
    pub schema_version: u64,
    /// How many files that took.
    pub applied: u64,
}

/// A page of tenant databases whose data keys are put under the newest key-encryption key.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Rewrap {
    /// The account after which the page begins.
    #[serde(default)]
    pub after: Option<String>,
}

/// What became of their data keys.
#[derive(Debug, Deserialize, Serialize)]
pub struct Rewrapped {
    /// Put under it now.
    pub rewrapped: u64,
    /// Under it already.
    pub current: u64,
    /// Changed meanwhile, or unreadable: another run finds them.
    pub left: u64,
    /// Other values that the plane keeps sealed, sealed anew with the last page.
    pub resealed: u64,
    /// The account after which the next page begins; none after the last.
    pub next: Option<String>,
}
