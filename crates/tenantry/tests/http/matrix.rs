//! The authorization matrix: every route × every kind of caller × what is the caller's own, what
//! is somebody else's, and what does not exist.
//!
//! The answers stand in `matrix.txt` beside this file, a line for each route, so that a change of
//! who may do what is a change of that file. A route without a line fails; with
//! `TENANTRY_UPDATE_MATRIX=1` the file is written anew, for reading over.

use crate::support::{
    Client, Machine, Organization, Reply, Settings, TestApp, form_of, realm_body,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tenantry_core::plane::Policy;
use tenantry_http::{Access, Family, ROUTES, Route};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/matrix.txt");

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    Master,
    Platform,
    SubAccount,
    ForeignMaster,
    ServiceAccount,
    TenantAdmin,
    SuperAdmin,
    WrongPermission,
    AccessToken,
}

impl Caller {
    const ALL: [Self; 10] = [
        Self::Nobody,
        Self::Master,
        Self::Platform,
        Self::SubAccount,
        Self::ForeignMaster,
        Self::ServiceAccount,
        Self::TenantAdmin,
        Self::SuperAdmin,
        Self::WrongPermission,
        Self::AccessToken,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Master => "master",
            Self::Platform => "platform",
            Self::SubAccount => "sub-account",
            Self::ForeignMaster => "foreign-master",
            Self::ServiceAccount => "service-account",
            Self::TenantAdmin => "tenant_admin",
            Self::SuperAdmin => "super_admin",
            Self::WrongPermission => "wrong-permission",
            Self::AccessToken => "access-token",
        }
    }
}

/// An account with a key and a service account, in one organization.
struct Things {
    account: String,
    uuid: String,
    key: String,
    secret: String,
    service_account: String,
    client_secret: String,
    lease: String,
    /// A service account of the organization itself, in its dialect's spelling.
    of_tenant: String,
    realm: String,
}

async fn things(app: &TestApp, organization: &Organization) -> Things {
    let owner = app.bearer(&organization.key);
    let account = owner.post("/v1/accounts", json!({ "name": "x" })).await;
    let id = account.text_at("/account/id").to_owned();
    let path = format!("/v1/accounts/{id}/service-accounts");
    let service = owner.post(&path, json!({})).await;
    let of_tenant = app.service_account(&organization.uuid).await;
    let realm = owner.post("/v1/realms", realm_body(&id)).await;
    let lease = owner.post("/v1/leases", json!({ "account_id": id, "ttl_seconds": 60 })).await;
    Things {
        account: id,
        uuid: account.text_at("/account/account_uuid").to_owned(),
        key: account.text_at("/key/id").to_owned(),
        secret: account.text_at("/key/secret").to_owned(),
        service_account: service.text_at("/service_account/id").to_owned(),
        client_secret: service.text_at("/secret/id").to_owned(),
        realm: realm.text_at("/id").to_owned(),
        lease: lease.text_at("/id").to_owned(),
        of_tenant: of_tenant.text_at("/data/id").to_owned(),
    }
}

/// Ids of each kind that nothing has.
fn nothing() -> Things {
    let digits = "1C9EVhR5Tth8cTGEFr9hz6";
    let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
    Things {
        account: format!("acc_{digits}"),
        uuid: uuid.to_owned(),
        key: format!("key_{digits}"),
        secret: String::new(),
        service_account: format!("svc_{digits}"),
        client_secret: format!("sec_{digits}"),
        lease: format!("lea_{digits}"),
        of_tenant: format!("sa-{uuid}"),
        realm: format!("rlm_{digits}"),
    }
}

/// The route's path for these things.
fn path(route: &Route, things: &Things) -> String {
    let id = match route.path {
        path if path.starts_with("/v1/accounts/{id}") => &things.account,
        path if path.starts_with("/v1/keys/{id}") => &things.key,
        path if path.starts_with("/v1/service-accounts/{id}") => &things.service_account,
        path if path.starts_with("/v1/realms/{id}") => &things.realm,
        path if path.starts_with("/v1/leases/{id}") => &things.lease,
        path if path.starts_with("/sub-accounts/{id}") => &things.uuid,
        path if path.starts_with("/api/v1/api_keys/{id}") => &things.key,
        path if path.starts_with("/api/v1/admin/service-account/{id}") => &things.of_tenant,
        path if path.starts_with("/operator/organizations/{id}") => &things.account,
        path if path.starts_with("/operator/databases/{id}") => &things.account,
        path if path.contains("{id}") => panic!("{path} has an id and no case"),
        _ => "",
    };
    route.path.replace("{id}", id).replace("{secret}", &things.client_secret)
}

