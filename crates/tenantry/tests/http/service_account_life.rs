//! The native API's service accounts: made, changed, switched off, deleted, and their secrets.

use crate::support::{Client, Machine, Reply, Settings, TestApp};
use axum::http::Method;
use serde_json::{Value, json};
use tenantry_core::plane::Policy;

const NAME: &str = "deploys";

fn list_of(account: &str) -> String {
    format!("/v1/accounts/{account}/service-accounts")
}

async fn create(client: &Client<'_>, account: &str, body: Value) -> Reply {
    client.post(&list_of(account), body).await
}

async fn patch(client: &Client<'_>, machine: &Machine, changes: Value) -> Reply {
    client.send(Method::PATCH, &machine.path(), changes.to_string().into_bytes()).await
}

fn assert_effective(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.text_at("/revision").is_empty());
    assert_eq!(reply.text_at("/effective_everywhere_by"), "2025-07-10T14:35:00.123456Z");
}

fn assert_refused(reply: &Reply, status: u16, code: &str) {
    let (got, json) = reply.refusal();
    assert_eq!((got, &json["code"]), (status, &json!(code)), "{}", reply.text);
}

#[tokio::test]
async fn a_service_account_is_made_with_a_secret_that_is_shown_once() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let body = json!({ "name": NAME, "permissions": ["reports:read", "api:read"] });
    let reply = create(&app.owner(), account, body).await;
    let machine = Machine::of(&reply);
    assert_eq!(reply.header("cache-control"), "no-store");
    let secret = json!({
        "id": machine.secret_id, "expires_at": null, "grace_expires_at": null,
        "created_at": "2025-07-10T14:35:00.123456Z", "last_used_at": null,
    });
    let expected = json!({
        "id": machine.id, "account_id": account, "name": NAME, "client_id": machine.client_id,
        "permissions": ["api:read", "reports:read"], "status": "active",
        "created_at": "2025-07-10T14:35:00.123456Z", "secrets": [secret],
    });
    assert_eq!(reply.json["service_account"], expected);
    let verdict = app.client_verdict(&machine.client_id, &machine.secret).await;
    assert_eq!((&verdict["code"], &verdict["name"]), (&json!("VALID"), &json!(NAME)));
    assert_eq!(verdict["service_account_id"], json!(machine.id));

    let read = app.owner().get(&machine.path()).await;
    assert_eq!((read.status.as_u16(), &read.json), (200, &expected));
    let list = app.owner().get(&list_of(account)).await;
    assert_eq!(list.json, json!({ "data": [expected], "next_cursor": null }));
    assert!(!app.stores(&machine.secret));
}

