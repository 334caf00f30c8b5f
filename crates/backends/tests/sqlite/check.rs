//! Looking a database over: what is found, and that nothing is changed by it.

use crate::support::Draw;
use crate::{open, sql};
use tenantry_backends::sqlite::{FINDINGS_TOLD_MAX, Findings, Inspection, SqliteStore};
use tenantry_core::store::ServiceAccountStore as _;

/// A store with one row of everything, beside which it is looked over.
struct Plane {
    directory: tempfile::TempDir,
    draw: Draw,
    store: SqliteStore,
}

impl Plane {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (store, draw) = (open(directory.path()), Draw::new());
        let root = draw.organization(&store).await.account;
        draw.stored_sub_account(&store, root.id).await;
        let (service_account, secret) = draw.service_account(&root, "a");
        let (service_account, secret) = (draw.seal(service_account), draw.seal(secret));
        store
            .insert_service_account(&service_account, &secret, 1, draw.commit(root.id))
            .await
            .expect("stored");
        Self { directory, draw, store }
    }

    fn inspect(&self) -> Inspection {
        Inspection::open(self.directory.path()).expect("opened")
    }

    fn seals(&self) -> Findings {
        self.inspect().check_seals(&self.draw.secrets, &mut |_| {}).expect("checked")
    }

    fn references(&self) -> Findings {
        self.inspect().check_references().expect("checked")
    }
}

#[tokio::test]
async fn what_is_sound_is_found_sound() {
    let plane = Plane::start().await;
    let inspection = plane.inspect();
    for full in [false, true] {
        assert_eq!(inspection.check_pages(full).expect("checked"), Vec::<String>::new());
    }
    assert_eq!(inspection.schema().expect("known"), Inspection::schema_known());
    let counts = inspection.counts().expect("counted");
    assert_eq!((counts.accounts, counts.credentials, counts.service_accounts), (2, 3, 1));
    let seals = plane.seals();
    assert_eq!((seals.checked, seals.wrong), (2 + 3 + 1 + counts.audit_events, 0));
    assert_eq!(plane.references(), Findings::default());
}

#[tokio::test]
async fn a_row_that_was_written_by_sql_is_found_in_each_table() {
    for (change, table, problem) in [
        ("UPDATE accounts SET name = 'x' WHERE parent_id IS NULL", "accounts", "seal"),
        (
            "UPDATE credentials SET permissions = '[\"*:*\"]' WHERE kind <> 'api_key'",
            "credentials",
            "seal",
        ),
        (
            "UPDATE credentials SET status = 'haunted' WHERE name = 'master'",
            "credentials",
            "column status",
        ),
        ("UPDATE service_accounts SET client_id = 'x'", "service_accounts", "seal"),
        ("UPDATE audit_events SET action = 'token.issued' WHERE rowid = 1", "audit_events", "seal"),
        ("UPDATE audit_events SET facts = '{' WHERE rowid = 1", "audit_events", "column facts"),
    ] {
        let plane = Plane::start().await;
        sql(plane.directory.path(), change);
        let seals = plane.seals();
        assert_eq!(seals.wrong, 1, "{change}");
        let found = &seals.first[0];
        assert_eq!(found.table, table, "{change}");
        assert!(found.problem.contains(problem), "{change}: {found:?}");
        assert!(found.id.contains('_'), "{change}: {found:?}");
    }
}

#[tokio::test]
async fn other_secrets_open_nothing_and_not_every_row_is_told() {
    let plane = Plane::start().await;
    for _ in 0..FINDINGS_TOLD_MAX {
        plane.draw.stored_sub_account(&plane.store, plane_root(&plane)).await;
    }
    let other = Draw::seeded(8);
    let seals = plane.inspect().check_seals(&other.secrets, &mut |_| {}).expect("checked");
    assert_eq!(seals.wrong, seals.checked);
    assert_eq!(seals.first.len(), FINDINGS_TOLD_MAX);
}

fn plane_root(plane: &Plane) -> tenantry_core::ids::AccountId {
    let connection = rusqlite::Connection::open(plane.inspect().path()).expect("opened");
    let id = connection
        .query_row("SELECT id FROM accounts WHERE parent_id IS NULL", [], |row| row.get(0));
    tenantry_core::ids::AccountId::from_bytes(id.expect("an id"))
}

#[tokio::test]
async fn a_row_that_points_at_nothing_is_found() {
    for (change, table, wrong) in [
        ("DELETE FROM accounts WHERE parent_id IS NULL", "accounts", 5),
        ("DELETE FROM accounts WHERE parent_id IS NOT NULL", "credentials", 1),
        ("DELETE FROM service_accounts", "credentials", 1),
        ("UPDATE accounts SET given_concurrent_calls = 7 WHERE parent_id IS NULL", "accounts", 1),
        ("UPDATE credentials SET root_id = zeroblob(16) WHERE name = 'master'", "credentials", 1),
        (
            "UPDATE credentials SET superseded_by = zeroblob(16) WHERE name = 'master'",
            "credentials",
            1,
        ),
        ("UPDATE credentials SET superseded_by = id, lineage = id", "", 0),
        ("UPDATE service_accounts SET root_id = zeroblob(16)", "service_accounts", 1),
        ("UPDATE members SET account_id = zeroblob(16)", "members", 1),
        ("DELETE FROM change_head WHERE shard = 3", "change_head", 1),
        ("INSERT INTO change_log VALUES (3, 1, 0, 'account', zeroblob(16), 0)", "change_head", 1),
    ] {
        let plane = Plane::start().await;
        sql(plane.directory.path(), change);
        let found = plane.references();
        assert_eq!(found.wrong, wrong, "{change}: {found:?}");
        assert_eq!(found.first.first().map_or("", |finding| finding.table), table, "{change}");
    }
}
