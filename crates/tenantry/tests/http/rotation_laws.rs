//! The laws of rotation, over random histories of one account's keys: a small model says what
//! every key must be at every step, and the laws are held against what the plane answers.

use crate::support::{START, Settings, TestApp};
use axum::http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use tenantry_core::clock::Timestamp;
use tenantry_core::plane::Policy;

/// Fewer than the histories would make, so that some find no room.
const KEYS_MAX: u32 = 4;

/// Keys are named by how many were made after them: what is new is what histories are about.
#[derive(Clone, Debug)]
enum Step {
    Create { end: Option<i64>, permissions: usize },
    Rotate { key: usize, grace: i64 },
    Revoke { key: usize, line: bool },
    Switch { key: usize, on: bool },
    SetEnd { key: usize, end: Option<i64> },
    Advance { seconds: u64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    // Small numbers, so that ends, graces and the clock often meet to the second.
    let key = 0..4_usize;
    let end = || proptest::option::of(1..12_i64);
    prop_oneof![
        2 => (end(), 0..3_usize).prop_map(|(end, permissions)| Step::Create { end, permissions }),
        6 => (key.clone(), 0..12_i64).prop_map(|(key, grace)| Step::Rotate { key, grace }),
        1 => (key.clone(), any::<bool>()).prop_map(|(key, line)| Step::Revoke { key, line }),
        2 => (key.clone(), any::<bool>()).prop_map(|(key, on)| Step::Switch { key, on }),
        5 => (key, end()).prop_map(|(key, end)| Step::SetEnd { key, end }),
        4 => (1..6_u64).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

const PERMISSIONS: [&[&str]; 3] = [&["*:*"], &["api:read"], &["api:read", "api:write"]];

#[derive(Clone, Copy, PartialEq)]
enum Status {
    On,
    Off,
    Revoked,
}

/// What the model knows of a key. Times are seconds since the start.
struct Key {
    id: String,
    secret: String,
    line: usize,
    permissions: usize,
    status: Status,
    end: Option<i64>,
    /// When its grace is over, once it was rotated.
    grace: Option<i64>,
    /// Its own end when it was rotated.
    end_at_rotation: Option<i64>,
}

impl Key {
    fn has_ended(&self, now: i64) -> bool {
        self.end.into_iter().chain(self.grace).any(|end| end <= now)
    }

    fn code(&self, now: i64) -> &'static str {
        match self.status {
            Status::Revoked => "REVOKED",
            Status::Off => "DISABLED",
            Status::On if self.has_ended(now) => "EXPIRED",
            Status::On => "VALID",
        }
    }

    /// Whether a change of it is refused.
    fn is_over(&self, now: i64) -> bool {
        self.status == Status::Revoked || self.has_ended(now)
    }

    fn counts(&self, now: i64) -> bool {
        self.status != Status::Revoked
            && self.grace.is_none()
            && self.end.is_none_or(|end| end > now)
    }

    fn is_in_line(&self, line: usize, now: i64) -> bool {
        self.line == line
            && self.status != Status::Revoked
            && self.grace.is_none_or(|grace| grace > now)
    }
}

fn at(seconds: i64) -> String {
    let time = Timestamp::from_micros(START + seconds * 1_000_000).to_utc().expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

struct Trial {
    app: TestApp,
    account: String,
    keys: Vec<Key>,
    lines: usize,
    now: i64,
}

impl Trial {
    async fn start() -> Self {
        let policy = Policy { keys_max: KEYS_MAX, cache_entries: 1000, ..Policy::default() };
        let app = TestApp::start_with(Settings { policy, ..Settings::default() }).await;
        let first = app.sub_account("a").await;
        let key = Key {
            id: first.key_id,
            secret: first.key,
            line: 0,
            permissions: 0,
            status: Status::On,
            end: None,
            grace: None,
            end_at_rotation: None,
        };
        Self { app, account: first.id, keys: vec![key], lines: 1, now: 0 }
    }

    async fn take(&mut self, step: &Step) {
        let named = |key: usize| self.keys.len().saturating_sub(key + 1);
        match *step {
            Step::Create { end, permissions } => self.create(end, permissions).await,
            Step::Rotate { key, grace } => self.rotate(named(key), grace).await,
            Step::Revoke { key, line } => self.revoke(named(key), line).await,
            Step::Switch { key, on } => self.switch(named(key), on).await,
            Step::SetEnd { key, end } => self.set_end(named(key), end).await,
            Step::Advance { seconds } => {
                self.app.advance(seconds);
                self.now += seconds.cast_signed();
            }
        }
    }

    async fn create(&mut self, end: Option<i64>, permissions: usize) {
        let end = end.map(|end| self.now + end);
        let body = json!({ "permissions": PERMISSIONS[permissions], "expires_at": end.map(at) });
        let path = format!("/v1/accounts/{}/keys", self.account);
        let reply = self.app.owner().post(&path, body).await;
        let counted = self.keys.iter().filter(|key| key.counts(self.now)).count();
        if counted >= KEYS_MAX as usize {
            assert_eq!(reply.json["code"], "limit_reached", "{}", reply.text);
            return;
        }
        assert_eq!(reply.status, 201, "{}", reply.text);
        self.keys.push(Key {
            id: reply.text_at("/id").to_owned(),
            secret: reply.text_at("/secret").to_owned(),
            line: self.lines,
            permissions,
            status: Status::On,
            end,
            grace: None,
            end_at_rotation: None,
        });
        self.lines += 1;
    }

    async fn rotate(&mut self, index: usize, grace: i64) {
        let now = self.now;
        let path = format!("/v1/keys/{}/rotate", self.keys[index].id);
        let reply = self.app.owner().post(&path, json!({ "grace_seconds": grace })).await;
        let old = &self.keys[index];
        if old.is_over(now) || old.grace.is_some() {
            assert_eq!(reply.status, 409, "{}", reply.text);
            return;
        }
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(reply.json["key"]["lineage"], reply.json["superseded"]["lineage"]);
        let (line, permissions, end) = (old.line, old.permissions, old.end);
        for (other, key) in self.keys.iter_mut().enumerate() {
            if other != index && key.is_in_line(line, now) {
                key.status = Status::Revoked;
            }
        }
        let old = &mut self.keys[index];
        if grace == 0 {
            old.status = Status::Revoked;
        }
        old.grace = Some(end.map_or(now + grace, |end| end.min(now + grace)));
        old.end_at_rotation = end;
        self.keys.push(Key {
            id: reply.text_at("/key/id").to_owned(),
            secret: reply.text_at("/key/secret").to_owned(),
            line,
            permissions,
            status: Status::On,
            end,
            grace: None,
            end_at_rotation: None,
        });
    }

    async fn revoke(&mut self, index: usize, line: bool) {
        let path = format!("/v1/keys/{}/revoke?lineage={line}", self.keys[index].id);
        assert_eq!(self.app.owner().post(&path, json!({})).await.status, 200);
        let (now, own) = (self.now, self.keys[index].line);
        for (other, key) in self.keys.iter_mut().enumerate() {
            if other == index || line && key.is_in_line(own, now) {
                key.status = Status::Revoked;
            }
        }
    }

    async fn switch(&mut self, index: usize, on: bool) {
        let end = if on { "enable" } else { "disable" };
        let path = format!("/v1/keys/{}/{end}", self.keys[index].id);
        let reply = self.app.owner().post(&path, json!({})).await;
        let over = self.keys[index].is_over(self.now);
        assert_eq!(reply.status.as_u16(), if over { 409 } else { 200 }, "{}", reply.text);
        if !over {
            self.keys[index].status = if on { Status::On } else { Status::Off };
        }
    }

    async fn set_end(&mut self, index: usize, end: Option<i64>) {
        let end = end.map(|end| self.now + end);
        let body = json!({ "expires_at": end.map(at) }).to_string().into_bytes();
        let path = format!("/v1/keys/{}", self.keys[index].id);
        let reply = self.app.owner().send(Method::PATCH, &path, body).await;
        let over = self.keys[index].is_over(self.now);
        assert_eq!(reply.status.as_u16(), if over { 409 } else { 200 }, "{}", reply.text);
        if !over {
            self.keys[index].end = end;
        }
    }

    /// Asks about every key: the answer is the model's, and keeps the laws.
    async fn check(&self) {
        let mut valid = vec![0; self.lines];
        for key in &self.keys {
            let question = json!({ "key": key.secret });
            let verdict = self.app.owner().post("/v1/keys/verify", question).await.json;
            let asked = || format!("{} after {} seconds: {verdict}", key.id, self.now);
            if verdict["code"] == "VALID" {
                valid[key.line] += 1;
                let outlived = key.end_at_rotation.is_some_and(|end| end <= self.now);
                assert!(!outlived, "a rotated key outlives its own end: {}", asked());
                let over = key.grace.is_some_and(|grace| grace <= self.now);
                assert!(!over, "a rotated key outlives its grace: {}", asked());
                let granted: Vec<&str> = verdict["permissions"]
                    .as_array()
                    .and_then(|texts| texts.iter().map(Value::as_str).collect())
                    .expect("texts");
                assert_eq!(granted, PERMISSIONS[key.permissions], "{}", asked());
            }
            assert_eq!(verdict["code"], key.code(self.now), "{}", asked());
        }
        assert!(valid.iter().all(|valid| *valid <= 2), "more than two of a line: {valid:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_line_two_live_at_most_and_none_gains_by_it(
        steps in proptest::collection::vec(any_step(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut trial = Trial::start().await;
            for step in &steps {
                trial.take(step).await;
                trial.check().await;
            }
        });
    }
}
