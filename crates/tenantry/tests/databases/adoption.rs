//! Databases that are there before: taken over where they are empty and the user's own.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, made_for_tenants, own_site, sites};
use hyper::StatusCode;
use tenantry_backends::testing::Server;

/// A database of the customer's, by the customer.
fn own_database(customer: &Customer<'_>) {
    let (name, user) = (&customer.name, &customer.user);
    let sql = format!("CREATE DATABASE \"{name}\" OWNER \"{user}\"");
    customer.site.execute("postgres", &sql).expect("a database");
}

/// The owner of the customer's database.
fn owner(customer: &Customer<'_>) -> String {
    let sql = format!(
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = '{}'",
        customer.name
    );
    customer.site.query("postgres", &sql).expect("a row")[0].get(0)
}

#[tokio::test]
async fn an_empty_database_of_the_users_own_is_taken_over() {
    for site in sites() {
        for (may, credential) in [(May::MakeBoth, "limited"), (May::Nothing, "given")] {
            let app = TestApp::start(Settings::default()).await;
            let customer = Customer::new(site, may);
            own_database(&customer);
            let reply = app.made(&customer).await;
            let id = text(&reply, "id");
            let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
            assert_eq!([&database["origin"], &database["credential"]], ["adopted", credential]);
            let role = app.credentials(id).await;
            let login = (text(&role, "user"), text(&role, "password"));
            let sql = "SELECT account_id FROM tenantry.marker";
            assert_eq!(site.query_as(login, &customer.name, sql).expect("a row").len(), 1);
            assert_eq!(owner(&customer).starts_with("svc_"), credential == "limited");
        }
    }
}

#[tokio::test]
async fn case_71_what_is_in_use_or_somebody_elses_is_left_alone() {
    let Some(site) = own_site() else { return };
    let things = [
        "CREATE TABLE public.orders (id int)",
        "CREATE SCHEMA sales",
        "CREATE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE public.mood AS ENUM ('sad')",
        "CREATE SCHEMA tenantry; CREATE TABLE tenantry.marker (account_id text, nonce text);
         INSERT INTO tenantry.marker VALUES ('acc_of_somebody_else', '00')",
        "CREATE FUNCTION public.trap() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER trap ON ddl_command_end EXECUTE FUNCTION public.trap()",
    ];
    let app = TestApp::start(Settings::default()).await;
    for thing in things {
        let customer = Customer::new(site, May::MakeBoth);
        own_database(&customer);
        site.execute(&customer.name, thing).expect("something in it");
        let before = dump(site, &customer.name);
        let (status, body) = app.create(&customer.request()).await;
        assert_eq!(status, StatusCode::CONFLICT, "{thing}: {body}");
        assert_eq!(dump(site, &customer.name), before, "{thing}");
        assert_eq!(owner(&customer), customer.user, "{thing}");
    }
    // Somebody else's, though it is empty.
    let customer = Customer::new(site, May::MakeBoth);
    site.execute("postgres", &format!("CREATE DATABASE \"{}\"", customer.name)).expect("made");
    assert_eq!(app.create(&customer.request()).await.0, StatusCode::CONFLICT);
    // A superuser who does not own it has no claim either.
    let customer = Customer::new(site, May::All);
    site.execute("postgres", &format!("CREATE DATABASE \"{}\"", customer.name)).expect("made");
    assert_eq!(app.create(&customer.request()).await.0, StatusCode::CONFLICT);
    assert_eq!(made_for_tenants(site), Vec::<String>::new());
    assert_eq!(app.counts().await, (1, 0));
}

/// What a database holds, by name.
fn dump(site: &Server, database: &str) -> Vec<String> {
    let sql = "SELECT 'n ' || nspname::text FROM pg_namespace
         UNION ALL SELECT 'c ' || oid::regclass::text FROM pg_class
         UNION ALL SELECT 'p ' || oid::regprocedure::text FROM pg_proc
         UNION ALL SELECT 't ' || oid::regtype::text FROM pg_type ORDER BY 1";
    site.query(database, sql).expect("a list").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn another_plane_does_not_take_over_what_one_has() {
    let Some(site) = sites().into_iter().next() else { return };
    let (one, other) =
        (TestApp::start(Settings::default()).await, TestApp::start(Settings::default()).await);
    let customer = Customer::new(site, May::MakeDatabases);
    one.made(&customer).await;
    let (status, body) = other.create(&customer.request()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert_eq!(other.counts().await, (1, 0));
}