/// A body that the route takes for these things.
fn body(route: &Route, things: &Things) -> Value {
    match (route.method.as_str(), route.path) {
        ("POST", "/v1/accounts" | "/sub-accounts/create") => json!({ "name": "y" }),
        // Service accounts have names of their own.
        ("PATCH", _) => json!({ "name": things.of_tenant }),
        ("POST", "/v1/accounts/bulk") => json!({ "accounts": [{ "name": "y" }] }),
        ("POST", "/api/v1/accounts") => {
            json!({ "data": { "type": "accounts", "attributes": { "name": "y" } } })
        }
        ("POST", "/v1/keys/{id}/rotate") => json!({ "grace_seconds": 60 }),
        ("POST", "/v1/keys/verify") => {
            json!({ "key": "sa-00000000000000000000000000000000" })
        }
        ("POST", "/v1/realms") => realm_body(&format!("of-{}", things.realm)),
        ("POST", "/v1/leases") => json!({ "account_id": things.account, "ttl_seconds": 60 }),
        ("PUT", "/v1/accounts/{id}/limits") => json!({ "concurrency": 3 }),
        ("POST", "/v1/keys/import") | ("PUT", _) => json!({ "keys": [] }),
        ("POST" | "DELETE", _) => json!({}),
        _ => Value::Null,
    }
}

/// What every caller of a test needs.
struct World {
    app: TestApp,
    other: Organization,
    platform: String,
    service_account: String,
    tenant_admin: String,
    super_admin: String,
    narrow: String,
    /// May everything in the first organization.
    machine: Machine,
    access_token: String,
}

/// In which the budget for wrong credentials fills up again.
const PAUSE: u64 = 120;

impl World {
    async fn new() -> Self {
        // Each caller of each route gets things of its own, a service account among them.
        let policy = Policy {
            realms_max: 10_000,
            service_accounts_max: 10_000,
            ..Settings::default().policy
        };
        let settings = Settings { local_platform_wide: true, policy, ..Settings::default() };
        let app = TestApp::start_with(settings).await;
        let other = app.organization("Other").await;
        let platform = app.operator().post("/operator/platform-keys", json!({})).await;
        let (_, service_account) = app.client().await;
        let narrow = json!({ "permissions": ["api:read"] });
        let of_root = format!("/v1/accounts/{}/keys", app.organization.account_id);
        let narrow = app.owner().post(&of_root, narrow).await;
        Self {
            platform: platform.text_at("/secret").to_owned(),
            service_account,
            tenant_admin: String::new(),
            super_admin: String::new(),
            narrow: narrow.text_at("/secret").to_owned(),
            machine: app.machine_with(&["*:*", "tenantry.*:*"]).await,
            access_token: String::new(),
            other,
            app,
        }
    }

    /// Lets the budget for wrong credentials fill up again, and gives administrators new tokens.
    async fn pause(&mut self) {
        self.app.advance(PAUSE);
        self.tenant_admin = self.app.token(&self.app.organization.uuid, "tenant_admin").await;
        self.super_admin = self.app.token(&self.other.uuid, "super_admin").await;
        self.access_token = self.app.access_token(&self.machine).await;
    }

