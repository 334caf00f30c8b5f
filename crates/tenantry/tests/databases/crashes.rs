//! F25: a node that dies at any step of the making of a database. Whoever comes next ends it: the
//! account is active, or failed and nothing is left of it, and what was a customer's is as it was.
//!
//! Died is: the future is dropped, at every call of a server and of the store, before it and after it,
//! as a process that is killed drops it. Seen failing with `clean` leaving the roles.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, made_for_tenants, own_site};
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tenantry_core::Plane;
use tenantry_core::database::{
    Access, DatabaseServers, Inspected, MigrationSet, Names, OwnRecord, Refused, Seen,
};
use tenantry_core::limits;
use tenantry_core::store::{Interpose, Interposed, Store};
use tokio::sync::Notify;

/// Stands before servers and store, and says when the node dies.
#[derive(Default)]
struct Death {
    /// Calls until then, twice each: before and after it.
    left: AtomicUsize,
    died: Notify,
}

impl Death {
    fn after(calls: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(calls), died: Notify::new() })
    }

    /// Whether it is now.
    fn comes(&self) -> bool {
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) || left.is_err() {
            self.died.notify_one();
            return true;
        }
        false
    }

    /// Goes on, or never again.
    async fn pass(&self) {
        if self.comes() {
            std::future::pending::<()>().await;
        }
    }
}

struct Mortal {
    servers: Arc<dyn DatabaseServers>,
    death: Arc<Death>,
}

