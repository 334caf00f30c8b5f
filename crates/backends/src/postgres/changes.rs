//! What every change writes beside itself: the audit event, the kept reply, the change log.

use super::rows::Param;
use super::session::{Expect, Work};
use super::{PostgresStore, audit, replays};
use crate::rows::{damaged, read_head};
use std::collections::BTreeMap;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Head, Revision, Subject};
use tenantry_core::error::Result;

/// Appends rows to a shard of the log and moves its head: in this order for PostgreSQL, too, which
/// numbers the rows by the head that it has locked. The lock is held until the commit, so a shard's
/// revisions become visible in their order, and nothing comes after it but the commit.
const APPEND: &str = "WITH head AS (
        UPDATE change_head
        SET rev = rev + cardinality($2::bigint[]), nonce = ($2::bigint[])[cardinality($2::bigint[])]
        WHERE shard = $1 RETURNING rev
    )
    INSERT INTO change_log (shard, rev, nonce, kind, subject, at)
    SELECT $1, head.rev - cardinality($2::bigint[]) + r.place, r.nonce, r.kind, r.subject, r.at
    FROM head, unnest($2::bigint[], $3::text[], $4::bytea[], $5::bigint[])
        WITH ORDINALITY AS r (nonce, kind, subject, at, place)
    ORDER BY r.place
    RETURNING rev";

const REVISION: &str = "SELECT rev FROM change_head WHERE shard = $1";

/// Rows for one shard of the log.
#[derive(Default)]
struct Appended<'a> {
    nonces: Vec<Option<i64>>,
    kinds: Vec<Option<std::borrow::Cow<'a, str>>>,
    subjects: Vec<Option<&'a [u8]>>,
    times: Vec<Option<i64>>,
}

impl<'a> Appended<'a> {
    fn add(&mut self, (subject, nonce): &'a (Subject, u64), at: Timestamp) {
        self.nonces.push(Some(nonce.cast_signed()));
        self.kinds.push(Some(subject.kind().into()));
        self.subjects.push(Some(subject.bytes()));
        self.times.push(Some(at.micros()));
    }
}

/// Writes the companions of a change; the last thing that a transaction does.
pub(super) fn write_commit<'a>(work: &mut Work<'a>, commit: &'a Commit) -> Result<()> {
    write_commits(work, std::slice::from_ref(&commit))
}

/// Writes the companions of several changes that are made together.
pub(super) fn write_commits<'a>(work: &mut Work<'a>, commits: &[&'a Commit]) -> Result<()> {
    audit::insert(work, commits)?;
    let mut shards: BTreeMap<u8, Appended<'a>> = BTreeMap::new();
    for commit in commits {
        let at = commit.audit.record().at;
        work.found_by(&commit.audit);
        if let Some(replay) = &commit.replay {
            replays::insert(work, replay, at);
        }
        if let Some(change) = &commit.change {
            let appended = shards.entry(change.shard()).or_default();
            change.rows.iter().for_each(|row| appended.add(row, at));
        }
    }
    for (shard, Appended { nonces, kinds, subjects, times }) in shards {
        if nonces.is_empty() {
            // A change of nothing that is cached: the head stays where it is.
            work.push(REVISION, vec![Param::number(shard)], Expect::Revision(shard));
            continue;
        }
        let params = vec![
            Param::number(shard),
            Param::Numbers(nonces),
            Param::Texts(kinds),
            Param::Bytes(subjects),
            Param::Numbers(times),
        ];
        work.push(APPEND, params, Expect::Revision(shard));
    }
    Ok(())
}

impl PostgresStore {
    /// The head of a shard.
    pub(super) async fn find_shard_head(&self, shard: u8) -> Result<Head> {
        const HEAD: &str = "SELECT rev, nonce FROM change_head WHERE shard = $1";
        let params = vec![Param::number(shard)];
        let found = self.find(HEAD, params, |row| read_head(row, 0, shard)).await?;
        found.ok_or_else(|| damaged("change_head", shard.to_string(), "column rev"))
    }

    /// The place of the last of these rows, which were appended by a transaction whose answer was
    /// lost.
    pub(super) async fn find_revision_of(
        &self,
        shard: u8,
        appended: &[Param<'_>],
    ) -> Result<Option<Revision>> {
        const PLACE: &str = "SELECT rev, nonce FROM change_log WHERE shard = $1 AND nonce = $2
            ORDER BY rev DESC LIMIT 1";
        let nonce = match appended.get(1) {
            Some(Param::Numbers(nonces)) => nonces.last().copied().flatten(),
            _ => None,
        };
        let place = match nonce {
            Some(nonce) => {
                let params = vec![Param::number(shard), Param::number(nonce)];
                self.find(PLACE, params, |row| read_head(row, 0, shard)).await?
            }
            None => None,
        };
        // It appended nothing, or that was pruned meanwhile: the head is not before it.
        let head = match place {
            Some(place) => place,
            None => self.find_shard_head(shard).await?,
        };
        Ok(Some(head.revision))
    }
}
