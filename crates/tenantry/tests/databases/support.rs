//! A plane, and the servers that customers name.

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_backends::tenant::servers::TenantServers;
use tenantry_backends::testing::{Database, Server};
use tenantry_core::Plane;
use tenantry_core::accounts::NewOrganization;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::{Clock as _, ManualClock, SystemClock};
use tenantry_core::database::{DatabasePolicy, DatabaseServers};
use tenantry_core::dialling::DialRules;
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::replay::Once;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::store::Store;
use tenantry_core::text::{Line, Name};
use tenantry_http::{App, Options, Peer};
use tenantry_testbed::programs;

/// Where requests come from.
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

/// The servers of this program: of the machine's PostgreSQL, and of a newer one. Those that there are.
pub(crate) fn sites() -> Vec<&'static Server> {
    static SITES: OnceLock<Vec<Server>> = OnceLock::new();
    let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    let start = || {
        let found = [programs::find_postgres(), programs::find_postgres_next()];
        assert!(
            !demanded || found.iter().all(Option::is_some),
            "CI=true, and a PostgreSQL to test with is missing"
        );
        found.iter().flatten().map(|programs: &PathBuf| Server::start_plain(programs)).collect()
    };
    SITES.get_or_init(start).iter().collect()
}

/// A server of one test's own, where it may count what is left; of the newest PostgreSQL that there is.
/// It ends with the program.
pub(crate) fn own_site() -> Option<&'static Server> {
    let programs = programs::find_postgres_next().or_else(programs::find_postgres)?;
    Some(Box::leak(Box::new(Server::start_plain(&programs))))
}

/// Roles and databases of a server that were made for tenants.
pub(crate) fn made_for_tenants(site: &Server) -> Vec<String> {
    let sql = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'svc\\_%'
         UNION ALL SELECT datname::text FROM pg_database
         WHERE datname LIKE 'svc\\_%' OR datname LIKE 'tenant\\_%'";
    let rows = site.query("postgres", sql).expect("a list");
    rows.iter().map(|row| row.get(0)).collect()
}

/// What a root user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    All,
    MakeBoth,
    MakeDatabases,
    Nothing,
}

/// A customer: a root user with a password, and a name for a database, on one server.
pub(crate) struct Customer<'a> {
    pub(crate) site: &'a Server,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) name: String,
}

impl<'a> Customer<'a> {
    pub(crate) fn new(site: &'a Server, may: May) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let customer = Self {
            site,
            user: format!("alpha-{number}_user"),
            // What a password may hold, and a pattern to look for.
            password: format!("canary'{number}\"%$ é"),
            name: format!("alpha-{number}_db"),
        };
        let rights = match may {
            May::All => "SUPERUSER",
            May::MakeBoth => "CREATEDB CREATEROLE",
            May::MakeDatabases => "CREATEDB",
            May::Nothing => "",
        };
        let password = customer.password.replace('\'', "''");
        let sql = format!("CREATE ROLE \"{}\" LOGIN {rights} PASSWORD '{password}'", customer.user);
        site.execute("postgres", &sql).expect("a role");
        customer
    }

    /// The contract's request.
    pub(crate) fn request(&self) -> Value {
        json!({
            "name": "alpha-007",
            "multi_tenant": true,
            "db_host": "127.0.0.1",
            "db_name": self.name,
            "db_port": self.site.port(),
            "db_user": self.user,
            "db_password": self.password,
            "allow_concurrent_calls": 10
        })
    }

    /// Whether there is a database of the name.
    pub(crate) fn has_database(&self) -> bool {
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", self.name);
        !self.site.query("postgres", &sql).expect("a list").is_empty()
    }
}

/// How a plane is made.
pub(crate) struct Settings {
    pub(crate) policy: DatabasePolicy,
    pub(crate) dialling: DialSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = || vec!["127.0.0.0/8".parse().expect("a network")];
        Self {
            policy: DatabasePolicy {
                dials_per_minute: 1_000_000,
                dial_budget: Duration::from_millis(700),
                // Slower machines than the operators'.
                inline: Duration::from_secs(30),
                ..DatabasePolicy::default()
            },
            dialling: DialSettings {
                rules: DialRules { allowed: loopback() },
                plaintext: loopback(),
                ..DialSettings::default()
            },
        }
    }
}

/// A plane on a store of its own, with one organization.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) plane: Arc<Plane>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) servers: Arc<dyn DatabaseServers>,
    dir: tempfile::TempDir,
    /// The plane's own, where it is on PostgreSQL.
    shared: Option<Database>,
    /// The master key.
    pub(crate) key: String,
    /// A server of the test's own.
    pub(crate) site: Option<&'static Server>,
    policy: DatabasePolicy,
    secrets: Arc<SecretsMaterial>,
}

/// The operator.
pub(crate) fn operator() -> Context {
    Context {
        actor: Actor::Operator(OperatorActor { organization: None }),
        request_id: "test".into(),
        address: None,
    }
}

