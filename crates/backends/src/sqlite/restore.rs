//! What a database that comes from a backup has to say about itself.

use super::{SqliteStore, audit, changes};
use tenantry_core::audit::AuditEvent;
use tenantry_core::commit::CHANGE_SHARDS;
use tenantry_core::error::Result;
use tenantry_core::secrets::Sealed;

impl SqliteStore {
    /// Notes that this database was restored: the event, and in every shard of the change log one
    /// row of the kind `history`.
    ///
    /// A node remembers the last row that it applied, by number and nonce. After a restore the
    /// numbers that follow the backup's are given out again, with other nonces; the rows written
    /// here make that true at once and not only after the next change, and tell a reader that
    /// what it knows of the shard may be from a history that did not happen.
    ///
    /// # Errors
    /// What the store says.
    pub async fn note_restore(
        &self,
        event: Sealed<AuditEvent>,
        nonces: [u64; CHANGE_SHARDS as usize],
    ) -> Result<()> {
        self.write(move |connection| {
            let at = event.record().at;
            audit::insert(connection, &event)?;
            for (shard, nonce) in (0..CHANGE_SHARDS).zip(nonces) {
                changes::append_history(connection, shard, nonce, at)?;
            }
            Ok(None)
        })
        .await
        .map(drop)
    }
}
