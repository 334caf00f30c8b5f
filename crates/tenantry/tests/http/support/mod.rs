//! An app on a store of its own, and typed callers of it.

mod database;
mod issuer;
mod log;
mod lost_reply;
mod machine;
mod oauth;

use database::Database;
pub(crate) use issuer::{Answer, DISCOVERY, Issuer, IssuerKey, KEYS, realm_body};
pub(crate) use log::Log;
use lost_reply::LostReply;
pub(crate) use machine::Machine;
pub(crate) use oauth::{ClientKeyPair, basic, claims_of, encode, form_of, under_a_public_key};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tenantry_backends::documents::Documents;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_backends::testing::{Database as SharedDatabase, Server};
use tenantry_core::Plane;
use tenantry_core::clock::{Clock as _, ManualClock, Timestamp};
use tenantry_core::cluster::{Followed, Membership};
use tenantry_core::database::DatabaseServers;
use tenantry_core::dialling::DialRules;
use tenantry_core::leads::NodeId;
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::{Realm, Realms};
use tenantry_core::rng::SeededRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::store::{Interposed, Store};
use tenantry_http::{App, Options, Peer};

/// 2025-07-10T14:35:00.123456Z
pub(crate) const START: i64 = 1_752_158_100_123_456;

const CLIENT: Peer = Peer::Network(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// An app with one organization.
pub(crate) struct TestApp {
    app: App,
    /// The plane beneath it, for what no surface can ask yet.
    pub(crate) plane: Arc<Plane>,
    /// The store beneath that, which can lose a reply.
    pub(crate) store: Arc<Interposed<dyn Store, LostReply>>,
    /// The plane's secrets.
    pub(crate) secrets: Secrets,
    clock: Arc<ManualClock>,
    dir: tempfile::TempDir,
    database: Database,
    /// The organization.
    pub(crate) organization: Organization,
}

/// What a test may set.
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) local_platform_wide: bool,
    pub(crate) database_bytes_max: Option<u64>,
    pub(crate) access_log_sample: u64,
    /// The bound of one node of several; none for a node that is alone.
    pub(crate) max_staleness: Option<Duration>,
    /// Issuers beside the built-in one.
    pub(crate) realms: Vec<Realm>,
    /// What reaches the servers of tenant databases.
    pub(crate) database_servers: Option<Arc<dyn DatabaseServers>>,
}

impl Default for Settings {
    fn default() -> Self {
        let policy = Policy { cache_entries: 10_000, ..Policy::default() };
        Self {
            policy,
            local_platform_wide: false,
            database_bytes_max: None,
            access_log_sample: 1,
            max_staleness: None,
            realms: Vec::new(),
            database_servers: None,
        }
    }
}

/// An organization and its master key.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) uuid: String,
    pub(crate) account_id: String,
    pub(crate) member_id: String,
    pub(crate) key: String,
}

/// A sub-account and its first key.
#[derive(Clone, Debug)]
pub(crate) struct SubAccount {
    pub(crate) id: String,
    pub(crate) uuid: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
}

impl TestApp {
    /// Client id and secret of a new service account.
    pub(crate) async fn client(&self) -> (String, String) {
        let reply = self.service_account(&self.organization.uuid).await;
        let text = |name: &str| reply.text_at(&format!("/data/{name}")).to_owned();
        (text("clientId"), text("clientSecret"))
    }

    /// The reply to creating a service account of `tenant`.
    pub(crate) async fn service_account(&self, tenant: &str) -> Reply {
        let token = self.token(tenant, "tenant_admin").await;
        let caller = self.bearer(&token).header("x-tenantid", tenant);
        caller.post_bytes("/api/v1/admin/service-account/create", "").await
    }

