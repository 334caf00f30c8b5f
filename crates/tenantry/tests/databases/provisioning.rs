//! A sub-account with a database that is made for it.

use crate::support::{Customer, May, Settings, TestApp, made_for_tenants, own_site, sites};
use hyper::StatusCode;
use serde_json::{Value, json};

/// The contract's fields, in its order.
const FIELDS: [&str; 14] = [
    "id",
    "name",
    "user_id",
    "organization_id",
    "api_key",
    "multi_tenant",
    "db_host",
    "db_name",
    "db_port",
    "db_user",
    "db_password",
    "allow_concurrent_calls",
    "created_at",
    "updated_at",
];

#[tokio::test]
async fn the_contracts_request_makes_a_database_that_the_limited_role_alone_reaches() {
    for site in sites() {
        for may in [May::All, May::MakeBoth] {
            let app = TestApp::start(Settings::default()).await;
            let customer = Customer::new(site, may);
            let reply = app.made(&customer).await;
            let names: Vec<&str> =
                reply.as_object().expect("an object").keys().map(|k| &**k).collect();
            let mut sorted = FIELDS;
            sorted.sort_unstable();
            assert_eq!(names, sorted, "{may:?}");
            let echo = json!({
                "multi_tenant": true, "db_host": "127.0.0.1", "db_name": customer.name,
                "db_port": site.port().to_string(), "db_user": customer.user,
                "db_password": customer.password,
            });
            for (name, value) in echo.as_object().expect("an object") {
                assert_eq!(reply[name], *value, "{name}");
            }
            let (id, key) = (text(&reply, "id"), text(&reply, "api_key"));
            assert_eq!(app.verdict(key).await, "VALID");

            let (status, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(
                [&database["state"], &database["origin"], &database["credential"]],
                ["active", "made", "limited"]
            );
            // The role finds the account's record, and reaches nothing else.
            let role = app.credentials(id).await;
            let login = (text(&role, "user"), text(&role, "password"));
            let rows =
                site.query_as(login, &customer.name, "SELECT uuid::text FROM tenantry.account");
            assert_eq!(rows.expect("a row")[0].get::<_, &str>(0), id);
            let owner = "SELECT pg_get_userbyid(datdba)::text, rolsuper, rolcreatedb, rolcreaterole
                FROM pg_database, pg_roles
                WHERE datname = current_database() AND rolname = session_user";
            let row = &site.query_as(login, &customer.name, owner).expect("a row")[0];
            assert!(row.get::<_, &str>(0).starts_with("svc_"));
            assert_eq!([1, 2, 3].map(|index| row.get::<_, bool>(index)), [false; 3]);
            for sql in [
                "SELECT rolpassword FROM pg_authid",
                "CREATE DATABASE more",
                "CREATE ROLE more",
                "ALTER DATABASE postgres SET work_mem = '1MB'",
                "SELECT pg_read_file('PG_VERSION')",
            ] {
                let refused = site.query_as(login, &customer.name, sql).expect_err(sql);
                let code = refused.code().expect("an answer of the server's");
                assert_eq!(code.code(), "42501", "{sql}");
            }
            let makes = "CREATE TABLE public.orders AS SELECT 1 AS id";
            site.query_as(login, &customer.name, makes).expect("its own database");
            // Nobody else gets in: not as PUBLIC, and the root user only where they are above it.
            let stranger = Customer::new(site, May::MakeBoth);
            let got =
                site.query_as((&stranger.user, &stranger.password), &customer.name, "SELECT 1");
            assert!(got.is_err(), "{may:?}");
            assert_eq!(members(&customer), Vec::<String>::new(), "{may:?}");
        }
    }
}

/// The roles that may become the owner, beside its two logins.
fn members(customer: &Customer<'_>) -> Vec<String> {
    let sql = format!(
        "SELECT m.rolname::text FROM pg_auth_members am
         JOIN pg_roles o ON o.oid = am.roleid JOIN pg_roles m ON m.oid = am.member
         JOIN pg_database d ON d.datdba = o.oid
         WHERE d.datname = '{}' AND m.rolname NOT LIKE 'svc\\_%'
             AND (to_jsonb(am) ->> 'set_option' IS NULL OR (to_jsonb(am) ->> 'set_option')::bool)",
        customer.name
    );
    let rows = customer.site.query("postgres", &sql).expect("a list");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn whoever_may_make_no_roles_is_used_as_they_are() {
    for site in sites() {
        let app = TestApp::start(Settings::default()).await;
        let customer = Customer::new(site, May::MakeDatabases);
        let reply = app.made(&customer).await;
        let id = text(&reply, "id");
        let (_, database) = app.get(&format!("/v1/accounts/{id}/database")).await;
        assert_eq!([&database["origin"], &database["credential"]], ["made", "given"]);
        let role = app.credentials(id).await;
        assert_eq!(
            [text(&role, "user"), text(&role, "password")],
            [customer.user.as_str(), customer.password.as_str()]
        );
        let path = format!("/v1/accounts/{id}/database/rotate");
        let (status, refused) = app.post(&path, &json!({})).await;
        assert_eq!(
            (status, text(&refused, "code")),
            (StatusCode::CONFLICT, "database_credentials_given")
        );
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_here_or_there() {
    let Some(site) = own_site() else { return };
    let app = TestApp::start(Settings::default()).await;
    let good = Customer::new(site, May::MakeBoth);
    let powerless = Customer::new(site, May::Nothing);
    let taken = Customer::new(site, May::MakeBoth);
    let sql = format!("CREATE DATABASE \"{}\"", taken.name);
    site.execute("postgres", &sql).expect("a database of somebody else's");
    let closed = tenantry_testbed::ports::take();
    let with = |mut request: Value, name: &str, value: Value| {
        request[name] = value;
        request
    };
    let cases = [
        (with(good.request(), "db_password", json!("wrong")), 400, "cannot be reached"),
        (with(good.request(), "db_user", json!("nobody")), 400, "cannot be reached"),
        (with(good.request(), "db_port", json!(closed)), 400, "cannot be reached"),
        (with(good.request(), "db_host", json!("nowhere.invalid")), 400, "cannot be reached"),
        (with(good.request(), "db_host", json!("10.0.0.1")), 400, "db_host is not allowed"),
        (powerless.request(), 400, "may not make"),
        (taken.request(), 409, "exists"),
    ];
    let before = app.counts().await;
    let mut bodies = Vec::new();
    for (request, status, words) in &cases {
        let (got, body) = app.create(request).await;
        assert_eq!(got.as_u16(), *status, "{body}");
        assert!(text(&body, "message").contains(words), "{body}");
        bodies.push(body);
    }
    // Whatever it was that did not answer, the words are the same.
    assert!(bodies[1..4].iter().all(|body| *body == bodies[0]));
    assert_eq!(app.counts().await, before);
    assert_eq!(made_for_tenants(site), Vec::<String>::new());
    assert!(!good.has_database() && !powerless.has_database() && taken.has_database());
    // And the same user, with nothing wrong, comes to a database.
    app.made(&good).await;
}

#[tokio::test]
async fn case_72_of_a_hundred_who_want_the_same_database_one_has_it() {
    let Some(site) = sites().into_iter().next() else { return };
    let app = TestApp::start(Settings::default()).await;
    let customer = Customer::new(site, May::MakeBoth);
    let request = customer.request();
    let all = futures_util::future::join_all((0..100).map(|_| app.create(&request))).await;
    let made = all.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let refused = all.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
    assert_eq!((made, refused), (1, 99));
    assert_eq!(app.counts().await, (2, 1));
}

#[tokio::test]
async fn case_76_without_multi_tenant_nothing_is_dialled_and_nothing_kept() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let app = TestApp::start(Settings::default()).await;
    let (status, body) = app
        .create(&json!({
            "name": "alpha-007",
            "multi_tenant": false,
            "db_host": "127.0.0.1",
            "db_port": listener.local_addr().expect("its address").port(),
            "db_name": "canary_name",
            "db_user": "canary_user",
            "db_password": "canary_password",
        }))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(
        ["db_host", "db_name", "db_port", "db_user", "db_password"]
            .iter()
            .all(|n| body[n].is_null())
    );
    let nobody = listener.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    for canary in ["canary_name", "canary_user", "canary_password"] {
        assert!(!app.store_holds(canary), "{canary}");
    }
    assert!(app.store_holds("alpha-007"), "what is there is found");
}

#[tokio::test]
async fn case_73_78_no_password_is_anywhere_in_clear_and_no_other_reply_has_one() {
    for site in sites() {
        let app = TestApp::start(Settings::default()).await;
        let customer = Customer::new(site, May::MakeBoth);
        let reply = app.made(&customer).await;
        let id = text(&reply, "id");
        let role = app.credentials(id).await;
        for path in [
            format!("/sub-accounts/{id}"),
            "/sub-accounts/all".to_owned(),
            format!("/v1/accounts/{id}"),
            format!("/v1/accounts/{id}/database"),
            "/v1/audit-events?limit=100".to_owned(),
        ] {
            let (status, body) = app.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            let body = body.to_string();
            assert!(!body.contains(text(&role, "password")), "{path}");
            assert!(!body.contains("canary"), "{path}");
        }
        let (_, shown) = app.get(&format!("/sub-accounts/{id}")).await;
        assert_eq!(shown["db_host"], "127.0.0.1");
        assert!(shown["db_password"].is_null());
        for secret in [customer.password.as_str(), text(&role, "password")] {
            assert!(!app.store_holds(secret));
            assert!(!site.log().contains(secret));
        }
    }
}

#[tokio::test]
async fn the_same_request_again_has_the_same_reply() {
    let Some(site) = sites().into_iter().next() else { return };
    let app = TestApp::start(Settings::default()).await;
    let customer = Customer::new(site, May::MakeBoth);
    let send = async || {
        let key = Some("0123456789abcdef");
        let body = customer.request();
        app.send(hyper::Method::POST, "/sub-accounts/create", &app.key, Some(&body), key).await
    };
    let (status, headers, first) = send().await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert!(!headers.contains_key("idempotent-replayed"));
    let (_, headers, again) = send().await;
    assert_eq!(again, first);
    assert!(headers.contains_key("idempotent-replayed"));
    assert_eq!(app.counts().await, (2, 1));
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}
