//! Keys of another system, taken over by their hashes.

use crate::support::{Client, TestApp};
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::net::IpAddr;

/// A key as another system might have given it out, and what that system would have stored.
const KEY: &str = "acme_live_k7q2x9.Zm9yZWlnbi1zZWNyZXQ";
const SHA256: &str = "cfa5e3af2188fd31c7c1646823a6a8c96ea334a39f6ca45475fb60a383988b5c";
const SHA512: &str =
    "CxxAGCAth0pd2Hm90X9TFwWdMXninHKX4FJ5AzmGikyGZn6N6ybXDFpXNNFvH365my3UcJp2+QpkwpyrlaVZrA==";
const HMAC: &str = "70785d15079d9bcd4f54ebb1e78bc3c67fca357d16bf7cf337e235f94dedafdf";
/// Base64 of `pepper of another system`.
const HMAC_KEY: &str = "cGVwcGVyIG9mIGFub3RoZXIgc3lzdGVt";

fn hash(algorithm: &str) -> Value {
    match algorithm {
        "sha256" => json!({ "algorithm": algorithm, "value": SHA256 }),
        "sha512" => json!({ "algorithm": algorithm, "value": SHA512 }),
        "hmac-sha256" => json!({ "algorithm": algorithm, "value": HMAC, "key": HMAC_KEY }),
        _ => json!({
            "algorithm": algorithm,
            "look_up": "acme_live_k7q2x9",
            "value": match algorithm {
                "bcrypt" => "$2b$04$qts3d4NXTqpoccwORjG/c.ccDyBycwd4LguhtTGdzi78I6o0.0E2u",
                "scrypt" => "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$0LBtXXDx8HMLYedwZVZPYKsp5v2ulFq//3ZOFOWtEhI",
                _ => "$argon2id$v=19$m=64,t=1,p=1$B9jNL0CxTqWf7rxInSkQ7g$Kmi82TRiVK9CszmSpdisbBx+dYAKVqzYCnyOwk+zaik",
            },
        }),
    }
}

const ALGORITHMS: [&str; 6] = ["sha256", "sha512", "hmac-sha256", "bcrypt", "scrypt", "argon2id"];

/// Imports one key; the answer to it.
async fn import(caller: &Client<'_>, key: Value) -> Value {
    let reply = caller.post("/v1/keys/import", json!({ "keys": [key] })).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json["results"][0].clone()
}

#[tokio::test]
async fn a_key_of_another_system_verifies_once_its_hash_was_imported() {
    for algorithm in ALGORITHMS {
        let app = TestApp::start().await;
        let owner = app.owner();
        assert_eq!(app.code(&owner, KEY).await, "MALFORMED", "nothing was imported");
        let sub = app.sub_account("s").await;
        let answer = import(
            &owner,
            json!({
                "account_id": sub.id,
                "name": "legacy",
                "permissions": ["api:read"],
                "metadata": { "plan": "pro" },
                "start": "acme_li",
                "hash": hash(algorithm),
            }),
        )
        .await;
        assert_eq!(answer["status"], 201, "{algorithm} {answer}");
        for round in 0..3 {
            let reply = owner.post("/v1/keys/verify", json!({ "key": KEY })).await;
            assert_eq!(reply.json["code"], "VALID", "{algorithm} {round} {}", reply.text);
            assert_eq!(reply.json["key_id"], answer["key_id"]);
            assert_eq!(reply.json["account_id"], json!(sub.id));
            assert_eq!(reply.json["name"], "legacy");
            assert_eq!(reply.json["permissions"], json!(["api:read"]));
            assert_eq!(reply.json["metadata"], json!({ "plan": "pro" }));
        }
        // What is not the key is not known, and says nothing more.
        for wrong in [&format!("{KEY}x"), &KEY.replace("Zm9y", "Zm9z"), "acme_live_other.secret00"]
        {
            assert_eq!(app.code(&owner, wrong).await, "NOT_FOUND", "{algorithm} {wrong}");
        }
        // It is a bearer key as any other: of its own account, and revocable.
        let who = app.bearer(KEY).get("/v1/whoami").await;
        assert_eq!(who.json["key_id"], answer["key_id"], "{algorithm} {}", who.text);
        let path = format!("/v1/keys/{}", answer["key_id"].as_str().expect("an id"));
        assert_eq!(owner.delete(&path).await.status, StatusCode::OK);
        assert_eq!(app.code(&owner, KEY).await, "REVOKED", "{algorithm}");
        assert_eq!(app.bearer(KEY).get("/v1/whoami").await.refusal().0, 401, "{algorithm}");
        assert!(!app.stores(KEY), "{algorithm}: the key itself is stored");
    }
}

#[tokio::test]
async fn a_slow_hash_gives_way_to_a_fast_one_at_the_first_use_that_fits() {
    for algorithm in ["bcrypt", "scrypt", "argon2id"] {
        let app = TestApp::start().await;
        let owner = app.owner();
        import(&owner, json!({ "hash": hash(algorithm) })).await;
        let waiting = "SELECT count(*) FROM foreign_hashes";
        assert_eq!(app.code(&owner, "acme_live_k7q2x9.guessed").await, "NOT_FOUND");
        assert_eq!(app.count(waiting), 1, "{algorithm}: a guess changes nothing");
        // Many first uses at once: each is answered, and one of them changes the hash.
        let codes = join_all((0..8).map(|_| app.code(&owner, KEY))).await;
        assert!(codes.iter().all(|code| code == "VALID"), "{algorithm} {codes:?}");
        assert_eq!(app.count(waiting), 0, "{algorithm}");
        let events = "SELECT count(*) FROM audit_events WHERE action = 'key.rehashed'";
        assert_eq!(app.count(events), 1, "{algorithm}");
        app.advance(2);
        assert_eq!(app.code(&owner, KEY).await, "VALID");
    }
}