#[tokio::test]
async fn what_is_not_said_is_as_the_contract_has_it() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    for (body, suffix) in [("", ""), ("{}", "-2"), (r#"{"name":null}"#, "-3")] {
        let reply = app.owner().post_bytes(&list_of(account), body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        let name = format!("service-account-20250710143500{suffix}");
        assert_eq!(reply.text_at("/service_account/name"), name);
        let permissions = json!(["api:read", "api:write"]);
        assert_eq!(reply.json["service_account"]["permissions"], permissions);
    }
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_refused_with_the_fields_name() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let past = "2025-07-10T14:35:00Z";
    for (body, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": 7 }), "/name"),
        (json!({ "permissions": ["nonsense"] }), "/permissions"),
        (json!({ "permissions": "api:read" }), "/permissions"),
        (json!({ "secret_expires_at": past }), "/secret_expires_at"),
        (json!({ "secret_expires_at": "soon" }), "/secret_expires_at"),
        (json!({ "client_id": "sa_client_000000000000" }), "/client_id"),
        (json!({ "secret": "sa_secret_x" }), "/secret"),
        (json!({ "status": "active" }), "/status"),
    ] {
        let reply = create(&app.owner(), &app.organization.account_id, body.clone()).await;
        assert_refused(&reply, 422, "validation_failed");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
    }
    for (body, pointer) in [
        (json!({ "name": null }), "/name"),
        (json!({ "name": "\u{200b}" }), "/name"),
        (json!({ "permissions": null }), "/permissions"),
        (json!({ "status": "disabled" }), "/status"),
        (json!({ "client_id": "x" }), "/client_id"),
    ] {
        let reply = patch(&app.owner(), &machine, body.clone()).await;
        assert_refused(&reply, 422, "validation_failed");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer, "{body}");
    }
    let secrets = format!("{}/secrets", machine.path());
    for body in [json!({ "expires_at": past }), json!({ "expires_at": 7 })] {
        let reply = app.owner().post(&secrets, body).await;
        assert_refused(&reply, 422, "validation_failed");
        assert_eq!(reply.json["errors"][0]["pointer"], "/expires_at");
    }
    for body in ["[]", "x", r#"{"name":"a","name":"b"}"#] {
        for path in [&list_of(&app.organization.account_id), &secrets] {
            assert_eq!(app.owner().post_bytes(path, body).await.refusal().0, 400, "{body}");
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM service_accounts"), 1);
    assert_eq!(app.count("SELECT version FROM service_accounts"), 1);
}

#[tokio::test]
async fn a_name_is_one_living_service_accounts_of_an_account() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let first = Machine::of(&create(&app.owner(), account, json!({ "name": NAME })).await);
    let second = app.machine(account).await;
    assert_refused(&create(&app.owner(), account, json!({ "name": NAME })).await, 409, "taken");
    assert_refused(&patch(&app.owner(), &second, json!({ "name": NAME })).await, 409, "taken");
    let elsewhere = app.sub_account("a").await;
    assert_eq!(create(&app.owner(), &elsewhere.id, json!({ "name": NAME })).await.status, 201);

    assert_eq!(patch(&app.owner(), &first, json!({ "name": "other" })).await.status, 200);
    assert_eq!(patch(&app.owner(), &second, json!({ "name": NAME })).await.status, 200);
    assert_eq!(app.owner().delete(&second.path()).await.status, 200);
    let third = Machine::of(&create(&app.owner(), account, json!({ "name": NAME })).await);
    assert_ne!((&third.id, &third.client_id), (&second.id, &second.client_id));
    assert_eq!(app.client_code(&second.client_id, &second.secret).await, "REVOKED");
}

#[tokio::test]
async fn a_switched_off_service_account_is_refused_by_the_very_next_verification() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let second = app.owner().post_bytes(&format!("{}/secrets", machine.path()), "").await;
    let secrets = [&*machine.secret, second.text_at("/secret")];
    for (action, status, code) in [
        ("disable", "disabled", "DISABLED"),
        // Again changes nothing and answers the same.
        ("disable", "disabled", "DISABLED"),
        ("enable", "active", "VALID"),
        ("enable?wait=true", "active", "VALID"),
        ("disable?wait=true", "disabled", "DISABLED"),
    ] {
        let reply = app.owner().post_bytes(&format!("{}/{action}", machine.path()), "").await;
        assert_effective(&reply);
        for secret in secrets {
            assert_eq!(app.client_code(&machine.client_id, secret).await, code, "{action}");
        }
        assert_eq!(app.owner().get(&machine.path()).await.json["status"], status);
    }
    for (action, events) in [("disabled", 2), ("enabled", 1)] {
        let sql = format!(
            "SELECT count(*) FROM audit_events WHERE action = 'service_account.{action}'
             AND target_kind = 'service_account' AND target_id = '{}'",
            machine.id
        );
        assert_eq!(app.count(&sql), events, "{action}");
    }
}

#[tokio::test]
async fn a_change_shows_in_the_very_next_verification() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    let changes = json!({ "name": NAME, "permissions": ["api:read"] });
    let reply = patch(&app.owner(), &machine, changes).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!((&reply.json["name"], &reply.json["id"]), (&json!(NAME), &json!(machine.id)));
    let verdict = app.client_verdict(&machine.client_id, &machine.secret).await;
    assert_eq!(verdict["name"], NAME);
    assert_eq!(verdict["permissions"], json!(["api:read"]));
    let question = json!({
        "client_id": machine.client_id, "client_secret": machine.secret,
        "permissions": ["api:write"],
    });
    let reply = app.owner().post("/v1/keys/verify", question).await;
    assert_eq!(reply.json["code"], "INSUFFICIENT_PERMISSIONS");
    // The same again is no change.
    let events = "SELECT count(*) FROM audit_events WHERE action = 'service_account.updated'";
    for changes in [json!({ "name": NAME }), json!({})] {
        assert_eq!(patch(&app.owner(), &machine, changes).await.status, 200);
        assert_eq!(app.count(events), 1);
    }
    let facts = "SELECT count(*) FROM audit_events WHERE action = 'service_account.updated'
                 AND facts LIKE '%\"name,permissions\"%' AND facts NOT LIKE '%deploys%'";
    assert_eq!(app.count(facts), 1);
}

