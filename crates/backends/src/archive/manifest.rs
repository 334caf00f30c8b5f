//! What a backup says about itself. Sealed with everything else.

use serde::{Deserialize, Serialize};

/// The last section of a backup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// The version of Tenantry that wrote it.
    pub tenantry: String,
    /// The instant whose state it holds: RFC 3339, UTC.
    pub created_at: String,
    /// The newest migration of the database.
    pub schema: u32,
    /// The database file.
    pub database: Content,
    /// The file of secrets.
    pub secrets: Content,
    /// Rows.
    pub counts: Counts,
}

/// A file inside a backup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Rows of a database, by table.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Accounts, organizations among them.
    pub accounts: u64,
    /// Members.
    pub members: u64,
    /// Service accounts.
    pub service_accounts: u64,
    /// Keys and client secrets, revoked ones among them.
    pub credentials: u64,
    /// Audit events.
    pub audit_events: u64,
}