#[tokio::test]
async fn nobody_imports_for_others_or_more_than_they_may() {
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    let theirs = app.sub_account_of(&other, "theirs").await;
    let unknown = "acc_1111111111111111111111";
    let sha = hash("sha256");
    let refused = async |caller: &Client<'_>, key: Value| {
        let answer = import(caller, key).await;
        (answer["status"].clone(), answer["error"]["code"].clone())
    };
    let owner = app.owner();
    let not_theirs = refused(&owner, json!({ "account_id": theirs.id, "hash": sha })).await;
    let nowhere = refused(&owner, json!({ "account_id": unknown, "hash": sha })).await;
    assert_eq!(not_theirs, nowhere);
    assert_eq!(not_theirs, (json!(404), json!("not_found")));
    let past = json!({ "expires_at": "2001-01-01T00:00:00Z", "hash": sha });
    assert_eq!(refused(&owner, past).await.0, json!(422));

    // A sub-account's key needs the permission, reaches its own account, and grants what it has.
    let plain = app.key(&["*:*"]).await;
    let reply = plain.post("/v1/keys/import", json!({ "keys": [{ "hash": sha }] })).await;
    assert_eq!(reply.refusal().0, 403);
    let writer = app.key(&["tenantry.keys:write", "api:read"]).await;
    let wide = json!({ "permissions": ["api:write"], "hash": sha });
    assert_eq!(refused(&writer, wide).await, (json!(403), json!("grant_exceeds_own")));
    let up = json!({ "account_id": app.organization.account_id, "hash": sha });
    assert_eq!(refused(&writer, up).await.0, json!(404));
    let own = json!({ "permissions": ["api:read"], "hash": sha });
    assert_eq!(import(&writer, own).await["status"], 201);
    // Taken, by whomever.
    let again = json!({ "hash": sha });
    assert_eq!(refused(&app.bearer(&other.key), again).await, (json!(409), json!("taken")));
}

#[tokio::test]
async fn what_one_row_breaks_leaves_the_others_alone() {
    let app = TestApp::start().await;
    let digest = |n: u32| json!({ "algorithm": "sha256", "value": format!("{n:064x}") });
    let reply = app
        .owner()
        .post(
            "/v1/keys/import",
            json!({ "keys": [
                { "hash": digest(1) },
                { "hash": { "algorithm": "md5", "value": "x" } },
                { "hash": { "algorithm": "sha256", "value": "x" } },
                { "hash": { "algorithm": "bcrypt", "value": hash("bcrypt")["value"] } },
                { "hash": { "algorithm": "hmac-sha256", "value": HMAC } },
                { "hash": digest(1) },
                { "hash": digest(2), "allowed_ips": ["10.0.0.0/8", "x"] },
                { "hash": digest(3), "start": "acme_live" },
                { "hash": digest(4), "name": "" },
                { "hash": digest(5) },
            ] }),
        )
        .await;
    let statuses: Vec<_> = reply.json["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| result["status"].as_u64().expect("a status"))
        .collect();
    assert_eq!(statuses, [201, 422, 422, 422, 422, 409, 422, 422, 422, 201], "{}", reply.text);
    assert_eq!(app.count("SELECT count(*) FROM credentials WHERE format = 'imported'"), 2);
    let too_many: Vec<_> = (0..1_001).map(|n| json!({ "hash": digest(n) })).collect();
    let reply = app.owner().post("/v1/keys/import", json!({ "keys": too_many })).await;
    assert_eq!(reply.refusal().0, 422);
}

#[tokio::test]
async fn an_imported_key_keeps_to_its_networks() {
    let app = TestApp::start().await;
    let key = json!({ "allowed_ips": ["192.0.2.0/24", "2001:db8::1"], "hash": hash("sha256") });
    assert_eq!(import(&app.owner(), key).await["status"], 201);
    for (ip, code) in [("192.0.2.7", "VALID"), ("192.0.3.7", "IP_NOT_ALLOWED")] {
        let ip: IpAddr = ip.parse().expect("an address");
        let question = json!({ "key": KEY, "ip": ip.to_string() });
        let reply = app.owner().post("/v1/keys/verify", question).await;
        assert_eq!(reply.json["code"], code);
    }
    assert_eq!(app.bearer(KEY).from("192.0.2.9").get("/v1/whoami").await.status, StatusCode::OK);
    assert_eq!(app.bearer(KEY).from("192.0.3.9").get("/v1/whoami").await.refusal().0, 401);
}

#[tokio::test]
async fn whoever_guesses_at_slow_hashes_runs_out_of_budget() {
    let app = TestApp::start().await;
    import(&app.owner(), json!({ "hash": hash("scrypt") })).await;
    let mut refused = 0;
    for guess in 0..400 {
        let question =
            json!({ "key": format!("acme_live_k7q2x9.{guess:020}"), "ip": "203.0.113.9" });
        let reply = app.owner().post("/v1/keys/verify", question).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            refused += 1;
        } else {
            assert_eq!(reply.json["code"], "NOT_FOUND", "{}", reply.text);
        }
    }
    assert!(refused > 200, "{refused} of 400 refused");
    // From elsewhere the real key goes on.
    let question = json!({ "key": KEY, "ip": "203.0.113.200" });
    let reply = app.owner().post("/v1/keys/verify", question).await;
    assert_eq!(reply.json["code"], "VALID", "{}", reply.text);
}
