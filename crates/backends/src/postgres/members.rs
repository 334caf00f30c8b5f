//! Members.

use super::PostgresStore;
use super::changes::write_commit;
use super::rows::{Param, one};
use super::session::{Expect, Work};
use crate::rows::{member_cells, read_member};
use async_trait::async_trait;
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Result};
use tenantry_core::ids::{AccountId, MemberId};
use tenantry_core::members::Member;
use tenantry_core::store::{Committed, MemberStore};

const SAVE: &str = "INSERT INTO members (account_id, id, realm, subject, name, email)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account_id, id) DO UPDATE SET name = excluded.name, email = excluded.email
    WHERE members.realm = excluded.realm AND members.subject = excluded.subject";

#[async_trait]
impl MemberStore for PostgresStore {
    async fn find_member(
        &self,
        root: AccountId,
        realm: &str,
        subject: &str,
    ) -> Result<Option<Member>> {
        const FIND: &str = "SELECT account_id, id, realm, subject, name, email FROM members
            WHERE account_id = $1 AND realm = $2 AND subject = $3";
        let params = vec![Param::bytes(root.as_bytes()), Param::text(realm), Param::text(subject)];
        self.find(FIND, params, read_member).await
    }

    async fn find_member_by_id(&self, root: AccountId, id: MemberId) -> Result<Option<Member>> {
        const FIND: &str = "SELECT account_id, id, realm, subject, name, email FROM members
            WHERE account_id = $1 AND id = $2";
        let params = vec![Param::bytes(root.as_bytes()), Param::bytes(id.as_bytes())];
        self.find(FIND, params, read_member).await
    }

    async fn save_member(&self, member: &Member, commit: Commit) -> Result<Committed> {
        let mut work = Work::default();
        save(&mut work, member);
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }
}

/// Writes a member. One with this id who is somebody else in the realm keeps their row.
pub(super) fn save<'a>(work: &mut Work<'a>, member: &'a Member) {
    work.push(SAVE, one(member_cells(member)), Expect::Rows(Conflict::Taken));
}