#[tokio::test]
async fn case_44_a_deleted_service_account_is_not_there_and_its_secrets_are_revoked() {
    let policy = Policy { service_accounts_max: 1, ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    let account = &app.organization.account_id;
    let machine = app.machine(account).await;
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    assert_refused(&create(&app.owner(), account, json!({})).await, 409, "limit_reached");
    assert_effective(&app.owner().delete(&machine.path()).await);
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "REVOKED");

    let unknown = app.owner().get("/v1/service-accounts/svc_1C9EVhR5Tth8cTGEFr9hz6").await;
    assert_refused(&unknown, 404, "not_found");
    let path = machine.path();
    for (method, end) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::POST, "/enable"),
        (Method::POST, "/disable"),
        (Method::POST, "/secrets"),
        (Method::DELETE, &*format!("/secrets/{}", machine.secret_id)),
    ] {
        let reply = app.owner().send(method, &format!("{path}{end}"), b"{}".to_vec()).await;
        assert_eq!(reply.text, unknown.text, "{end}");
    }
    assert_eq!(app.owner().get(&list_of(account)).await.json["data"], json!([]));
    // There is room again.
    app.machine(account).await;
    let deleted = "SELECT count(*) FROM audit_events WHERE action = 'service_account.deleted'";
    assert_eq!(app.count(deleted), 1);
}

#[tokio::test]
async fn two_secrets_live_at_most() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let secrets = format!("{}/secrets", machine.path());
    let ends = json!({ "expires_at": "2025-07-10T14:36:00Z" });
    let second = app.owner().post(&secrets, ends).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_eq!(second.header("cache-control"), "no-store");
    assert_refused(&app.owner().post_bytes(&secrets, "").await, 409, "limit_reached");
    for secret in [&*machine.secret, second.text_at("/secret")] {
        assert_eq!(app.client_code(&machine.client_id, secret).await, "VALID");
    }
    // One that has ended makes room.
    app.advance(60);
    assert_eq!(app.client_code(&machine.client_id, second.text_at("/secret")).await, "EXPIRED");
    let third = app.owner().post_bytes(&secrets, "").await;
    assert_eq!(third.status, 201, "{}", third.text);
    assert_refused(&app.owner().post_bytes(&secrets, "").await, 409, "limit_reached");
    // And so does one that was revoked, again and again.
    for _ in 0..2 {
        let reply = app.owner().delete(&format!("{secrets}/{}", machine.secret_id)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "REVOKED");
        assert_eq!(app.client_code(&machine.client_id, third.text_at("/secret")).await, "VALID");
    }
    assert_eq!(app.owner().post_bytes(&secrets, "").await.status, 201);
    let shown = app.owner().get(&machine.path()).await;
    assert_eq!(shown.json["secrets"].as_array().map(Vec::len), Some(2));
    for (action, events) in [("created", 3), ("revoked", 1)] {
        let sql = format!("SELECT count(*) FROM audit_events WHERE action = 'secret.{action}'");
        assert_eq!(app.count(&sql), events, "{action}");
    }
}

#[tokio::test]
async fn of_many_further_secrets_at_once_one_is_made() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let (owner, secrets) = (app.owner(), format!("{}/secrets", machine.path()));
    let replies =
        futures_util::future::join_all((0..20).map(|_| owner.post_bytes(&secrets, ""))).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1);
    assert_eq!(app.count("SELECT count(*) FROM credentials WHERE kind = 'client_secret'"), 2);
}

/// Seen failing where a new secret leaves its service account's version as it was: the change then
/// names only the secret that it saw.
#[tokio::test]
async fn a_secret_that_is_made_while_its_service_account_is_switched_off_is_off() {
    let app = TestApp::start().await;
    for _ in 0..20 {
        let machine = app.machine(&app.organization.account_id).await;
        let (owner, path) = (app.owner(), machine.path());
        let (secrets, disable) = (format!("{path}/secrets"), format!("{path}/disable"));
        let making = async {
            let made = owner.post_bytes(&secrets, "").await;
            assert_eq!(made.status, 201, "{}", made.text);
            // Into the cache, as it may be then.
            app.client_code(&machine.client_id, made.text_at("/secret")).await;
            made
        };
        let (made, disabled) = tokio::join!(making, owner.post_bytes(&disable, ""));
        assert_effective(&disabled);
        for secret in [&*machine.secret, made.text_at("/secret")] {
            assert_eq!(app.client_code(&machine.client_id, secret).await, "DISABLED");
        }
    }
}

