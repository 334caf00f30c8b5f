//! Wrong credentials: some are told so, then their address waits; nobody else does (cases 10, 11).

use crate::support::{Log, Settings, TestApp};
use serde_json::{Value, json};
use tenantry_core::limits::{
    MISS_BURST_SECONDS, MISSES_PER_ADDRESS_PER_SECOND, MISSES_PER_CALLER_PER_SECOND,
};
use tenantry_core::plane::Policy;

const BODY: &str = r#"{"name":"alpha-007"}"#;

/// A key of the right shape that nobody has.
fn unknown(n: usize) -> String {
    format!("sa-{n:032x}")
}

fn burst() -> usize {
    format!("{:.0}", f64::from(MISSES_PER_ADDRESS_PER_SECOND) * MISS_BURST_SECONDS)
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn case_10_wrong_secrets_are_401_then_429_and_a_valid_key_is_unaffected() {
    let app = TestApp::start().await;
    let key = app.sub_account("victim").await.key;
    let (id, _) = key.split_once(':').unwrap_or((&key, ""));
    // From the same address, used before and not: the first is known to be real.
    assert_eq!(app.owner().get("/v1/whoami").await.status, 200);

    let mut statuses = Vec::new();
    for n in 0..10_000 {
        let wrong = if n % 2 == 0 { unknown(n) } else { format!("{id}:{n:0>43}") };
        let reply = app.bearer(&wrong).get("/v1/whoami").await;
        if reply.status == 429 {
            let wait: u64 = reply.header("retry-after").parse().expect("seconds");
            assert_eq!(wait, 1);
            assert_eq!(reply.text_at("/code"), "rate_limited");
        }
        statuses.push(reply.status.as_u16());
    }
    let (first, rest) = statuses.split_at(burst());
    assert!(first.iter().all(|status| *status == 401), "{first:?}");
    assert!(rest.iter().all(|status| *status == 429), "{rest:?}");

    assert_eq!(app.owner().get("/v1/whoami").await.status, 200);
    let other = app.bearer(&key).from("192.0.2.7");
    assert_eq!(other.get("/v1/whoami").await.status, 200);
    // The budget comes back with time, for keys that were never seen too.
    app.advance(1);
    assert_eq!(app.bearer(&key).get("/v1/whoami").await.status, 200);
    assert_eq!(app.bearer(&unknown(1)).get("/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn a_flood_of_wrong_secrets_is_not_a_flood_of_the_log() {
    let settings = Settings { access_log_sample: 100, ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    let log = Log::capture();
    for n in 0..burst() + 1000 {
        app.bearer(&unknown(n)).get("/v1/whoami").await;
    }
    let text = log.text();
    let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    // Each of the first is told; of the flood one in a hundred, which says for how many it stands.
    assert_eq!(lines(r#""status":401"#), burst());
    assert_eq!(lines(r#""status":429"#), 10);
    assert_eq!(lines(r#""one_in":100"#), 10);
}

#[tokio::test]
async fn each_family_answers_429_in_its_own_shape() {
    let app = TestApp::start().await;
    for n in 0..burst() {
        app.bearer(&unknown(n)).get("/v1/whoami").await;
    }
    let wrong = app.bearer(&unknown(0));
    let sub_accounts = wrong.post_bytes("/sub-accounts/create", BODY).await;
    let (status, body) = sub_accounts.refusal();
    assert_eq!(
        (status, body),
        (429, &json!({"error": 429, "message": "Too many failed attempts"}))
    );
    let wrong = wrong.header("content-type", "application/vnd.api+json");
    let accounts = wrong.post_bytes("/api/v1/accounts", r#"{"data":{}}"#).await;
    assert_eq!(accounts.refusal().0, 429);
    assert_eq!(accounts.text_at("/errors/0/code"), "rate_limited");
    let administrator = app.bearer("a.b.c").header("x-tenantid", &app.organization.uuid);
    let service = administrator.post_bytes("/api/v1/admin/service-account/create", "").await;
    assert_eq!(service.refusal().0, 429);
    assert_eq!(service.text_at("/error"), "RATE_LIMITED");
    for reply in [sub_accounts, accounts, service] {
        assert_eq!(reply.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn a_revoked_key_is_401_at_once_and_spends_its_addresss_budget_only() {
    let app = TestApp::start().await;
    let account = app.sub_account("gone").await;
    assert_eq!(app.bearer(&account.key).get("/v1/whoami").await.status, 200);
    let path = format!("/v1/keys/{}/revoke", account.key_id);
    assert_eq!(app.owner().post(&path, json!({})).await.status, 200);
    for _ in 0..burst() {
        assert_eq!(app.bearer(&account.key).get("/v1/whoami").await.status, 401);
    }
    assert_eq!(app.bearer(&account.key).get("/v1/whoami").await.status, 429);
}

/// What the store did not say cannot be held against whoever asked: once it answers again, the good
/// keys that met its silence are not told to wait.
#[tokio::test]
async fn a_store_that_does_not_answer_spends_nobodys_budget() {
    let app = TestApp::start().await;
    let fresh = [app.sub_account("one").await.key, app.sub_account("two").await.key];
    let verify = async |key: &str| app.owner().post("/v1/keys/verify", json!({ "key": key })).await;
    // The asking key itself is known, so that its question is what fails.
    assert_eq!(verify(&unknown(0)).await.text_at("/code"), "NOT_FOUND");
    app.store.between.set_away(true);
    for _ in 0..=burst().max(10 * MISSES_PER_CALLER_PER_SECOND as usize) {
        assert_eq!(app.bearer(&fresh[0]).get("/v1/whoami").await.status, 503);
        assert_eq!(verify(&fresh[1]).await.status, 503);
    }
    app.store.between.set_away(false);
    assert_eq!(app.bearer(&fresh[0]).get("/v1/whoami").await.status, 200);
    assert_eq!(verify(&fresh[1]).await.text_at("/code"), "VALID");
}

#[tokio::test]
async fn case_11_questions_about_unknown_keys_are_bounded_and_cached_keys_are_not() {
    let policy = Policy { misses_per_second_max: 5, ..Policy::default() };
    let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
    let (cached, fresh) = (app.sub_account("cached").await.key, app.sub_account("fresh").await.key);
    let ask = |key: &str| json!({ "key": key });
    let verify = async |body: Value| app.owner().post("/v1/keys/verify", body).await;
    assert_eq!(verify(ask(&cached)).await.text_at("/code"), "VALID");

    let mut limited = 0;
    for n in 0..1000 {
        let reply = verify(ask(&unknown(n))).await;
        match reply.status.as_u16() {
            200 => assert_eq!(reply.text_at("/code"), "NOT_FOUND"),
            429 => limited += 1,
            status => panic!("{status}: {}", reply.text),
        }
    }
    assert_eq!(limited, 950);
    // Known ones go on; of one that is not in the cache nothing false is said.
    assert_eq!(verify(ask(&cached)).await.text_at("/code"), "VALID");
    assert_eq!(verify(ask(&fresh)).await.status, 429);
    app.advance(1);
    assert_eq!(verify(ask(&fresh)).await.text_at("/code"), "VALID");
}

#[tokio::test]
async fn an_end_client_that_guesses_leaves_the_callers_other_clients_alone() {
    let app = TestApp::start().await;
    let fresh = app.sub_account("fresh").await.key;
    let verify = async |body: Value| app.owner().post("/v1/keys/verify", body).await;
    let guess = |n: usize, ip: &str| json!({ "key": unknown(n), "ip": ip });
    for n in 0..burst() {
        let ip = format!("2001:db8::{n:x}");
        assert_eq!(verify(guess(n, &ip)).await.text_at("/code"), "NOT_FOUND");
    }
    assert_eq!(verify(guess(1_000_000, "2001:db8::ffff")).await.status, 429);
    let asked = json!({ "key": fresh, "ip": "2001:db8:0:1::1" });
    assert_eq!(verify(asked).await.text_at("/code"), "VALID");
}
