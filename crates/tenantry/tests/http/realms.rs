//! Realms beside the built-in one: whose admin JWTs are believed, and for which tenants.

mod forged;

use crate::support::{
    Answer, DISCOVERY, Issuer, IssuerKey, KEYS, Reply, Settings, TestApp, realm_body,
};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tenantry_core::dialling::NamedBy;
use tenantry_core::ids::AccountId;
use tenantry_core::limits;
use tenantry_core::oauth::SigningAlgorithm;
use tenantry_core::realms::{ClaimPaths, KeySource, PublishedKeys, Realm, TenantBinding};

const PATH: &str = "/api/v1/admin/service-account/create";
const MINUTE: u64 = 60;

/// A realm of the issuer's as Keycloak's claims are, its keys found by discovery.
fn realm(issuer: &Issuer, binding: TenantBinding) -> Realm {
    let path = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<_>>();
    let keys = PublishedKeys::new(None, NamedBy::Operator, SigningAlgorithm::ALL.to_vec());
    Realm {
        name: "staff".into(),
        member_realm: "staff".into(),
        issuer: issuer.url().into(),
        audience: "tenantry".into(),
        keys: KeySource::Published(keys),
        claims: ClaimPaths {
            roles: path(&["realm_access", "roles"]),
            name: path(&["name"]),
            email: path(&["email"]),
        },
        binding,
        platform_wide: false,
        lifetime_max: Duration::from_hours(1),
    }
}

/// The id that an app's organization will have: the same chance draws the same.
async fn organization() -> AccountId {
    let app = TestApp::start().await;
    AccountId::parse_uuid(&app.organization.uuid).expect("an id")
}

async fn app_with(realm: Realm) -> TestApp {
    TestApp::start_with(Settings { realms: vec![realm], ..Settings::default() }).await
}

/// An app whose organization the issuer speaks for.
async fn bound(issuer: &Issuer) -> TestApp {
    let only = TenantBinding::Only(organization().await);
    app_with(realm(issuer, only)).await
}

fn claims(app: &TestApp, issuer: &Issuer, role: &str) -> Value {
    json!({
        "iss": issuer.url(),
        "aud": "tenantry",
        "sub": "f:1:ada",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "realm_access": { "roles": ["offline_access", role] },
        "iat": app.now(),
        "exp": app.now() + 300,
    })
}

async fn create(app: &TestApp, tenant: &str, token: &str) -> Reply {
    app.bearer(token).header("x-tenantid", tenant).post_bytes(PATH, "").await
}

#[tokio::test]
async fn an_admin_of_another_issuer_is_known_by_the_claims() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let key = IssuerKey::new(algorithm, "one");
        let issuer = Issuer::start(&[key.jwk()]);
        let app = bound(&issuer).await;
        let tenant = &app.organization.uuid;
        let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
        let first = create(&app, tenant, &token).await;
        assert_eq!(first.status, 200, "{algorithm} {}", first.text);
        let creator = &first.json["data"]["createdBy"];
        assert_eq!(creator["name"], "Ada Lovelace");
        assert_eq!(creator["email"], "ada@example.com");
        // They are the same person the next time, and their keys are not asked for again.
        let second = create(&app, tenant, &token).await;
        assert_eq!(second.json["data"]["createdBy"], *creator);
        assert_eq!(issuer.asked(), [DISCOVERY, KEYS]);
    }
}

#[tokio::test]
async fn case_24_a_realm_is_selected_by_its_exact_name() {
    let key = IssuerKey::new("ES256", "one");
    let issuer = Issuer::start(&[key.jwk()]);
    let app = bound(&issuer).await;
    let tenant = &app.organization.uuid;
    let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
    for (selected, status) in [("staff", 200), ("local", 401), ("Staff", 401), ("../staff", 401)] {
        let admin = app.bearer(&token).header("x-tenantid", tenant).header("realmname", selected);
        assert_eq!(admin.post_bytes(PATH, "").await.status, status, "{selected}");
    }
}