#[tokio::test]
async fn no_change_is_said_to_hold_for_a_secret_whose_row_was_altered() {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    // It is in the cache as it was.
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    let alter = |name: &str| {
        let sql = format!("UPDATE credentials SET name = {name} WHERE kind = 'client_secret'");
        app.edit(&sql)
    };
    assert_eq!(alter("'x'"), 1);
    let disable = format!("{}/disable", machine.path());
    assert_refused(&app.owner().post_bytes(&disable, "").await, 500, "internal_error");
    assert_refused(&app.owner().delete(&machine.path()).await, 500, "internal_error");
    let read = app.owner().get(&machine.path()).await;
    assert_eq!((&read.json["status"], &read.json["secrets"]), (&json!("active"), &json!([])));
    assert_eq!(alter("NULL"), 1);
    assert_effective(&app.owner().post_bytes(&disable, "").await);
    assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "DISABLED");
}

#[tokio::test]
async fn a_secret_belongs_to_its_service_account_alone() {
    let app = TestApp::start().await;
    let account = &app.organization.account_id;
    let (one, two) = (app.machine(account).await, app.machine(account).await);
    let key = app.sub_account("a").await.key_id;
    let revoke =
        async |secret: &str| app.owner().delete(&format!("{}/secrets/{secret}", one.path())).await;
    let unknown = revoke("sec_1C9EVhR5Tth8cTGEFr9hz6").await;
    assert_refused(&unknown, 404, "not_found");
    let as_secret = key.replacen("key_", "sec_", 1);
    for secret in [&*two.secret_id, &key, &as_secret, "nonsense"] {
        assert_eq!(revoke(secret).await.text, unknown.text, "{secret}");
    }
    for machine in [&one, &two] {
        assert_eq!(app.client_code(&machine.client_id, &machine.secret).await, "VALID");
    }
    assert_effective(&revoke(&one.secret_id).await);
}

#[tokio::test]
async fn service_accounts_are_listed_in_pages() {
    let app = TestApp::start().await;
    let sub = app.sub_account("a").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.machine(&sub.id).await.id);
        app.advance(1);
    }
    app.machine(&app.organization.account_id).await;
    let path = list_of(&sub.id);
    let mut seen = Vec::new();
    let mut next = format!("{path}?limit=2");
    loop {
        let page = app.owner().get(&next).await;
        let data = page.json["data"].as_array().expect("a list").clone();
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|each| each["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page.json["next_cursor"].as_str() else { break };
        next = format!("{path}?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let first = app.owner().get(&format!("{path}?limit=2")).await;
    let cursor = first.text_at("/next_cursor");
    let root = list_of(&app.organization.account_id);
    // A cursor is its list's, and its caller's.
    for (caller, path) in [
        (app.owner(), format!("{root}?cursor={cursor}")),
        (app.owner(), format!("{path}?cursor={cursor}x")),
        (app.owner(), format!("{path}?limit=0")),
        (app.owner(), format!("{path}?limit=101")),
    ] {
        assert_refused(&caller.get(&path).await, 400, "invalid_parameter");
    }
    assert_eq!(app.owner().get(&format!("{path}?name=x")).await.refusal().0, 400);
}

#[tokio::test]
async fn case_79_at_an_accounts_maximum_one_of_many_wins() {
    let policy = Policy { service_accounts_max: 10, ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    let sub = app.sub_account("a").await;
    for _ in 0..9 {
        app.machine(&sub.id).await;
    }
    let (owner, path) = (app.owner(), list_of(&sub.id));
    // Half of them choose a name, which does not wait for those that draw one.
    let creates = (0..100).map(|number| {
        let body = match number % 2 {
            0 => json!({}),
            _ => json!({ "name": format!("n-{number}") }),
        };
        owner.post_bytes(&path, body.to_string())
    });
    let replies = futures_util::future::join_all(creates).await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert_eq!((made.len(), refused.len()), (1, 99));
    for reply in refused {
        assert_refused(reply, 409, "limit_reached");
    }
    assert_eq!(app.count("SELECT count(*) FROM service_accounts"), 10);
    // Another account of the tree has its own.
    app.machine(&app.organization.account_id).await;
}
