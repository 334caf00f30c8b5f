//! Rows that somebody wrote by SQL, or the disk did.

use crate::support::{Draw, NOW};
use crate::{open, sql};
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::clock::Timestamp;
use tenantry_core::credentials::{Credential, Owner};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::members::Member;
use tenantry_core::secrets::{KeyFormat, Tag};
use tenantry_core::store::{
    AccountStore, CredentialStore, HealthStore, MemberStore, ServiceAccountStore,
};

/// A store with one row of everything.
struct Plane {
    directory: tempfile::TempDir,
    store: SqliteStore,
    draw: Draw,
    root: AccountId,
    member: Member,
    key: Credential,
    sub_key: Tag,
    secret: Tag,
}

impl Plane {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (store, draw) = (open(directory.path()), Draw::new());
        let organization = draw.organization(&store).await;
        let root = organization.account;
        let (_, sub_key) = draw.stored_sub_account(&store, root.id).await;
        let (service_account, secret) = draw.service_account(&root, "a");
        let secret_tag = secret.tag;
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        store
            .insert_service_account(&service_account, &secret, 1, draw.commit(root.id))
            .await
            .expect("stored");
        Self {
            directory,
            store,
            draw,
            root: root.id,
            member: organization.member,
            key: organization.key,
            sub_key: sub_key.tag,
            secret: secret_tag,
        }
    }

    fn sql(&self, statements: &str) {
        sql(self.directory.path(), statements);
    }

    /// Reads and opens everything that a verification looks at.
    async fn verify(&self, tag: Tag) -> Result<()> {
        let found = self.store.find_credential_by_tag(&tag).await?;
        let Some(found) = found else { return Ok(()) };
        found.credential.open(&self.draw.secrets)?;
        found.service_account.map(|row| row.open(&self.draw.secrets)).transpose()?;
        found.account.map(|row| row.open(&self.draw.secrets)).transpose()?;
        found.parent.map(|row| row.open(&self.draw.secrets)).transpose()?;
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_not_used() {
    for (change, table, problem) in [
        ("UPDATE accounts SET profile = '{'", "accounts", "column profile"),
        ("UPDATE accounts SET profile = '{\"x\":\"y\"}'", "accounts", "column profile"),
        ("UPDATE accounts SET metadata = '[]'", "accounts", "column metadata"),
        ("UPDATE accounts SET status = 'haunted'", "accounts", "column status"),
        ("UPDATE accounts SET entitlements = 'flight'", "accounts", "column entitlements"),
        ("UPDATE accounts SET concurrent_calls = 0", "accounts", "column concurrent_calls"),
        ("UPDATE accounts SET name = ''", "accounts", "column name"),
        ("UPDATE accounts SET name = CAST(x'c328' AS TEXT)", "accounts", "column name"),
        ("UPDATE accounts SET version = -1", "accounts", "column version"),
        ("UPDATE accounts SET row_mac = x'00'", "accounts", "column row_mac"),
        ("UPDATE accounts SET created_by_member = x''", "accounts", "column created_by_member"),
        ("UPDATE credentials SET kind = 'pass'", "credentials", "column kind"),
        ("UPDATE credentials SET kind = 'platform_key'", "credentials", "column kind"),
        ("UPDATE credentials SET member_id = NULL", "credentials", "column kind"),
        ("UPDATE credentials SET root_id = NULL", "credentials", "column kind"),
        ("UPDATE credentials SET root_id = x'01'", "credentials", "column root_id"),
        ("UPDATE credentials SET format = 'verse'", "credentials", "column format"),
        ("UPDATE credentials SET pepper_id = 65536", "credentials", "column pepper_id"),
        ("UPDATE credentials SET permissions = '[\"x\"]'", "credentials", "column permissions"),
        ("UPDATE credentials SET allowed_ips = '[\"x\"]'", "credentials", "column allowed_ips"),
        ("UPDATE credentials SET status = 'revoked'", "credentials", "column status"),
        ("UPDATE credentials SET revoked_at = 1", "credentials", "column status"),
        ("UPDATE credentials SET lineage = x''", "credentials", "column lineage"),
        ("UPDATE credentials SET superseded_by = id", "credentials", "column superseded_by"),
        ("UPDATE credentials SET grace_expires_at = 1", "credentials", "column superseded_by"),
        ("UPDATE change_head SET rev = -1", "change_head", "column rev"),
        ("DELETE FROM change_head", "change_head", "column rev"),
    ] {
        let plane = Plane::start().await;
        plane.sql(change);
        let refused = plane.verify(plane.key.tag).await;
        let Err(Error::Integrity { table: found, problem: why, id }) = refused else {
            panic!("{change}: {refused:?}");
        };
        assert_eq!((found, why), (table, problem), "{change}");
        let expected = match table {
            "accounts" => plane.root.to_string(),
            "credentials" => plane.key.id.to_string(),
            _ => tenantry_core::commit::shard_of(plane.root).to_string(),
        };
        assert_eq!(id, expected, "{change}");
    }
}

#[tokio::test]
async fn other_reads_name_what_they_cannot_read() {
    let plane = Plane::start().await;
    plane.sql(
        "UPDATE accounts SET status = 'haunted';
         UPDATE credentials SET status = 'haunted';
         UPDATE members SET email = char(10);
         UPDATE service_accounts SET status = 'haunted', name = CAST(x'61c328' AS TEXT);
         UPDATE change_head SET rev = -1;",
    );
    let Plane { store, root, member, key, secret, .. } = &plane;
    assert_damaged(&store.find_account(*root, *root).await);
    let listed = store.list_organizations(None, 1).await.expect("a list");
    assert_eq!(listed[0].0, *root);
    assert_damaged(&listed[0].1);
    assert!(store.has_organizations().await.expect("a read"));
    assert_damaged(&store.find_credential(*root, key.id).await);
    let keys = store.list_keys(*root, *root, None, 1).await.expect("a list");
    assert_eq!(keys[0].0, *key.id.as_bytes());
    assert_damaged(&keys[0].1);
    assert_damaged(&store.find_credential_by_tag(secret).await);
    assert_damaged(&store.find_head(*root).await);
    assert_damaged(&store.check().await);
    assert_damaged(&store.find_member(*root, &member.realm, &member.subject).await);
    plane.sql("UPDATE service_accounts SET name = CAST(x'612dc328' AS TEXT)");
    assert_damaged(&store.list_service_account_names(*root, "a").await);
}

fn assert_damaged<T>(outcome: &Result<T>) {
    assert!(matches!(outcome, Err(Error::Integrity { .. })));
}

#[tokio::test]
async fn a_changed_column_does_not_open() {
    let accounts = [
        "name = 'x'",
        "profile = '{}'",
        "metadata = '{\"x\":1}'",
        "status = 'closed'",
        "entitlements = ''",
        "concurrent_calls = 2",
        "sub_account_concurrent_calls = NULL",
        "rates = '1000000/1'",
        "created_by_member = zeroblob(16)",
        "created_at = created_at + 1",
        "updated_at = updated_at + 1",
        "version = version + 1",
        "row_mac = zeroblob(32)",
        "parent_id = (SELECT id FROM accounts WHERE parent_id IS NOT NULL)",
    ];
    let credentials = [
        "format = 'account'",
        "pepper_id = 2",
        "start = 'xxxxxxx'",
        "name = 'x'",
        "permissions = '[\"*:*\"]'",
        "allowed_ips = '[\"0.0.0.0/0\"]'",
        "metadata = '{\"x\":1}'",
        "status = 'disabled'",
        "status = 'revoked', revoked_at = 1",
        "expires_at = 9000000000000000",
        "limits = NULL",
        "limits = '1000000/10 uses:9@1'",
        "lineage = zeroblob(16)",
        "superseded_by = id, grace_expires_at = 9000000000000000",
        "created_at = created_at + 1",
        "version = version + 1",
        "row_mac = zeroblob(32)",
        "account_id = (SELECT id FROM accounts WHERE parent_id IS NOT NULL)",
        "member_id = zeroblob(16)",
        "root_id = (SELECT id FROM accounts WHERE parent_id IS NOT NULL)",
    ];
    for change in accounts {
        let change = format!("UPDATE accounts SET {change} WHERE parent_id IS NULL");
        Box::pin(assert_forgery(&change, |plane| plane.key.tag)).await;
        if !change.contains("parent_id =") {
            Box::pin(assert_forgery(&change, |plane| plane.sub_key)).await;
        }
    }
    for change in credentials {
        let change = format!("UPDATE credentials SET {change} WHERE name = 'master'");
        Box::pin(assert_forgery(&change, |plane| plane.key.tag)).await;
    }
    for change in [
        "name = 'b'",
        "client_id = 'x'",
        "permissions = '[\"*:*\"]'",
        "status = 'deleted'",
        "created_by = zeroblob(16)",
        "created_at = 0",
        "version = 2",
        "root_id = zeroblob(16)",
        "account_id = zeroblob(16)",
    ] {
        let change = format!("UPDATE service_accounts SET {change}");
        Box::pin(assert_forgery(&change, |plane| plane.secret)).await;
    }
}

#[tokio::test]
async fn a_grace_cannot_be_taken_back_or_prolonged() {
    for change in [
        "superseded_by = NULL, grace_expires_at = NULL",
        "grace_expires_at = grace_expires_at + 1",
        "superseded_by = zeroblob(16)",
    ] {
        let plane = Plane::start().await;
        let until = Timestamp::from_micros(NOW.micros() + 1);
        let (next, old) = plane.draw.rotated(&plane.key, until);
        let (next, old) = (plane.draw.seal(next), plane.draw.seal(old));
        let commit = plane.draw.commit(plane.root);
        plane.store.rotate_credential(&next, &[old], commit).await.expect("rotated");
        plane.verify(plane.key.tag).await.expect("as it was written");
        plane.sql(&format!("UPDATE credentials SET {change} WHERE superseded_by IS NOT NULL"));
        let refused = plane.verify(plane.key.tag).await;
        assert!(matches!(refused, Err(Error::Integrity { .. })), "{change}: {refused:?}");
        plane.verify(next.record().tag).await.expect("its successor is not touched");
    }
}

async fn assert_forgery(change: &str, tag: impl Fn(&Plane) -> Tag) {
    let plane = Plane::start().await;
    plane.verify(tag(&plane)).await.expect("as it was written");
    plane.sql(change);
    let refused = plane.verify(tag(&plane)).await;
    assert!(matches!(refused, Err(Error::Integrity { .. })), "{change}: {refused:?}");
}

#[tokio::test]
async fn what_no_seal_covers_may_change() {
    let plane = Plane::start().await;
    plane.sql("UPDATE credentials SET last_used_at = 1");
    plane.verify(plane.key.tag).await.expect("counters are outside the seal");
    let key = plane.draw.credential(Owner::Platform, KeyFormat::Native);
    let commit = plane.draw.commit(AccountId::PLANE);
    let stored = plane.store.insert_credential(&plane.draw.seal(key), commit).await;
    stored.expect("stored");
}
