//! Look-ups of credentials by tag, many in one statement.
//!
//! A verification that the cache does not answer is a look-up of its own. Those that come while others
//! are under way share the next statement: reading four tables for sixty tags costs the server little
//! more than for one, most of which is planning.

use super::PostgresStore;
use super::errors::{Refused, from_refused};
use super::gather::{Asked, Bounds, deadlines};
use super::rows::Param;
use super::session::too_long;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tenantry_core::commit::shard_of;
use tenantry_core::error::Result;
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::Tag;
use tokio::time::Instant;
use tokio_postgres::Row;

/// How look-ups are gathered. Many share one that is held up, so none is waited for as long as other
/// calls are: no longer than a statement may take.
pub(super) const BOUNDS: Bounds = Bounds {
    under_way: 2,
    together: 64,
    waiting: 8192,
    within: Duration::from_secs(3),
    unanswered: too_long,
};

/// The place of the tag among the columns.
const TAG: usize = 7;

// One statement sees one instant: rows and head belong together.
const FIND_BY_TAGS: &str =
    "SELECT c.id, c.kind, c.account_id, c.root_id, c.service_account_id, c.member_id, c.format,
        c.tag, c.pepper_id, c.start, c.name, c.permissions, c.allowed_ips, c.metadata, c.status,
        c.revoked_at, c.expires_at, c.lineage, c.superseded_by, c.grace_expires_at, c.created_at,
        c.version, c.row_mac, c.limits, c.last_used_at,
        s.id, s.account_id, s.root_id, s.name, s.client_id, s.permissions, s.status, s.created_by,
        s.created_at, s.version, s.row_mac,
        a.id, a.parent_id, a.name, a.profile, a.metadata, a.status, a.entitlements,
        a.concurrent_calls, a.sub_account_concurrent_calls, a.created_by_member, a.created_at,
        a.updated_at, a.version, a.row_mac, a.rates,
        p.id, p.parent_id, p.name, p.profile, p.metadata, p.status, p.entitlements,
        p.concurrent_calls, p.sub_account_concurrent_calls, p.created_by_member, p.created_at,
        p.updated_at, p.version, p.row_mac, p.rates,
        coalesce(a.shard, $2), h.rev, h.nonce
    FROM credentials c
    LEFT JOIN service_accounts s ON s.id = c.service_account_id
    LEFT JOIN accounts a ON a.id = c.account_id
    LEFT JOIN accounts p ON p.id = a.parent_id
    LEFT JOIN change_head h ON h.shard = coalesce(a.shard, $2)
    WHERE c.tag = ANY($1)";

/// A row, which whoever asked for the same tag shares.
pub(super) type Looked = Option<Arc<Row>>;

impl PostgresStore {
    /// The rows that decide about the credential with this tag, and the head of their shard, all of
    /// one instant after the call. It is read where it was asked for, so that a row that cannot be is
    /// nobody else's.
    pub(super) async fn look_up(&self, tag: Tag) -> Result<Looked> {
        let store = self.clone();
        let answer_all = move |batch| {
            let store = store.clone();
            async move { store.look_up_all(batch).await }
        };
        self.look_ups.ask(tag, answer_all).await
    }

    async fn look_up_all(&self, batch: Vec<Asked<Tag, Looked>>) {
        let tags: Vec<Tag> = batch.iter().map(|asked| asked.question).collect();
        let refused = match self.find_rows(&tags, deadlines(&batch)).await {
            Ok(found) => {
                for asked in batch {
                    let row = found.get(&asked.question).cloned();
                    asked.answer(Ok(row));
                }
                return;
            }
            Err(refused) => refused,
        };
        // What the database says may be meant for one of them, a damaged page for example. Where
        // nothing answers, nothing answers each of them either.
        let alone = batch.len() > 1 && !refused.is_lost();
        join_all(batch.into_iter().map(|asked| async {
            let outcome = if alone {
                let deadlines = deadlines(std::slice::from_ref(&asked));
                let found = self.find_rows(&[asked.question], deadlines).await;
                found.map(|mut found| found.remove(&asked.question)).map_err(from_refused)
            } else {
                Err(from_refused(refused.clone()))
            };
            asked.answer(outcome);
        }))
        .await;
    }

    async fn find_rows(
        &self,
        tags: &[Tag],
        deadlines: (Instant, Instant),
    ) -> Result<HashMap<Tag, Arc<Row>>, Refused> {
        let asked = Param::many(tags.iter().map(|tag| &tag.as_bytes()[..]));
        let shard = Param::number(shard_of(AccountId::PLANE));
        let rows = self.try_read(FIND_BY_TAGS, vec![asked, shard], deadlines).await?;
        let tagged = rows.into_iter().filter_map(|row| {
            let tag = Tag::from_bytes(row.try_get::<_, &[u8]>(TAG).ok()?.try_into().ok()?);
            Some((tag, Arc::new(row)))
        });
        Ok(tagged.collect())
    }
}
