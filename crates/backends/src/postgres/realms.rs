//! Realms of organizations' own.

use super::changes::write_commit;
use super::rows::{Param, id, one};
use super::session::{Expect, Work};
use super::{PostgresStore, accounts};
use crate::rows::{read_realm, realm_cells};
use async_trait::async_trait;
use tenantry_core::commit::Commit;
use tenantry_core::error::{Conflict, Result};
use tenantry_core::ids::{AccountId, RealmId};
use tenantry_core::page::Listed;
use tenantry_core::realms::OwnRealm;
use tenantry_core::secrets::{Protected, Sealed, Unverified};
use tenantry_core::store::{Committed, RealmStore};

const COUNT: &str = "SELECT count(*) FROM realms WHERE root_id = $1";

const INSERT: &str = "INSERT INTO realms (id, root_id, name, issuer, settings, created_at, row_mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const FIND: &str = "SELECT id, root_id, name, issuer, settings, created_at, row_mac
    FROM realms WHERE issuer = $1";

const LIST: &str = "SELECT id, root_id, name, issuer, settings, created_at, row_mac
    FROM realms WHERE root_id = $1 ORDER BY id LIMIT $2";

const DELETE: &str = "DELETE FROM realms WHERE id = $1 AND root_id = $2";

#[async_trait]
impl RealmStore for PostgresStore {
    async fn insert_realm(
        &self,
        realm: &Sealed<OwnRealm>,
        max: u32,
        commit: Commit,
    ) -> Result<Committed> {
        let root = &realm.record().root;
        let mut work = Work::default();
        // Nobody else counts or inserts until the commit; the count sees what was committed before.
        work.push(accounts::LOCK, vec![Param::bytes(root.as_bytes())], Expect::Nothing);
        let below = Expect::Below { limit: OwnRealm::TABLE, max };
        work.push(COUNT, vec![Param::bytes(root.as_bytes())], below);
        work.push(INSERT, one(realm_cells(realm)?), Expect::Nothing);
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }

    async fn find_realm_by_issuer(&self, issuer: &str) -> Result<Option<Unverified<OwnRealm>>> {
        self.find(FIND, vec![Param::text(issuer)], |row| read_realm(row, 0)).await
    }

    async fn list_realms(&self, root: AccountId, limit: u32) -> Result<Listed<OwnRealm>> {
        let params = vec![Param::bytes(root.as_bytes()), Param::number(limit)];
        self.list(LIST, params, |row| Ok((id(row)?, read_realm(row, 0)))).await
    }

    async fn delete_realm(
        &self,
        root: AccountId,
        id: RealmId,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        let params = vec![Param::bytes(id.as_bytes()), Param::bytes(root.as_bytes())];
        work.push(DELETE, params, Expect::Rows(Conflict::Changed));
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }
}
