//! What the suite needs of a backend beside its store: what tables hold that no method reads.

use std::sync::Arc;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::{CredentialId, LeaseId};
use tenantry_core::store::Store;

/// A store that is empty at first, and a look at its tables.
pub(crate) trait Backend: Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Ids of all audit events, as often as they are there.
    fn audit_events(&self) -> Vec<[u8; 16]>;
    /// Actor, action, target, facts, request id and address of an audit event, and its seal.
    fn audit_event(&self, id: [u8; 16]) -> Option<(Vec<String>, [u8; 32])>;
    /// A shard's rows of the change log, in order.
    fn change_log(&self, shard: u8) -> Vec<ChangeRow>;
    /// When a credential was last used.
    fn last_used(&self, credential: CredentialId) -> Option<Timestamp>;
    /// Lets time pass for leases.
    fn pass(&self, time: Duration);
    /// The record of a lease's call: account, reference, status, duration, its five costs, when it
    /// ended.
    fn call_record(&self, lease: LeaseId) -> Option<Vec<String>>;
}

/// A row of the change log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChangeRow {
    pub(crate) rev: u64,
    pub(crate) nonce: u64,
    pub(crate) kind: String,
    pub(crate) subject: Vec<u8>,
    pub(crate) at: i64,
}