    /// An app with one organization.
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    /// The same, with other settings.
    pub(crate) async fn start_with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START)));
        // In a box: what it takes to start is more than a test's own future should hold.
        let (store, database) = Box::pin(open(&settings, dir.path(), &clock)).await;
        let rng = Arc::new(SeededRng::new(7));
        let material = SecretsMaterial::generate(&*rng).expect("secrets");
        let realms = Realms::new(&material, settings.local_platform_wide, settings.realms);
        let realms = realms.expect("realms");
        let fetch = Documents::new(DialRules::default());
        let store = Arc::new(Interposed { store, between: LostReply::default() });
        let parts = Parts {
            meters: None,
            database_servers: settings.database_servers,
            store: store.clone(),
            clock: clock.clone(),
            rng,
            secrets: Secrets::new(&material),
            realms: realms.fetching(Arc::new(fetch)),
            policy: settings.policy,
        };
        let plane = Arc::new(match settings.max_staleness {
            None => Plane::new(parts),
            Some(max_staleness) => Plane::joined(
                parts,
                Membership {
                    node: NodeId::from_bytes([1; 16]),
                    name: "this".into(),
                    max_staleness,
                },
            ),
        });
        while plane.follow_changes().await.expect("the log") == Followed::More {}
        let options = Options {
            access_log_sample: settings.access_log_sample,
            short_cut: std::env::var_os("TENANTRY_TEST_NO_SHORT_CUT").is_none(),
            recorder: None,
        };
        let app = App::new(plane.clone(), options);
        let organization =
            Box::pin(create_organization(&app, "/operator/initialize", "Acme Corporation")).await;
        let secrets = Secrets::new(&material);
        Self { app, plane, store, secrets, clock, dir, database, organization }
    }

    /// A further organization.
    pub(crate) async fn organization(&self, name: &str) -> Organization {
        create_organization(&self.app, "/operator/organizations", name).await
    }

    /// Another node on the same store, with nothing in its cache.
    pub(crate) fn another_node(&self) -> Plane {
        let material = SecretsMaterial::generate(&SeededRng::new(7)).expect("secrets");
        Plane::new(Parts {
            meters: None,
            database_servers: None,
            store: self.store.clone(),
            clock: self.clock.clone(),
            rng: Arc::new(SeededRng::new(8)),
            secrets: Secrets::new(&material),
            realms: Realms::new(&material, false, Vec::new()).expect("realms"),
            policy: Policy { cache_entries: 100, ..Policy::default() },
        })
    }

    /// Waits for changes that are under way.
    pub(crate) async fn drain(&self) {
        self.app.drain().await;
    }

    /// Says that the server is about to stop.
    pub(crate) fn stop(&self) {
        self.app.readiness().set_draining();
    }

    /// Moves time on. Leases on PostgreSQL live by its server's clock: they are moved back instead.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        if self.is_shared() {
            let micros = seconds * 1_000_000;
            self.edit(&format!(
                "UPDATE leases SET acquired_at = acquired_at - {micros},
                     expires_at = expires_at - {micros}, released_at = released_at - {micros}"
            ));
        }
    }

    /// Nobody.
    pub(crate) fn stranger(&self) -> Client<'_> {
        Client { app: self, peer: CLIENT, headers: Vec::new() }
    }

    /// Whoever presents `token`.
    pub(crate) fn bearer(&self, token: &str) -> Client<'_> {
        self.stranger().header("authorization", &format!("Bearer {token}"))
    }

    /// The holder of the organization's master key.
    pub(crate) fn owner(&self) -> Client<'_> {
        self.bearer(&self.organization.key)
    }

    /// The operator, on their own socket.
    pub(crate) fn operator(&self) -> Client<'_> {
        Client { app: self, peer: Peer::Operator, headers: Vec::new() }
    }

    /// The holder of a new platform key.
    pub(crate) async fn platform(&self) -> Client<'_> {
        let reply = self.operator().post("/operator/platform-keys", json!({})).await;
        self.bearer(reply.text_at("/secret"))
    }

    /// The holder of the first key, with exactly these permissions, of a new sub-account.
    pub(crate) async fn key(&self, permissions: &[&str]) -> Client<'_> {
        let body = json!({ "name": "limited", "key": { "permissions": permissions } });
        let reply = self.owner().post("/v1/accounts", body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        self.bearer(reply.text_at("/key/secret"))
    }

    /// A new sub-account of the organization.
    pub(crate) async fn sub_account(&self, name: &str) -> SubAccount {
        self.sub_account_of(&self.organization, name).await
    }

    /// A new sub-account of `organization`.
    pub(crate) async fn sub_account_of(
        &self,
        organization: &Organization,
        name: &str,
    ) -> SubAccount {
        let reply =
            self.bearer(&organization.key).post("/v1/accounts", json!({ "name": name })).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        SubAccount {
            id: reply.text_at("/account/id").to_owned(),
            uuid: reply.text_at("/account/account_uuid").to_owned(),
            key_id: reply.text_at("/key/id").to_owned(),
            key: reply.text_at("/key/secret").to_owned(),
        }
    }

    /// The id of a new lease of an account, for a minute.
    pub(crate) async fn lease(&self, account: &str) -> String {
        let body = json!({ "account_id": account, "ttl_seconds": 60 });
        let reply = self.platform().await.post("/v1/leases", body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        reply.text_at("/id").to_owned()
    }

    /// An admin JWT of the `local` realm.
    pub(crate) async fn token(&self, tenant: &str, role: &str) -> String {
        let body = json!({ "tenant": tenant, "role": role, "ttl_seconds": 600 });
        let reply = self.operator().post("/operator/tokens", body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        reply.text_at("/token").to_owned()
    }

    /// What `verifier` is told about `key`.
    pub(crate) async fn code(&self, verifier: &Client<'_>, key: &str) -> String {
        let reply = verifier.post("/v1/keys/verify", json!({ "key": key })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        assert_eq!(reply.json["valid"], reply.json["code"] == "VALID");
        reply.text_at("/code").to_owned()
    }

    /// A directory of the app's own.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }
}

/// A store of its own: in `directory`, or where the environment says so a database of the server that
/// tests share.
async fn open(
    settings: &Settings,
    directory: &Path,
    clock: &Arc<ManualClock>,
) -> (Arc<dyn Store>, Database) {
    let now = clock.now();
    if std::env::var_os("TENANTRY_TEST_DATABASE").is_some_and(|kind| kind == "postgres") {
        let server =
            Server::shared().expect("PostgreSQL, since TENANTRY_TEST_DATABASE asks for it");
        let database = server.database();
        let options = PostgresOptions::new(database.url(), now);
        let store = PostgresStore::open(&options).await.expect("a store");
        return (Arc::new(store), Database::Shared(database));
    }
    let options = SqliteOptions {
        size_max_bytes: settings.database_bytes_max,
        clock: clock.clone(),
        ..SqliteOptions::new(directory, now)
    };
    let store = SqliteStore::open(&options).expect("a store");
    (Arc::new(store), Database::Embedded(options.database_file()))
}

async fn create_organization(app: &App, path: &str, name: &str) -> Organization {
    let body =
        json!({ "organization": name, "name": "Deepak purohit", "email": "deepak@example.com" });
    let request =
        Request::post(path).header("host", "localhost").body(Body::from(body.to_string()));
    let reply = Reply::read(app.handle(request.expect("a request"), Peer::Operator).await).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    Organization {
        uuid: reply.text_at("/organization_id").to_owned(),
        account_id: reply.text_at("/account_id").to_owned(),
        member_id: reply.text_at("/member_id").to_owned(),
        key: reply.text_at("/api_key").to_owned(),
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    app: &'a TestApp,
    peer: Peer,
    headers: Vec<(String, Vec<u8>)>,
}

impl Client<'_> {
    /// The same, with one more header.
    pub(crate) fn header(&self, name: &str, value: &str) -> Self {
        self.raw_header(name, value.as_bytes())
    }

    /// The same, with one more header of any bytes.
    pub(crate) fn raw_header(&self, name: &str, value: &[u8]) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_vec()));
        client
    }

    /// The same, from another address.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self { peer: Peer::Network(address.parse().expect("an address")), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Vec::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, body.to_string().into_bytes()).await
    }

    /// Any bytes as a body.
    pub(crate) async fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send(Method::POST, path, body.into()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in &self.headers {
            request = request.header(name, &value[..]);
        }
        let request = request.body(Body::from(body)).expect("a request");
        Reply::read(self.app.app.handle(request, self.peer).await).await
    }
}

/// A reply, read whole.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Reply {
    async fn read(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: parts.status, headers: parts.headers, text, json }
    }

    /// The string at a JSON pointer.
    pub(crate) fn text_at(&self, pointer: &str) -> &str {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no string at {pointer} of {}", self.text))
    }

    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    /// Status and body of a refusal, which always has an id and never tells anything internal.
    pub(crate) fn refusal(&self) -> (u16, &Value) {
        assert!(!self.header("x-request-id").is_empty(), "no request id: {}", self.text);
        for word in [
            "SELECT",
            "sqlite",
            "rusqlite",
            "postgres",
            "SQLSTATE",
            ".rs:",
            "panicked",
            "tenantry.db",
        ] {
            assert!(!self.text.contains(word), "{word} in {}", self.text);
        }
        (self.status.as_u16(), &self.json)
    }
}