async fn refused_roles(claims_with: &[(&str, Value)]) {
    let key = IssuerKey::new("ES256", "one");
    let issuer = Issuer::start(&[key.jwk()]);
    let app = bound(&issuer).await;
    for (name, value) in claims_with {
        let mut claims = claims(&app, &issuer, "viewer");
        claims[*name] = value.clone();
        let reply = create(&app, &app.organization.uuid, &key.jwt(&claims)).await;
        assert_eq!(reply.status, 403, "{name} {value}: {}", reply.text);
    }
    let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 200);
}

#[tokio::test]
async fn case_28_roles_are_an_array_of_exact_words() {
    refused_roles(&[
        ("realm_access", json!({ "roles": ["Tenant_Admin"] })),
        ("realm_access", json!({ "roles": ["tenant_admin "] })),
        ("realm_access", json!({ "roles": ["ten\u{430}nt_admin"] })),
        ("realm_access", json!({ "roles": "tenant_admin" })),
        ("realm_access", json!({ "roles": ["tenant_admin", {}] })),
        ("realm_access", json!({ "roles": [["tenant_admin"]] })),
        ("realm_access", json!(["tenant_admin"])),
        ("realm_access.roles", json!(["tenant_admin"])),
    ])
    .await;
}

#[tokio::test]
async fn case_29_nobody_without_an_administrators_role_is_one() {
    refused_roles(&[
        ("realm_access", json!({ "roles": [] })),
        ("realm_access", json!({ "roles": ["admin", "tenantry.*:*"] })),
        ("realm_access", Value::Null),
        // The right words where the realm's roles are not.
        ("roles", json!(["tenant_admin"])),
        ("groups", json!(["super_admin"])),
    ])
    .await;
}

#[tokio::test]
async fn case_27_an_issuer_speaks_for_its_own_tenants_alone() {
    let key = IssuerKey::new("ES256", "one");
    let issuer = Issuer::start(&[key.jwk()]);
    let own = organization().await;
    let tenants = HashMap::from([(Box::from("acme"), own)]);
    let binding = TenantBinding::Mapped(vec!["org".into()], tenants);
    let app = app_with(realm(&issuer, binding)).await;
    let (tenant, other) = (&app.organization.uuid, app.organization("Other").await.uuid);
    for (org, role, asked, status) in [
        (json!("acme"), "tenant_admin", tenant, 200),
        (json!("acme"), "tenant_admin", &other, 403),
        // The realm is not platform-wide.
        (json!("acme"), "super_admin", &other, 403),
        // What a token says of a tenant by its id is nothing that the realm was given.
        (json!(tenant), "tenant_admin", tenant, 403),
        (json!(other), "tenant_admin", &other, 403),
        (json!(["acme"]), "tenant_admin", tenant, 403),
        (Value::Null, "tenant_admin", tenant, 403),
    ] {
        let mut claims = claims(&app, &issuer, role);
        claims["org"] = org.clone();
        let reply = create(&app, asked, &key.jwt(&claims)).await;
        assert_eq!(reply.status, status, "{org} {role}: {}", reply.text);
    }
    let wide =
        Realm { platform_wide: true, ..realm(&issuer, TenantBinding::Only(organization().await)) };
    let app = app_with(wide).await;
    let other = app.organization("Other").await.uuid;
    for (role, status) in [("super_admin", 200), ("tenant_admin", 403)] {
        let token = key.jwt(&claims(&app, &issuer, role));
        assert_eq!(create(&app, &other, &token).await.status, status, "{role}");
    }
}

