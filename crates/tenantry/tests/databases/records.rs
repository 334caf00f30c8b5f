//! Profile and metadata, which live in the account's own database and only there.

use crate::provisioning::text;
use crate::support::{Customer, May, Settings, TestApp, operator, own_site, sites};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

fn native(customer: &Customer<'_>) -> Value {
    json!({
        "name": "alpha",
        "profile": { "company": "canary-company", "country": "NL" },
        "metadata": { "plan": "canary-plan", "n": 1.50 },
        "database": {
            "host": "127.0.0.1", "port": customer.site.port(), "name": customer.name,
            "user": customer.user, "password": customer.password,
        },
    })
}

#[tokio::test]
async fn profile_and_metadata_are_read_and_written_there_and_stored_nowhere_else() {
    for site in sites() {
        let app = TestApp::start(Settings::default()).await;
        let customer = Customer::new(site, May::MakeBoth);
        let (status, made) = app.post("/v1/accounts", &native(&customer)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let account = &made["account"];
        assert_eq!(account["profile"]["company"], "canary-company");
        assert_eq!(account["metadata"]["plan"], "canary-plan");
        let path = format!("/v1/accounts/{}", text(account, "id"));
        let (_, read) = app.get(&path).await;
        assert_eq!(
            [&read["profile"], &read["metadata"]],
            [&account["profile"], &account["metadata"]]
        );
        for canary in ["canary-company", "canary-plan"] {
            assert!(!app.store_holds(canary), "{canary}");
        }
        let change =
            json!({ "name": "beta", "profile": { "city": "Delft" }, "metadata": { "a": 1 } });
        let (status, changed) = app.call(Method::PATCH, &path, &app.key, Some(&change)).await;
        assert_eq!(status, StatusCode::OK, "{changed}");
        assert_eq!(
            changed["profile"],
            json!({ "company": "canary-company", "country": "NL", "city": "Delft" })
        );
        let sql = "SELECT name, profile->>'city', metadata->>'a' FROM tenantry.account";
        let row = &site.query(&customer.name, sql).expect("a row")[0];
        let row = [0, 1, 2].map(|index| row.get::<_, String>(index));
        assert_eq!(row, ["beta", "Delft", "1"]);
        let (_, events) = app.get("/v1/audit-events?action=account.updated").await;
        assert!(events.to_string().contains("name,profile.city,metadata"), "{events}");
        let (_, listed) = app.get("/v1/accounts").await;
        let listed = listed["data"].as_array().expect("a list");
        let listed = listed.iter().find(|account| !account["parent_id"].is_null()).expect("it");
        assert_eq!(listed["name"], "beta");
        assert_eq!(listed["metadata"], json!({}), "a list asks no tenant's server");
    }
}

#[tokio::test]
async fn f26_a_database_that_is_away_is_one_accounts_matter() {
    let Some(programs) = tenantry_testbed::programs::find_postgres() else { return };
    let (app, here) = (TestApp::start(Settings::default()).await, own_site().expect("a server"));
    let mut away = tenantry_backends::testing::Server::start_plain(&programs);
    let (near, far) = {
        // Only for as long as the server is up.
        let far = Customer::new(&away, May::MakeBoth);
        let near = Customer::new(here, May::MakeBoth);
        (app.made(&near).await, app.made(&far).await)
    };
    away.stop();
    let (status, body) = app.get(&format!("/v1/accounts/{}", text(&far, "id"))).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("tenant_database_unavailable"))
    );
    assert_eq!(app.get(&format!("/v1/accounts/{}", text(&near, "id"))).await.0, StatusCode::OK);
    for made in [&near, &far] {
        assert_eq!(app.verdict(text(made, "api_key")).await, "VALID");
    }
    let change = json!({ "metadata": { "a": 1 } });
    let path = format!("/v1/accounts/{}", text(&far, "id"));
    let (status, _) = app.call(Method::PATCH, &path, &app.key, Some(&change)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    // What the plane itself has of it goes on.
    let limits = json!({ "concurrency": 3 });
    let (status, _) =
        app.call(Method::PUT, &format!("{path}/limits"), &app.key, Some(&limits)).await;
    assert_eq!(status, StatusCode::OK);
    let id = tenantry_core::ids::AccountId::parse_uuid(text(&far, "id")).expect("an id");
    let seen = app.plane.inspect_database(&operator(), id).await.expect("known");
    assert!(seen.server.is_err());
}
