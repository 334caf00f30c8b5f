//! Keys that were taken over from other systems.

use super::changes::write_commit;
use super::errors::from_sqlite;
use super::{SqliteStore, credentials, rows};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::keys::{ForeignHash, ForeignKind, ImportedRows};
use tenantry_core::secrets::foreign::SlowHash;
use tenantry_core::secrets::{Sealed, Tag, Unverified};
use tenantry_core::store::{Committed, ForeignKeyStore};

#[async_trait]
impl ForeignKeyStore for SqliteStore {
    async fn insert_foreign_keys(
        &self,
        keys: Vec<ImportedRows>,
        kinds: Vec<ForeignKind>,
    ) -> Result<Committed> {
        self.write(move |connection| {
            for kind in &kinds {
                insert_kind(connection, kind)?;
            }
            let mut committed = None;
            for (credential, hash, commit) in &keys {
                credentials::insert(connection, credential)?;
                if let Some(hash) = hash {
                    insert_hash(connection, hash)?;
                }
                committed = write_commit(connection, commit)?;
            }
            Ok(committed)
        })
        .await
    }

    async fn list_foreign_kinds(&self) -> Result<Vec<ForeignKind>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT kind, key_id, sealed_key FROM foreign_kinds ORDER BY kind, key_id",
                )
                .map_err(from_sqlite)?;
            rows::list(&mut statement, [], |row| {
                let word: String = row.get(0).map_err(from_sqlite)?;
                let word = ForeignKind::word_from_stored(&word)
                    .ok_or_else(|| rows::damaged("foreign_kinds", word, "column kind"))?;
                Ok(ForeignKind {
                    word,
                    key_id: row.get(1).map_err(from_sqlite)?,
                    sealed_key: row.get(2).map_err(from_sqlite)?,
                })
            })
        })
    }

    async fn update_foreign_kind(&self, kind: &ForeignKind) -> Result<()> {
        let kind = kind.clone();
        let job = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE foreign_kinds SET sealed_key = ?3 WHERE kind = ?1 AND key_id = ?2",
                )
                .and_then(|mut statement| {
                    statement.execute(params![kind.word, kind.key_id, kind.sealed_key])
                })
                .map_err(from_sqlite)?;
            Ok(None)
        };
        self.write(job).await.map(drop)
    }

    async fn find_foreign_hash(&self, look_up: &Tag) -> Result<Option<Unverified<ForeignHash>>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT credential_id, root_id, algorithm, hash, row_mac
                     FROM foreign_hashes WHERE look_up = ?1",
                )
                .map_err(from_sqlite)?;
            rows::find(&mut statement, [look_up.as_bytes()], |row| read_hash(row, *look_up))
        })
    }

    async fn adopt_foreign_key(
        &self,
        credential: &Sealed<Credential>,
        look_up: &Tag,
        commit: Commit,
    ) -> Result<Committed> {
        let (credential, look_up) = (credential.clone(), *look_up);
        self.write(move |connection| {
            credentials::update(connection, &credential)?;
            connection
                .prepare_cached("DELETE FROM foreign_hashes WHERE look_up = ?1")
                .and_then(|mut statement| statement.execute([look_up.as_bytes()]))
                .map_err(from_sqlite)?;
            write_commit(connection, &commit)
        })
        .await
    }
}

fn read_hash(row: &Row<'_>, look_up: Tag) -> Result<Unverified<ForeignHash>> {
    let credential = CredentialId::from_bytes(row.get(0).map_err(from_sqlite)?);
    let algorithm: String = row.get(2).map_err(from_sqlite)?;
    let text: String = row.get(3).map_err(from_sqlite)?;
    let hash = SlowHash::parse(&algorithm, &text)
        .map_err(|_| rows::damaged("foreign_hashes", credential.to_string(), "column hash"))?;
    let record = ForeignHash {
        look_up,
        credential,
        root: AccountId::from_bytes(row.get(1).map_err(from_sqlite)?),
        hash,
    };
    Ok(Unverified::new(record, row.get(4).map_err(from_sqlite)?))
}

fn insert_kind(connection: &Connection, kind: &ForeignKind) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO foreign_kinds (kind, key_id, sealed_key) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, key_id) DO NOTHING",
        )
        .and_then(|mut statement| {
            statement.execute(params![kind.word, kind.key_id, kind.sealed_key])
        })
        .map(|_| ())
        .map_err(from_sqlite)
}

fn insert_hash(connection: &Connection, sealed: &Sealed<ForeignHash>) -> Result<()> {
    let row = sealed.record();
    connection
        .prepare_cached(
            "INSERT INTO foreign_hashes (look_up, credential_id, root_id, algorithm, hash, row_mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                row.look_up.as_bytes(),
                row.credential.as_bytes(),
                row.root.as_bytes(),
                row.hash.algorithm(),
                row.hash.as_str(),
                sealed.seal(),
            ])
        })
        .map(|_| ())
        .map_err(from_sqlite)
}