impl TestApp {
    pub(crate) async fn start(settings: Settings) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, shared) = open_store(dir.path()).await;
        let servers: Arc<dyn DatabaseServers> =
            Arc::new(TenantServers::new(settings.dialling).expect("servers"));
        let secrets = Arc::new(SecretsMaterial::generate(&SystemRng).expect("secrets"));
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let policy = settings.policy;
        let plane = plane(&store, &servers, &clock, &policy, &secrets);
        let new = NewOrganization {
            name: Name::parse("Acme").expect("a name"),
            member_name: Name::parse("Owner").expect("a name"),
            member_email: Line::parse("owner@example.com").expect("an address"),
        };
        let made = plane.initialize(&operator(), new, Once::unkept()).await.expect("made");
        let key = made.secret.reveal().to_owned();
        let app = App::new(plane.clone(), Options::default());
        let site = None;
        Self { app, plane, store, clock, servers, dir, shared, key, site, policy, secrets }
    }

    /// Another node on the same store; `store` and `servers` may have something before them.
    pub(crate) fn node_with(
        &self,
        store: &Arc<dyn Store>,
        servers: &Arc<dyn DatabaseServers>,
        change: impl FnOnce(&mut DatabasePolicy),
    ) -> Arc<Plane> {
        let mut policy = self.policy.clone();
        change(&mut policy);
        plane(store, servers, &self.clock, &policy, &self.secrets)
    }

    /// What the surface answers.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let (status, _, body) = self.send(method, path, key, body, None).await;
        (status, body)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> (StatusCode, hyper::HeaderMap, Value) {
        Self::send_to(&self.app, method, path, (key, idempotency_key), body).await
    }

    async fn send_to(
        app: &App,
        method: Method,
        path: &str,
        (key, idempotency_key): (&str, Option<&str>),
        body: Option<&Value>,
    ) -> (StatusCode, hyper::HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, "localhost");
        request = request.header(header::CONTENT_TYPE, "application/json");
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("a request");
        let reply = app.handle(request, Peer::Network(CLIENT)).await;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let bytes = reply.into_body().collect().await.expect("a body").to_bytes();
        (status, headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// `POST /sub-accounts/create`
    pub(crate) async fn create(&self, body: &Value) -> (StatusCode, Value) {
        self.call(Method::POST, "/sub-accounts/create", &self.key, Some(body)).await
    }

    /// The same at another node.
    pub(crate) async fn create_at(&self, node: &App, body: &Value) -> (StatusCode, Value) {
        let keys = (&*self.key, None);
        let path = "/sub-accounts/create";
        let (status, _, body) = Self::send_to(node, Method::POST, path, keys, Some(body)).await;
        (status, body)
    }

    /// A sub-account of a customer, which has to come to be.
    pub(crate) async fn made(&self, customer: &Customer<'_>) -> Value {
        let (status, body) = self.create(&customer.request()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, &self.key, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, &self.key, Some(body)).await
    }

    /// What the verification of a key answers.
    pub(crate) async fn verdict(&self, key: &str) -> String {
        self.verdict_at(&self.app, key).await
    }

    /// The same at another node.
    pub(crate) async fn verdict_at(&self, node: &App, key: &str) -> String {
        let (keys, body) = ((&*self.key, None), json!({ "key": key }));
        let asked = Self::send_to(node, Method::POST, "/v1/keys/verify", keys, Some(&body));
        let (status, _, body) = asked.await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["code"].as_str().expect("a code").to_owned()
    }

    /// What it takes to connect to an account's database.
    pub(crate) async fn credentials(&self, id: &str) -> Value {
        let path = format!("/v1/accounts/{id}/database/credentials");
        let (status, body) = self.post(&path, &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Whether a text is anywhere in the plane's own store, as it is on disk.
    pub(crate) fn store_holds(&self, text: &str) -> bool {
        let Some(shared) = &self.shared else { return is_in_files(self.dir.path(), text) };
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()";
        let tables = shared.query(tables).expect("tables");
        assert!(tables.len() > 10, "{}", tables.len());
        let hex = text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        tables.iter().any(|table| {
            // And what is in bytes, of which the text is their hex digits.
            let sql = format!(
                "SELECT 1 FROM {} AS a, jsonb_each_text(to_jsonb(a)) AS c
                 WHERE strpos(c.value, $t${text}$t$) > 0 OR c.value LIKE '%{hex}%' LIMIT 1",
                table.get::<_, &str>(0),
            );
            !shared.query(&sql).expect("rows").is_empty()
        })
    }

    /// How many accounts and databases there are.
    pub(crate) async fn counts(&self) -> (usize, usize) {
        let (_, accounts) = self.get("/v1/accounts?limit=100").await;
        let databases = self.store.list_databases(None, None, 1000).await.expect("a list");
        (accounts["data"].as_array().expect("a list").len(), databases.len())
    }
}

/// The plane's own store; on PostgreSQL where `TENANTRY_TEST_DATABASE=postgres`.
async fn open_store(dir: &std::path::Path) -> (Arc<dyn Store>, Option<Database>) {
    let now = SystemClock.now();
    if std::env::var_os("TENANTRY_TEST_DATABASE").is_some_and(|kind| kind == "postgres") {
        let database = Server::shared().expect("PostgreSQL, since it is asked for").database();
        let store = PostgresStore::open(&PostgresOptions::new(database.url(), now)).await;
        return (Arc::new(store.expect("a store")), Some(database));
    }
    let store = SqliteStore::open(&SqliteOptions::new(dir, now));
    (Arc::new(store.expect("a store")), None)
}

fn plane(
    store: &Arc<dyn Store>,
    servers: &Arc<dyn DatabaseServers>,
    clock: &Arc<ManualClock>,
    policy: &DatabasePolicy,
    secrets: &SecretsMaterial,
) -> Arc<Plane> {
    Arc::new(Plane::new(Parts {
        meters: None,
        database_servers: Some(servers.clone()),
        store: store.clone(),
        clock: clock.clone(),
        rng: Arc::new(SystemRng),
        secrets: Secrets::new(secrets),
        realms: Realms::new(secrets, false, Vec::new()).expect("the built-in realm"),
        policy: Policy { cache_entries: 1000, databases: policy.clone(), ..Policy::default() },
    }))
}

/// Whether a text is in any file of a directory.
fn is_in_files(dir: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
