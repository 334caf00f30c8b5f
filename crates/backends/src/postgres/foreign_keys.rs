//! Keys that were taken over from other systems.

use super::changes::{write_commit, write_commits};
use super::rows::{Param, columns, one};
use super::session::{Expect, Work};
use super::{PostgresStore, credentials};
use crate::rows::{Cell, Columns, damaged};
use async_trait::async_trait;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::keys::{ForeignHash, ForeignKind, ImportedRows};
use tenantry_core::secrets::foreign::SlowHash;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, ForeignKeyStore};
use tokio_postgres::Row;

const INSERT_KIND: &str = "INSERT INTO foreign_kinds (kind, key_id, sealed_key) VALUES ($1, $2, $3)
    ON CONFLICT (kind, key_id) DO NOTHING";

const UPDATE_KIND: &str =
    "UPDATE foreign_kinds SET sealed_key = $3 WHERE kind = $1 AND key_id = $2";

const INSERT_HASHES: &str =
    "INSERT INTO foreign_hashes (look_up, credential_id, root_id, algorithm, hash, row_mac)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bytea[])";

const KINDS: &str = "SELECT key_id, kind, sealed_key FROM foreign_kinds
    ORDER BY kind COLLATE \"C\", key_id";

const FIND_HASH: &str = "SELECT credential_id, root_id, algorithm, hash, row_mac
    FROM foreign_hashes WHERE look_up = $1";

const DELETE_HASH: &str = "DELETE FROM foreign_hashes WHERE look_up = $1";

#[async_trait]
impl ForeignKeyStore for PostgresStore {
    async fn insert_foreign_keys(
        &self,
        keys: Vec<ImportedRows>,
        mut kinds: Vec<ForeignKind>,
    ) -> Result<Committed> {
        let mut work = Work::default();
        kinds.sort_by(|a, b| (a.word, a.key_id).cmp(&(b.word, b.key_id)));
        for kind in &kinds {
            work.push(INSERT_KIND, one(kind_cells(kind)), Expect::Nothing);
        }
        if !keys.is_empty() {
            let all: Vec<_> = keys.iter().map(|(credential, ..)| credential).collect();
            credentials::insert(&mut work, &all)?;
            let hashes: Vec<_> =
                keys.iter().filter_map(|(_, hash, _)| hash.as_ref()).map(hash_cells).collect();
            if !hashes.is_empty() {
                work.push(INSERT_HASHES, columns(hashes)?, Expect::Nothing);
            }
            let commits: Vec<_> = keys.iter().map(|(.., commit)| commit).collect();
            write_commits(&mut work, &commits)?;
        }
        self.write(&work).await.map(|done| done.committed)
    }

    async fn list_foreign_kinds(&self) -> Result<Vec<ForeignKind>> {
        self.list(KINDS, Vec::new(), |row| {
            let mut columns = Columns::new(row, 0, "foreign_kinds", |_| String::new());
            Ok(ForeignKind {
                key_id: columns.bytes("column key_id")?,
                word: columns.parse("column kind", ForeignKind::word_from_stored)?,
                sealed_key: columns.blob("column sealed_key")?.to_vec(),
            })
        })
        .await
    }

    async fn update_foreign_kind(&self, kind: &ForeignKind) -> Result<()> {
        let mut work = Work::default();
        work.push(UPDATE_KIND, one(kind_cells(kind)), Expect::Nothing);
        self.write(&work).await.map(drop)
    }

    async fn find_foreign_hash(&self, look_up: &Tag) -> Result<Option<Unverified<ForeignHash>>> {
        let params = vec![Param::bytes(look_up.as_bytes())];
        self.find(FIND_HASH, params, |row| read_hash(row, *look_up)).await
    }

    async fn adopt_foreign_key(
        &self,
        credential: &Sealed<Credential>,
        look_up: &Tag,
        commit: Commit,
    ) -> Result<Committed> {
        let mut work = Work::default();
        credentials::update(&mut work, std::slice::from_ref(credential))?;
        work.push(DELETE_HASH, vec![Param::bytes(look_up.as_bytes())], Expect::Nothing);
        write_commit(&mut work, &commit)?;
        self.write(&work).await.map(|done| done.committed)
    }
}

fn read_hash(row: &Row, look_up: Tag) -> Result<Unverified<ForeignHash>> {
    let id = |bytes| CredentialId::from_bytes(bytes).to_string();
    let mut columns = Columns::new(row, 0, "foreign_hashes", id);
    let credential = CredentialId::from_bytes(columns.bytes("column credential_id")?);
    let root = AccountId::from_bytes(columns.bytes("column root_id")?);
    let (algorithm, text) = (columns.text("column algorithm")?, columns.text("column hash")?);
    let hash = SlowHash::parse(algorithm, text)
        .map_err(|_| damaged("foreign_hashes", credential.to_string(), "column hash"))?;
    let record = ForeignHash { look_up, credential, root, hash };
    Ok(Unverified::new(record, columns.bytes("column row_mac")?))
}

fn kind_cells(kind: &ForeignKind) -> [Cell<'_>; 3] {
    [Cell::text(kind.word), Cell::bytes(&kind.key_id), Cell::bytes(&kind.sealed_key)]
}

fn hash_cells(sealed: &Sealed<ForeignHash>) -> [Cell<'_>; 6] {
    let row = sealed.record();
    [
        Cell::bytes(row.look_up.as_bytes()),
        Cell::bytes(row.credential.as_bytes()),
        Cell::bytes(row.root.as_bytes()),
        Cell::text(row.hash.algorithm()),
        Cell::text(row.hash.as_str()),
        Cell::bytes(sealed.seal()),
    ]
}