#[tokio::test]
async fn case_31_what_an_issuer_publishes_is_bounded() {
    let key = IssuerKey::new("ES256", "one");
    let secret = Issuer::start(&[key.jwk()]);
    let padded = |bytes: usize| {
        let mut set = json!({ "keys": [key.jwk()] });
        let own = set.to_string().len() + r#","pad":"""#.len();
        set["pad"] = "x".repeat(bytes - own).into();
        set
    };
    let several = |count: usize| {
        let mut keys: Vec<Value> = (1..count).map(|_| json!({ "kty": "oct" })).collect();
        keys.push(key.jwk());
        json!({ "keys": keys })
    };
    let at_most = limits::KEY_SET_BYTES_MAX;
    for (what, set, status) in [
        ("the most bytes", padded(at_most), 200),
        ("a byte more", padded(at_most + 1), 503),
        ("the most keys", several(limits::KEY_SET_KEYS_MAX), 200),
        ("a key more", several(limits::KEY_SET_KEYS_MAX + 1), 503),
        ("no set", json!([key.jwk()]), 503),
    ] {
        let issuer = Issuer::start(&[]);
        issuer.publish(KEYS, &set);
        let app = bound(&issuer).await;
        let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
        let reply = create(&app, &app.organization.uuid, &token).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
    }
    // A redirect is not followed, and nobody is waited for longer than the deadline.
    let issuer = Issuer::start(&[]);
    let to = format!("location: {}{KEYS}\r\n", secret.url());
    issuer.answer(KEYS, "302 Found", &to, b"");
    let app = bound(&issuer).await;
    let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 503);
    assert!(secret.asked().is_empty());
    issuer.set(KEYS, Answer::Drip);
    app.advance(MINUTE);
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 503);
    // A discovery document of another issuer is nobody's.
    issuer.publish(
        DISCOVERY,
        &json!({ "issuer": secret.url(), "jwks_uri": format!("{}{KEYS}", secret.url()) }),
    );
    app.advance(MINUTE);
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 503);
    assert!(secret.asked().is_empty());
}

#[tokio::test]
async fn case_31_keys_that_are_weak_private_or_for_something_else_verify_nothing() {
    let key = IssuerKey::new("ES256", "one");
    let with = |name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk
    };
    for jwk in [
        with("use", json!("enc")),
        with("alg", json!("ES384")),
        with("alg", json!("HS256")),
        with("d", json!("AAAA")),
        json!({ "kty": "oct", "k": "AAAA", "kid": "one" }),
        json!({ "kty": "RSA", "n": "x".repeat(86), "e": "AQAB", "kid": "one" }),
    ] {
        let issuer = Issuer::start(std::slice::from_ref(&jwk));
        let app = bound(&issuer).await;
        let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
        let reply = create(&app, &app.organization.uuid, &token).await;
        assert_eq!(reply.status, 401, "{jwk}: {}", reply.text);
    }
}

#[tokio::test]
async fn case_31_the_last_good_keys_are_believed_for_an_hour() {
    let key = IssuerKey::new("ES256", "one");
    let issuer = Issuer::start(&[key.jwk()]);
    let app = bound(&issuer).await;
    let tenant = &app.organization.uuid;
    let mut answers = Vec::new();
    for minutes in [0, 6, 53, 1] {
        app.advance(minutes * MINUTE);
        let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
        answers.push(create(&app, tenant, &token).await.status.as_u16());
        issuer.answer(KEYS, "500 Internal Server Error", "", b"");
    }
    assert_eq!(answers, [200, 200, 200, 503]);
    // The built-in realm is nobody's to take down.
    let local = app.token(tenant, "tenant_admin").await;
    assert_eq!(create(&app, tenant, &local).await.status, 200);
    issuer.publish_keys(&[key.jwk()]);
    app.advance(MINUTE);
    let token = key.jwt(&claims(&app, &issuer, "tenant_admin"));
    assert_eq!(create(&app, tenant, &token).await.status, 200);
}

/// A realm of an organization's own, with its keys in the request: nothing is fetched.
fn own(name: &str, keys: &[Value]) -> Value {
    let mut body = realm_body(name);
    body["jwks"] = json!({ "keys": keys });
    body["preset"] = "keycloak".into();
    body
}