macro_rules! mortal {
    ($($name:ident($($given:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl DatabaseServers for Mortal {
            fn permits(&self, address: IpAddr) -> bool {
                self.servers.permits(address)
            }

            $(async fn $name(&self, at: Access<'_>, names: &Names, $($given: $type),*)
                -> Result<$answer, Refused> {
                self.death.pass().await;
                let answer = self.servers.$name(at, names, $($given),*).await;
                self.death.pass().await;
                answer
            })*
        }
    };
}

mortal! {
    look() -> Seen;
    make_roles(passwords: [&str; 2]) -> ();
    make_database() -> ();
    furnish(record: &OwnRecord, migrations: &MigrationSet) -> ();
    rename() -> ();
    give() -> ();
    clean() -> ();
    read_record() -> OwnRecord;
    write_record(record: &OwnRecord) -> ();
    set_password(password: &str) -> ();
    migrate(migrations: &MigrationSet) -> (u64, u64);
    inspect() -> Inspected;
}

/// A store whose changes are made, and not answered any more.
struct Unanswered(Arc<Death>);

impl Interpose for Unanswered {
    fn change<T>(&self, outcome: tenantry_core::Result<T>) -> tenantry_core::Result<T> {
        if self.0.comes() {
            // Whoever is told this stops as one who died does; the change stands.
            return Err(tenantry_core::Error::unavailable("the node is dead"));
        }
        outcome
    }
}

fn mortal(app: &TestApp, death: &Arc<Death>, inline: Duration) -> Arc<Plane> {
    let servers: Arc<dyn DatabaseServers> =
        Arc::new(Mortal { servers: app.servers.clone(), death: death.clone() });
    let store: Arc<dyn Store> =
        Arc::new(Interposed { store: app.store.clone(), between: Unanswered(death.clone()) });
    app.node_with(&store, &servers, |policy| policy.inline = inline)
}

/// How many rounds of each step: once, or what the long form says.
fn rounds() -> usize {
    std::env::var("TENANTRY_FAULTS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// What comes to be of one customer's request whose node dies after so many calls.
async fn one(app: &TestApp, may: May, adopted: bool, inline: Duration, calls: usize) -> Outcome {
    let site = app.site.expect("a server");
    let customer = Customer::new(site, may);
    if adopted {
        let (name, user) = (&customer.name, &customer.user);
        let sql = format!("CREATE DATABASE \"{name}\" OWNER \"{user}\"");
        site.execute("postgres", &sql).expect("a database");
    }
    let death = Death::after(calls);
    let plane = mortal(app, &death, inline);
    let node = tenantry_http::App::new(plane, tenantry_http::Options::default());
    let request = customer.request();
    let ended = {
        let call = app.create_at(&node, &request);
        let died = death.died.notified();
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = died => None,
        }
    };
    let survived = death.left.load(Ordering::SeqCst) > 0;
    // Others come, once the time of whoever died is over, and again where something was put off.
    for _ in 0..20 {
        app.clock.advance(limits::DATABASE_TURN + limits::DATABASE_RETRY_MAX);
        if app.plane.work_on_databases().await.expect("looked") == 0 {
            break;
        }
    }
    let rows = app.store.list_databases(None, None, 1000).await.expect("a list");
    let unfinished = app.store.list_due_databases(far(app), 10).await.expect("a list").len();
    assert_eq!(unfinished, 0, "something is still to be done after {calls} calls");
    let (_, accounts) = app.get("/v1/accounts?limit=100").await;
    let made = accounts["data"].as_array().expect("a list").iter();
    let made: Vec<_> = made.filter(|account| !account["parent_id"].is_null()).collect();
    assert!(made.len() <= 1 && rows.len() <= 1);
    let outcome = if let [account] = &made[..] {
        assert_eq!(account["status"], "active", "after {calls} calls");
        let id = text(account, "id");
        let role = app.credentials(id).await;
        let login = (text(&role, "user"), text(&role, "password"));
        site.query_as(login, &customer.name, "SELECT 1 FROM tenantry.marker").expect("in use");
        Outcome { active: true, survived }
    } else {
        assert_eq!(made_for_tenants(site), Vec::<String>::new(), "after {calls} calls");
        assert_eq!(rows.len(), 0);
        assert_eq!(customer.has_database(), adopted, "after {calls} calls");
        if adopted {
            let sql = "SELECT pg_get_userbyid(datdba)::text FROM pg_database
                    WHERE datname = current_database() AND to_regnamespace('tenantry') IS NULL";
            let owner = site.query(&customer.name, sql).expect("a row");
            assert_eq!(owner[0].get::<_, &str>(0), customer.user, "after {calls} calls");
        }
        Outcome { active: false, survived }
    };
    // Whoever was answered that there is an account has one.
    if let Some((status, body)) = ended
        && status.is_success()
    {
        assert!(outcome.active, "{body} after {calls} calls");
    }
    outcome
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    active: bool,
    survived: bool,
}

fn far(app: &TestApp) -> tenantry_core::clock::Timestamp {
    tenantry_core::clock::Clock::now(&*app.clock).plus(Duration::from_hours(24 * 365))
}

/// Dies at every call, until one gets through.
async fn every_step(may: May, adopted: bool, inline: Duration) -> (usize, usize) {
    let Some(site) = own_site() else { return (1, 1) };
    let (mut active, mut clean) = (0, 0);
    for _ in 0..rounds() {
        for calls in 1..200 {
            let mut app = TestApp::start(Settings::default()).await;
            app.site = Some(site);
            let outcome = one(&app, may, adopted, inline, calls).await;
            if outcome.active {
                active += 1;
            } else {
                clean += 1;
            }
            drop_all(site);
            if outcome.survived {
                assert!(calls > 10, "it was never tried");
                break;
            }
        }
    }
    (active, clean)
}

/// What one round left in use goes before the next, which counts.
fn drop_all(site: &tenantry_backends::testing::Server) {
    let sql = "SELECT datname::text FROM pg_database WHERE datname LIKE 'alpha%'";
    for row in site.query("postgres", sql).expect("a list") {
        let name: String = row.get(0);
        site.execute("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)")).expect("gone");
    }
    for role in made_for_tenants(site) {
        site.execute("postgres", &format!("DROP ROLE \"{role}\"")).expect("gone");
    }
}

/// Longer than it takes: the caller waits for all of it.
const WAITS: Duration = Duration::from_secs(30);

#[tokio::test]
async fn f25_a_crash_at_every_step_of_a_database_that_is_made() {
    let (active, clean) = every_step(May::MakeBoth, false, WAITS).await;
    assert!(active > 0 && clean > 0, "{active} active, {clean} clean");
}

#[tokio::test]
async fn f25_a_crash_at_every_step_of_a_database_that_is_taken_over() {
    let (active, clean) = every_step(May::MakeBoth, true, WAITS).await;
    assert!(active > 0 && clean > 0, "{active} active, {clean} clean");
}

#[tokio::test]
async fn f25_a_crash_at_every_step_with_credentials_that_were_given() {
    let (active, clean) = every_step(May::MakeDatabases, false, WAITS).await;
    assert!(active > 0 && clean > 0, "{active} active, {clean} clean");
}

#[tokio::test]
async fn f25_a_crash_at_every_step_after_the_caller_was_answered() {
    let Some(site) = own_site() else { return };
    for _ in 0..rounds() {
        for calls in 1..200 {
            let mut settings = Settings::default();
            // The caller waits for nothing.
            settings.policy.inline = Duration::ZERO;
            let mut app = TestApp::start(settings).await;
            app.site = Some(site);
            let customer = Customer::new(site, May::MakeBoth);
            let reply = app.made(&customer).await;
            assert_eq!(reply["status"], "provisioning");
            let key = text(&reply, "api_key");
            assert_eq!(app.verdict(key).await, "ACCOUNT_PROVISIONING");
            let death = Death::after(calls);
            let plane = mortal(&app, &death, Duration::ZERO);
            app.clock.advance(Duration::from_secs(1));
            tokio::select! {
                biased;
                _ = plane.work_on_databases() => {}
                () = death.died.notified() => {}
            }
            let survived = death.left.load(Ordering::SeqCst) > 0;
            for _ in 0..20 {
                app.clock.advance(limits::DATABASE_TURN + limits::DATABASE_RETRY_MAX);
                if app.plane.work_on_databases().await.expect("looked") == 0 {
                    break;
                }
            }
            let id = text(&reply, "id");
            let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
            assert_eq!(database["state"], "active", "after {calls} calls: {database}");
            // One that knows nothing yet: the node that died told nobody.
            let fresh = tenantry_http::App::new(
                app.node_with(&app.store, &app.servers, |_| ()),
                tenantry_http::Options::default(),
            );
            assert_eq!(app.verdict_at(&fresh, key).await, "VALID", "after {calls} calls");
            let role = app.credentials(id).await;
            let login = (text(&role, "user"), text(&role, "password"));
            site.query_as(login, &customer.name, "SELECT 1 FROM tenantry.marker").expect("in use");
            drop_all(site);
            if survived {
                assert!(calls > 10, "it was never tried");
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_and_cannot_be_made_is_failed_and_leaves_nothing() {
    let Some(site) = own_site() else { return };
    let mut settings = Settings::default();
    settings.policy.inline = Duration::ZERO;
    let app = TestApp::start(settings).await;
    let customer = Customer::new(site, May::MakeBoth);
    let reply = app.made(&customer).await;
    let (id, key) = (text(&reply, "id"), text(&reply, "api_key"));
    let sql = format!("ALTER ROLE \"{}\" PASSWORD 'another'", customer.user);
    site.execute("postgres", &sql).expect("altered");
    app.clock.advance(Duration::from_secs(1));
    app.plane.work_on_databases().await.expect("looked");
    let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
    assert_eq!([&database["state"], &database["failure"]], ["failed", "login"]);
    assert_eq!(app.verdict(key).await, "ACCOUNT_PROVISIONING");
    assert_eq!(made_for_tenants(site), Vec::<String>::new());
    // Closed while it is being made: nothing of it comes to be.
    let customer = Customer::new(site, May::MakeBoth);
    let reply = app.made(&customer).await;
    let path = format!("/sub-accounts/{}", text(&reply, "id"));
    let (status, _) = app.call(hyper::Method::DELETE, &path, &app.key, None).await;
    assert!(status.is_success());
    app.clock.advance(Duration::from_secs(1));
    app.plane.work_on_databases().await.expect("looked");
    assert_eq!(made_for_tenants(site), Vec::<String>::new());
    assert!(!customer.has_database());
    assert_eq!(app.verdict(text(&reply, "api_key")).await, "ACCOUNT_CLOSED");
}
