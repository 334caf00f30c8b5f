//! Members.

use super::SqliteStore;
use super::changes::write_commit;
use super::errors::from_sqlite;
use super::rows;
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::ids::{AccountId, MemberId};
use tenantry_core::members::Member;
use tenantry_core::store::{Committed, MemberStore};

#[async_trait]
impl MemberStore for SqliteStore {
    async fn find_member(
        &self,
        root: AccountId,
        realm: &str,
        subject: &str,
    ) -> Result<Option<Member>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT account_id, id, realm, subject, name, email FROM members
                     WHERE account_id = ?1 AND realm = ?2 AND subject = ?3",
                )
                .map_err(from_sqlite)?;
            let params = params![root.as_bytes(), realm, subject];
            rows::find(&mut statement, params, |row| rows::read_member(row))
        })
    }

    async fn find_member_by_id(&self, root: AccountId, id: MemberId) -> Result<Option<Member>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT account_id, id, realm, subject, name, email FROM members
                     WHERE account_id = ?1 AND id = ?2",
                )
                .map_err(from_sqlite)?;
            let params = params![root.as_bytes(), id.as_bytes()];
            rows::find(&mut statement, params, |row| rows::read_member(row))
        })
    }

    async fn save_member(&self, member: &Member, commit: Commit) -> Result<Committed> {
        let member = member.clone();
        self.write(move |connection| {
            save(connection, &member)?;
            write_commit(connection, &commit)
        })
        .await
    }
}

/// Writes a member. One with this id who is somebody else in the realm keeps their row.
pub(super) fn save(connection: &Connection, member: &Member) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO members (account_id, id, realm, subject, name, email)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account_id, id) DO UPDATE
             SET name = excluded.name, email = excluded.email
             WHERE members.realm = excluded.realm AND members.subject = excluded.subject",
        )
        .map_err(from_sqlite)?;
    match rows::write(&mut statement, &rows::member_cells(member))? {
        0 => Err(Error::Conflict(Conflict::Taken)),
        _ => Ok(()),
    }
}