fn own_claims(app: &TestApp, name: &str, role: &str) -> Value {
    json!({
        "iss": format!("https://id.example.com/{name}"),
        "aud": "tenantry",
        "sub": "ada",
        "name": "Ada Lovelace",
        "realm_access": { "roles": [role] },
        "iat": app.now(),
        "exp": app.now() + 300,
    })
}

#[tokio::test]
async fn an_organization_trusts_an_issuer_for_itself_alone_until_it_does_not() {
    let key = IssuerKey::new("RS256", "one");
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    let made = app.owner().post("/v1/realms", own("acme", &[key.jwk()])).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["claims"]["roles"], json!(["realm_access", "roles"]));
    assert_eq!(made.json["jwks"]["keys"][0]["kid"], "one");
    let listed = app.owner().get("/v1/realms").await;
    assert_eq!(listed.json, json!({ "data": [made.json], "next_cursor": null }));
    let token = key.jwt(&own_claims(&app, "acme", "tenant_admin"));
    let first = create(&app, &app.organization.uuid, &token).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.json["data"]["createdBy"]["name"], "Ada Lovelace");
    // Cases 25 and 27: whatever its roles are, it is no other organization's.
    for role in ["tenant_admin", "super_admin"] {
        let token = key.jwt(&own_claims(&app, "acme", role));
        assert_eq!(create(&app, &other.uuid, &token).await.status, 403, "{role}");
    }
    let path = format!("/v1/realms/{}", made.text_at("/id"));
    let deleted = app.owner().send(Method::DELETE, &path, Vec::new()).await;
    assert_eq!((deleted.status.as_u16(), &deleted.json), (200, &made.json));
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 401);
    assert_eq!(app.owner().get("/v1/realms").await.json["data"], json!([]));
    // Made again, its people are others: nobody inherits what a namesake was.
    let again = app.owner().post("/v1/realms", own("acme", &[key.jwk()])).await;
    assert_eq!(again.status, 201, "{}", again.text);
    let second = create(&app, &app.organization.uuid, &token).await;
    assert_eq!(second.status, 200, "{}", second.text);
    let id = |reply: &Reply| reply.text_at("/data/createdBy/id").to_owned();
    assert_ne!(id(&second), id(&first));
}

#[tokio::test]
async fn an_issuer_is_one_organizations_and_a_name_is_there_once() {
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    let foreign = app.bearer(&other.key);
    assert_eq!(app.owner().post("/v1/realms", realm_body("a")).await.status, 201);
    let taken = foreign.post("/v1/realms", realm_body("a")).await;
    assert_eq!((taken.status.as_u16(), taken.text_at("/code")), (409, "taken"));
    let mut named = realm_body("b");
    named["name"] = "a".into();
    assert_eq!(app.owner().post("/v1/realms", named.clone()).await.status, 409);
    assert_eq!(foreign.post("/v1/realms", named).await.status, 201);
    let mut local = realm_body("c");
    local["name"] = "local".into();
    assert_eq!(app.owner().post("/v1/realms", local).await.status, 409);
    for number in 1..limits::REALMS_MAX {
        let body = realm_body(&format!("r{number}"));
        assert_eq!(app.owner().post("/v1/realms", body).await.status, 201);
    }
    let reply = app.owner().post("/v1/realms", realm_body("more")).await;
    assert_eq!((reply.status.as_u16(), reply.text_at("/code")), (409, "limit_reached"));
}

#[tokio::test]
async fn case_42_nobody_trusts_an_issuer_with_more_than_they_have() {
    let app = TestApp::start().await;
    let keys = format!("/v1/accounts/{}/keys", app.organization.account_id);
    for (body, status) in [
        (json!({ "permissions": ["tenantry.realms:*"] }), 403),
        (json!({ "permissions": ["tenantry.*:*"] }), 403),
        (
            json!({ "permissions": ["*:*", "tenantry.*:*"], "expires_at": "2025-08-01T00:00:00Z" }),
            403,
        ),
        (json!({ "permissions": ["*:*", "tenantry.*:*"] }), 201),
    ] {
        let key = app.owner().post(&keys, body.clone()).await;
        assert_eq!(key.status, 201, "{}", key.text);
        let caller = app.bearer(key.text_at("/secret"));
        let reply = caller.post("/v1/realms", realm_body("a")).await;
        assert_eq!(reply.status, status, "{body} {}", reply.text);
    }
}

