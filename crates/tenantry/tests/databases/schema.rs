//! The product's schema in tenant databases.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, operator, sites};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tenantry_backends::tenant::read_migrations;
use tenantry_core::database::{DatabaseHost, DatabaseIdentifier, DatabasePassword, DatabasePort};
use tenantry_core::database::{DatabasePolicy, ManagedServer, MigrationSet};
use tenantry_core::error::Error;
use tenantry_core::ids::AccountId;

fn write(dir: &Path, files: &[(&str, &str)]) -> MigrationSet {
    for (name, sql) in files {
        std::fs::write(dir.join(name), sql).expect("written");
    }
    read_migrations(dir).expect("good files")
}

fn with(migrations: MigrationSet) -> Settings {
    let mut settings = Settings::default();
    settings.policy = DatabasePolicy { migrations, ..settings.policy };
    settings
}

const ORDERS: (&str, &str) = (
    "0001_orders.sql",
    "CREATE TABLE orders (id bigint PRIMARY KEY, note text);
     CREATE FUNCTION next_order() RETURNS bigint LANGUAGE plpgsql AS $$
     BEGIN RETURN (SELECT coalesce(max(id), 0) + 1 FROM orders); END $$;",
);

#[tokio::test]
async fn new_tenants_get_the_products_schema_at_once_and_the_limited_role_owns_it() {
    for site in sites() {
        for may in [May::MakeBoth, May::MakeDatabases] {
            let dir = tempfile::tempdir().expect("a directory");
            let app = TestApp::start(with(write(dir.path(), &[ORDERS]))).await;
            let customer = Customer::new(site, may);
            let made = app.made(&customer).await;
            let id = text(&made, "id");
            let role = app.credentials(id).await;
            let login = (text(&role, "user"), text(&role, "password"));
            for sql in [
                "INSERT INTO orders SELECT next_order() RETURNING id",
                "SELECT 1 FROM tenantry.schema_history WHERE version = 1 AND name = 'orders'",
                "ALTER TABLE orders ADD COLUMN more int",
            ] {
                site.query_as(login, &customer.name, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
            assert_eq!(database["schema_version"], 1);
        }
    }
}

#[tokio::test]
async fn a_schema_that_does_not_apply_makes_no_tenant_and_leaves_nothing() {
    let Some(site) = crate::support::own_site() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let files = [ORDERS, ("0002_broken.sql", "CREATE TABLE more (id nosuchtype)")];
    let app = TestApp::start(with(write(dir.path(), &files))).await;
    let customer = Customer::new(site, May::MakeBoth);
    let (status, body) = app.create(&customer.request()).await;
    assert_eq!(status.as_u16(), 503, "{body}");
    assert!(!customer.has_database());
    assert_eq!(crate::support::made_for_tenants(site), Vec::<String>::new());
    assert_eq!(app.counts().await, (1, 0));
}

#[tokio::test]
async fn later_files_are_applied_once_each_whoever_applies_them_and_a_changed_one_not_at_all() {
    for site in sites() {
        let dir = tempfile::tempdir().expect("a directory");
        let app = TestApp::start(with(write(dir.path(), &[ORDERS]))).await;
        let customer = Customer::new(site, May::MakeBoth);
        let made = app.made(&customer).await;
        let id = AccountId::parse_uuid(text(&made, "id")).expect("an id");
        let later = [
            ORDERS,
            ("0002_count.sql", "CREATE TABLE counted AS SELECT 1 AS n"),
            ("0003_count.sql", "UPDATE counted SET n = n + 1"),
        ];
        let next = node(&app, write(dir.path(), &later));
        // Twenty at once, of which each file has one.
        let calls = (0..20).map(|_| {
            let node = next.clone();
            async move { node.migrate_database(&operator(), id).await }
        });
        let done = futures_util::future::join_all(calls).await;
        let applied: u64 = done.iter().flatten().map(|done| done.applied).sum();
        assert_eq!(applied, 2, "{done:?}");
        let n = site.query(&customer.name, "SELECT n FROM counted").expect("a row");
        assert_eq!(n[0].get::<_, i32>(0), 2);
        let again = next.migrate_database(&operator(), id).await.expect("nothing to do");
        assert_eq!((again.version, again.applied), (3, 0));

        // A file that fails takes nothing with it, and the one before it stays.
        let broken = [
            ("0004_good.sql", "UPDATE counted SET n = 10"),
            ("0005_broken.sql", "UPDATE counted SET n = 11; SELECT 1/0"),
        ];
        let next = node(&app, write(dir.path(), &broken));
        let failed = next.migrate_database(&operator(), id).await;
        assert!(
            matches!(&failed, Err(Error::MigrationFailed { version: 5, code }) if &**code == "22012"),
            "{failed:?}"
        );
        let n = site.query(&customer.name, "SELECT n FROM counted").expect("a row");
        assert_eq!(n[0].get::<_, i32>(0), 10);
        // Nor is one applied that is not what it was.
        let changed = [("0005_broken.sql", "SELECT 1"), ("0003_count.sql", "SELECT 'changed'")];
        let next = node(&app, write(dir.path(), &changed));
        let failed = next.migrate_database(&operator(), id).await;
        assert!(matches!(failed, Err(Error::MigrationFailed { version: 3, .. })), "{failed:?}");
    }
}

/// Another node of the same plane, with another schema.
fn node(app: &TestApp, migrations: MigrationSet) -> Arc<tenantry_core::Plane> {
    app.node_with(&app.store, &app.servers, |policy| policy.migrations = migrations)
}

#[tokio::test]
async fn a_managed_database_is_made_on_the_server_with_the_fewest() {
    let sites = sites();
    let Some(first) = sites.first() else { return };
    let root = Customer::new(first, May::MakeBoth);
    let server = |name: &str| ManagedServer {
        name: name.into(),
        host: DatabaseHost::parse("127.0.0.1").expect("a host"),
        port: DatabasePort::from_number(first.port().into()).expect("a port"),
        user: DatabaseIdentifier::parse(&root.user).expect("a name"),
        password: DatabasePassword::parse(&root.password).expect("a password"),
    };
    let mut settings = Settings::default();
    settings.policy.servers = vec![server("one"), server("two")];
    let app = TestApp::start(settings).await;
    let mut servers = Vec::new();
    for _ in 0..4 {
        let body = json!({ "name": "a", "metadata": { "a": 1 }, "database": { "managed": true } });
        let (status, made) = app.post("/v1/accounts", &body).await;
        assert_eq!(status.as_u16(), 201, "{made}");
        let id = text(&made["account"], "id");
        let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
        servers.push(text(&database, "server").to_owned());
        let role = app.credentials(id).await;
        let login = (text(&role, "user"), text(&role, "password"));
        let sql = "SELECT metadata->>'a' FROM tenantry.account";
        let rows = first.query_as(login, text(&role, "name"), sql).expect("a row");
        assert_eq!(rows[0].get::<_, &str>(0), "1");
    }
    assert_eq!(servers, ["one", "two", "one", "two"]);
    let none = TestApp::start(Settings::default()).await;
    let body = json!({ "name": "a", "database": { "managed": true } });
    let (status, refused) = none.post("/v1/accounts", &body).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (422, "database_not_offered"));
    let both = json!({ "name": "a", "database": { "managed": true, "host": "h" } });
    let (status, refused) = app.post("/v1/accounts", &both).await;
    assert_eq!(
        (status.as_u16(), &refused["errors"][0]["pointer"]),
        (422, &json!("/database/host"))
    );
}