    /// The caller, for whom `own` is their own.
    fn client(&self, caller: Caller, own: &Things) -> Client<'_> {
        let token = match caller {
            Caller::Nobody => return self.app.stranger(),
            Caller::Master => &self.app.organization.key,
            Caller::Platform => &self.platform,
            Caller::SubAccount => &own.secret,
            Caller::ForeignMaster => &self.other.key,
            Caller::ServiceAccount => &self.service_account,
            Caller::TenantAdmin => &self.tenant_admin,
            Caller::SuperAdmin => &self.super_admin,
            Caller::WrongPermission => &self.narrow,
            Caller::AccessToken => &self.access_token,
        };
        self.app.bearer(token).header("x-tenantid", &self.app.organization.uuid)
    }

    async fn send(&self, caller: Caller, own: &Things, route: &Route, target: &Things) -> Reply {
        let body = body(route, target);
        let body = match route.family {
            Family::OAuth => form_of(&[("token", "x"), ("grant_type", "client_credentials")]),
            _ if body.is_null() => Vec::new(),
            _ => body.to_string().into_bytes(),
        };
        let path = path(route, target);
        self.client(caller, own).send(route.method.clone(), &path, body).await
    }

    /// The three answers: to what is the caller's own, somebody else's, and nothing at all.
    async fn answers(&self, caller: Caller, route: &Route) -> String {
        let first = &self.app.organization;
        let (of_own, of_others) = match caller {
            Caller::ForeignMaster => (&self.other, first),
            // A sibling's things are somebody else's too.
            Caller::SubAccount => (first, first),
            _ => (first, &self.other),
        };
        let own = things(&self.app, of_own).await;
        if !route.path.contains('{') {
            return self.send(caller, &own, route, &own).await.status.as_u16().to_string();
        }
        // First what changes nothing: the caller's own may be their own key.
        let others = match caller {
            // Leases of every tree are a platform key's.
            Caller::Platform if route.path.starts_with("/v1/leases/") => nothing(),
            _ => things(&self.app, of_others).await,
        };
        let theirs = self.send(caller, &own, route, &others).await;
        let unknown = self.send(caller, &own, route, &nothing()).await;
        let context = format!("{} {} by {}", route.method, route.path, caller.word());
        assert_eq!(bytes(&theirs), bytes(&unknown), "{context}");
        let own = self.send(caller, &own, route, &own).await;
        format!("{}/{}/{}", own.status.as_u16(), theirs.status.as_u16(), unknown.status.as_u16())
    }
}

/// Bytes of a reply but for its request id and, in an envelope, its time.
fn bytes(reply: &Reply) -> (u16, String, String) {
    let mut json = reply.json.clone();
    if let Some(envelope) = json.as_object_mut() {
        envelope.remove("timestamp");
    }
    let text = if json.is_null() { reply.text.clone() } else { json.to_string() };
    (reply.status.as_u16(), reply.header("content-type").to_owned(), text)
}

#[tokio::test]
async fn who_may_do_what_is_what_the_matrix_says() {
    let mut world = World::new().await;
    let callers: Vec<_> = Caller::ALL.iter().map(|caller| caller.word()).collect();
    let mut matrix = format!("route | {}\n", callers.join(" | "));
    for route in ROUTES {
        world.pause().await;
        write!(matrix, "{} {}", route.method, route.path).expect("strings take every write");
        for caller in Caller::ALL {
            let answers = world.answers(caller, route).await;
            write!(matrix, " | {answers}").expect("strings take every write");
        }
        matrix.push('\n');
    }
    if std::env::var_os("TENANTRY_UPDATE_MATRIX").is_some() {
        std::fs::write(FILE, &matrix).expect("written");
    }
    let expected = std::fs::read_to_string(FILE).expect("the matrix");
    for (line, expected) in matrix.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(matrix, expected, "a route is missing, or too many are there");
}

/// What no reading of the file may overlook.
#[test]
fn the_matrix_lets_nobody_do_anything_to_what_is_not_theirs() {
    let matrix = std::fs::read_to_string(FILE).expect("the matrix");
    for line in matrix.lines().skip(1) {
        let mut cells = line.split(" | ");
        let route = cells.next().expect("a route");
        for (cell, caller) in cells.zip(Caller::ALL) {
            let answers: Vec<&str> = cell.split('/').collect();
            if let [_, theirs, unknown] = answers[..] {
                assert_eq!(theirs, unknown, "{route} {}", caller.word());
                assert!(theirs.starts_with('4'), "{route} {} {cell}", caller.word());
            }
            let open = ROUTES.iter().any(|entry| {
                entry.access == Access::Open && route == format!("{} {}", entry.method, entry.path)
            });
            if caller == Caller::Nobody && !open {
                assert!(answers.iter().all(|answer| ["401", "404"].contains(answer)), "{line}");
            }
        }
    }
}