#[tokio::test]
async fn what_a_realm_says_of_itself_is_checked() {
    let app = TestApp::start().await;
    let key = IssuerKey::new("ES256", "one");
    let mut private = key.jwk();
    private["d"] = "AAAA".into();
    for (name, value, pointer) in [
        ("name", json!(""), "/name"),
        ("issuer", json!("http://id.example.com"), "/issuer"),
        ("issuer", json!("https://user@id.example.com"), "/issuer"),
        ("issuer", json!(format!("https://{}", "x".repeat(510))), "/issuer"),
        ("audience", json!(""), "/audience"),
        ("jwks_url", json!("http://127.0.0.1/keys"), "/jwks_url"),
        ("jwks_url", json!("file:///etc/passwd"), "/jwks_url"),
        ("jwks", json!({ "keys": [] }), "/jwks"),
        ("jwks", json!({ "keys": [private] }), "/jwks/keys/0"),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }), "/jwks/keys/0"),
        ("algorithms", json!([]), "/algorithms"),
        ("algorithms", json!(["HS256"]), "/algorithms"),
        ("preset", json!("other"), "/preset"),
        ("claims", json!({ "roles": [] }), "/claims/roles"),
        ("claims", json!({ "email": ["x".repeat(129)] }), "/claims/email"),
        ("lifetime_max_seconds", json!(0), "/lifetime_max_seconds"),
        ("lifetime_max_seconds", json!(86_401), "/lifetime_max_seconds"),
        ("id", json!("rlm_1C9EVhR5Tth8cTGEFr9hz6"), "/id"),
    ] {
        let mut body = realm_body("a");
        body[name] = value.clone();
        let reply = app.owner().post("/v1/realms", body).await;
        assert_eq!(reply.status, 422, "{name} {value}: {}", reply.text);
        assert_eq!(reply.text_at("/errors/0/pointer"), pointer, "{name} {value}");
    }
    assert_eq!(app.count("SELECT count(*) FROM realms"), 0);
}

#[tokio::test]
async fn case_65_an_issuer_that_an_organization_names_is_not_looked_for_at_home() {
    let key = IssuerKey::new("ES256", "one");
    let issuer = Issuer::start(&[key.jwk()]);
    let app = TestApp::start().await;
    let port = issuer.url().rsplit(':').next().expect("a port").to_owned();
    for (number, host) in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"].iter().enumerate()
    {
        let name = format!("r{number}");
        let mut body = realm_body(&name);
        body["jwks_url"] = format!("https://{host}:{port}{KEYS}").into();
        let made = app.owner().post("/v1/realms", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let mut claims = own_claims(&app, &name, "tenant_admin");
        claims["roles"] = json!(["tenant_admin"]);
        let reply = create(&app, &app.organization.uuid, &key.jwt(&claims)).await;
        assert_eq!(reply.status, 503, "{host}: {}", reply.text);
    }
    assert!(issuer.asked().is_empty());
}

#[tokio::test]
async fn case_100_a_realm_that_somebody_wrote_admits_nobody() {
    let key = IssuerKey::new("ES256", "one");
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    app.owner().post("/v1/realms", own("acme", &[key.jwk()])).await;
    let token = key.jwt(&own_claims(&app, "acme", "tenant_admin"));
    assert_eq!(create(&app, &app.organization.uuid, &token).await.status, 200);
    let moved = "UPDATE realms SET root_id =
        (SELECT id FROM accounts WHERE parent_id IS NULL AND id <> realms.root_id)";
    assert_eq!(app.edit(moved), 1);
    for tenant in [&app.organization.uuid, &other.uuid] {
        assert_eq!(create(&app, tenant, &token).await.status, 401);
    }
}
