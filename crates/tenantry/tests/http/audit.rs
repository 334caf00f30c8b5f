//! The audit trail: sealed, listed, exported, verified.

use crate::support::{Client, TestApp};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenantry_backends::checkpoint_file::CheckpointFile;
use tenantry_backends::sqlite::{Inspection, TrailReport};
use tenantry_core::audit::sealer::Left;
use tenantry_core::audit::{CheckpointSink, Sealer};
use tenantry_core::leads::NodeId;
use tenantry_core::limits;

/// Where an app's checkpoints are copied to.
pub(crate) fn copy_path(app: &TestApp) -> PathBuf {
    app.directory().join("checkpoints")
}

pub(crate) fn sealer(app: &TestApp) -> Sealer {
    Sealer::new(NodeId::ALONE, Box::new(CheckpointFile::new(copy_path(app))))
}

/// Seals all that there is, with a checkpoint.
pub(crate) async fn seal(app: &TestApp) {
    app.plane.finish_sealing(&mut sealer(app)).await.expect("sealed");
}

/// What `audit verify` says of an app's store.
pub(crate) fn trail(app: &TestApp) -> TrailReport {
    let mut copy = File::open(copy_path(app)).ok().map(BufReader::new);
    let copy = copy.as_mut().map(|copy| copy as &mut dyn BufRead);
    let inspection = Inspection::open(app.directory()).expect("the database");
    inspection.check_trail(&app.secrets, copy, &mut |_| {}).expect("a report")
}

/// An app with some of everything done in it.
pub(crate) async fn busy() -> TestApp {
    let app = TestApp::start().await;
    let other = app.organization("Other").await;
    for number in 0..8 {
        let account = app.sub_account(&format!("a{number}")).await;
        app.sub_account_of(&other, &format!("b{number}")).await;
        if number % 2 == 0 {
            app.owner().post(&format!("/v1/keys/{}/revoke", account.key_id), json!({})).await;
        }
    }
    app.client().await;
    app.client().await;
    app.platform().await;
    for suspended in [true, false, true] {
        let path = format!("/operator/organizations/{}/suspended", other.uuid);
        app.operator().post(&path, json!({ "suspended": suspended })).await;
    }
    app
}

#[tokio::test]
async fn what_is_done_is_sealed_once_and_stays_so() {
    let app = busy().await;
    if app.is_shared() {
        return;
    }
    let before = trail(&app);
    assert_eq!((before.sealed, before.findings.wrong), (0, 0), "{before:?}");
    assert!(before.unsealed > 20);
    seal(&app).await;
    let report = trail(&app);
    assert_eq!((report.sealed, report.unsealed), (before.unsealed, 0));
    // Two organizations and the plane, whose platform key is an event of its own.
    assert_eq!((report.chains, report.uncovered, report.checkpoints), (3, 0, 1));
    assert_eq!(report.copy.as_ref().map(|copy| (copy.common, copy.lacking)), Some((1, 0)));
    assert_eq!(report.findings.wrong, 0, "{report:?}");
    // With nothing new nothing is written.
    seal(&app).await;
    assert_eq!(trail(&app), report);
    app.sub_account("one more").await;
    seal(&app).await;
    let after = trail(&app);
    assert_eq!((after.sealed, after.checkpoints), (report.sealed + 1, 2));
    assert_eq!(after.findings.wrong, 0, "{after:?}");
}

#[tokio::test]
async fn events_are_sealed_at_each_step_and_checkpoints_made_every_ten_seconds() {
    let app = TestApp::start().await;
    if app.is_shared() {
        return;
    }
    let mut sealer = sealer(&app);
    let mut step = async || {
        let left = app.plane.seal_audit_events(&mut sealer).await.expect("sealed");
        assert_eq!(left, Left::Nothing);
        let report = trail(&app);
        assert_eq!((report.unsealed, report.findings.wrong), (0, 0), "{report:?}");
        report.checkpoints
    };
    assert_eq!(step().await, 1);
    for (seconds, checkpoints) in [(1, 1), (8, 1), (1, 2), (9, 2), (1, 3)] {
        app.advance(seconds);
        app.sub_account("a").await;
        assert_eq!(step().await, checkpoints);
    }
    assert_eq!(app.plane.sealed().events, trail(&app).sealed);
    assert!(app.plane.sealed().checkpoint_at.is_some());
}

/// Whatever of a step was lost, or done although its reply was lost, the next one continues.
#[tokio::test]
async fn a_reply_that_is_lost_in_sealing_seals_nothing_twice() {
    let app = busy().await;
    if app.is_shared() {
        return;
    }
    let mut failures = 0;
    for _ in 0..8 {
        app.store.between.lose_next();
        let mut sealer = sealer(&app);
        failures += u32::from(app.plane.finish_sealing(&mut sealer).await.is_err());
        app.sub_account("meanwhile").await;
    }
    assert!(failures > 1, "nothing was lost");
    seal(&app).await;
    let report = trail(&app);
    assert_eq!((report.unsealed, report.uncovered, report.findings.wrong), (0, 0, 0), "{report:?}");
    assert_eq!(report.copy.as_ref().map(|copy| copy.lacking), Some(0));
}

/// A sink that fails where a test says so.
struct Failing(CheckpointFile, Arc<AtomicBool>);

#[async_trait::async_trait]
impl CheckpointSink for Failing {
    async fn last_line(&self) -> std::io::Result<Option<String>> {
        self.0.last_line().await
    }

    async fn append(&self, lines: Vec<String>) -> std::io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.0.append(lines).await
    }
}

#[tokio::test]
async fn a_sink_that_fails_is_counted_and_gets_what_it_missed() {
    let app = TestApp::start().await;
    if app.is_shared() {
        return;
    }
    let fails = Arc::new(AtomicBool::new(false));
    let sink = Failing(CheckpointFile::new(copy_path(&app)), fails.clone());
    let mut sealer = Sealer::new(NodeId::ALONE, Box::new(sink));
    let mut next = async || {
        app.sub_account("a").await;
        app.plane.finish_sealing(&mut sealer).await.expect("the plane goes on");
        trail(&app).copy.map(|copy| (copy.common, copy.lacking))
    };
    assert_eq!(next().await, Some((1, 0)));
    fails.store(true, Ordering::SeqCst);
    assert_eq!(next().await, Some((1, 1)));
    assert_eq!(next().await, Some((1, 2)));
    assert_eq!(app.plane.sealed().sink_failures, 2);
    fails.store(false, Ordering::SeqCst);
    assert_eq!(next().await, Some((4, 0)));
    let lines = std::fs::read_to_string(copy_path(&app)).expect("the copy");
    assert_eq!(lines.lines().count(), 4);
    assert_eq!(trail(&app).findings.wrong, 0);
}

#[tokio::test]
async fn a_second_node_seals_only_once_the_firsts_lead_has_ended() {
    let app = TestApp::start().await;
    if app.is_shared() {
        return;
    }
    let mut first = sealer(&app);
    let path = copy_path(&app).with_file_name("other");
    let other = Box::new(CheckpointFile::new(path));
    let mut second = Sealer::new(NodeId::from_bytes([7; 16]), other);
    app.plane.finish_sealing(&mut first).await.expect("sealed");
    app.sub_account("a").await;
    app.plane.finish_sealing(&mut second).await.expect("left to the first");
    assert_eq!(trail(&app).unsealed, 1);
    app.advance(31);
    app.plane.finish_sealing(&mut second).await.expect("sealed");
    assert_eq!(trail(&app).unsealed, 0);
    // The first was paused and does not know.
    app.sub_account("b").await;
    app.plane.finish_sealing(&mut first).await.expect("left to the second");
    assert_eq!((trail(&app).unsealed, trail(&app).findings.wrong), (1, 0));
    app.plane.finish_sealing(&mut second).await.expect("sealed");
    assert_eq!((trail(&app).unsealed, trail(&app).findings.wrong), (0, 0));
}

/// Pages of a list, one after the other.
async fn pages(client: &Client<'_>, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = path.to_owned();
    loop {
        let reply = client.get(&next).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        all.extend(reply.json["data"].as_array().expect("a list").clone());
        match reply.json["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn an_organization_lists_its_own_events_and_narrows_them_down() {
    let app = busy().await;
    let owner = app.owner();
    let whole = pages(&owner, "/v1/audit-events?limit=100").await;
    assert_eq!(pages(&owner, "/v1/audit-events?limit=3").await, whole);
    let first: Vec<&Value> =
        whole.iter().filter(|event| event["action"] == "organization.created").collect();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["target"]["id"], app.organization.account_id);
    let revoked = pages(&owner, "/v1/audit-events?action=key.revoked").await;
    assert_eq!(revoked.len(), 4);
    assert!(revoked.iter().all(|event| event["action"] == "key.revoked"));
    assert_eq!(revoked[0]["facts"]["version"], "2");
    assert_eq!(revoked[0]["actor"]["kind"], "key");
    assert_eq!(revoked[0]["address"], "127.0.0.1");
    let target = revoked[0]["target"]["id"].as_str().expect("an id");
    let of_target = pages(&owner, &format!("/v1/audit-events?target={target}")).await;
    assert_eq!(of_target, revoked[..1]);
    let actor = revoked[0]["actor"]["id"].as_str().expect("an id");
    let of_actor = pages(&owner, &format!("/v1/audit-events?actor={actor}&limit=2")).await;
    assert!(of_actor.len() >= 12, "{of_actor:?}");
    let foreign = app.organization("Foreign").await;
    assert_eq!(pages(&app.bearer(&foreign.key), "/v1/audit-events?").await.len(), 1);

    app.advance(10);
    let account = app.sub_account("later").await;
    let time = "2025-07-10T14:35:10.123456Z";
    let later = pages(&owner, &format!("/v1/audit-events?from={time}")).await;
    assert_eq!(later.len(), 1);
    assert_eq!((&later[0]["target"]["id"], &later[0]["at"]), (&json!(account.id), &json!(time)));
    assert_eq!(pages(&owner, &format!("/v1/audit-events?to={time}")).await, whole);
}

#[tokio::test]
async fn a_cursor_is_for_the_list_and_the_filters_that_gave_it() {
    let app = busy().await;
    let first = app.owner().get("/v1/audit-events?limit=1&action=account.created").await;
    let cursor = first.text_at("/next_cursor").to_owned();
    let with = |rest: &str| format!("/v1/audit-events?cursor={cursor}{rest}");
    assert_eq!(app.owner().get(&with("&action=account.created")).await.status, StatusCode::OK);
    for rest in ["", "&action=key.revoked", "&action=account.created&actor=x", "&target=x"] {
        assert_eq!(app.owner().get(&with(rest)).await.refusal().0, 400, "{rest}");
    }
    let foreign = app.organization("Foreign").await;
    let theirs = app.bearer(&foreign.key).get(&with("&action=account.created")).await;
    assert_eq!(theirs.refusal().0, 400);
    let verify = format!("/v1/audit-events/verify?cursor={cursor}");
    assert_eq!(app.owner().get(&verify).await.refusal().0, 400);
}

#[tokio::test]
async fn what_is_misspelt_lists_nothing() {
    let app = TestApp::start().await;
    let long = format!("actor={}", "x".repeat(257));
    for query in [
        "limit=0",
        "limit=101",
        "from=yesterday",
        "to=",
        "format=xml",
        "format=csv&limit=1001",
        &long,
        "acton=x",
        "actor=a&actor=b",
    ] {
        let reply = app.owner().get(&format!("/v1/audit-events?{query}")).await;
        assert_eq!(reply.refusal().0, 400, "{query}");
    }
}

#[tokio::test]
async fn the_trail_is_for_its_organization_with_the_right_and_for_the_operator() {
    let app = busy().await;
    for path in ["/v1/audit-events", "/v1/audit-events/verify"] {
        let code = async |client: &Client<'_>| {
            let reply = client.get(path).await;
            (reply.refusal().0, reply.text_at("/code").to_owned())
        };
        let without = app.key(&["tenantry.accounts:read"]).await;
        assert_eq!(code(&without).await, (403, "insufficient_permissions".to_owned()));
        // A sub-account's key sees no trail, whatever it was given.
        let with = app.key(&["tenantry.audit:read"]).await;
        assert_eq!(code(&with).await, (403, "organization_only".to_owned()));
        let platform = app.platform().await;
        assert_eq!(code(&platform).await.0, 403);
        let named = app.operator().header("tenantry-organization", "acc_1C9EVhR5Tth8cTGEFr9hz6");
        assert_eq!(code(&named).await.0, 404);
    }
    let plane = pages(&app.operator(), "/v1/audit-events?").await;
    assert!(plane.iter().all(|event| event["action"] == "platform_key.created"), "{plane:?}");
    let named = app.operator().header("tenantry-organization", &app.organization.uuid);
    let own = pages(&app.owner(), "/v1/audit-events?").await;
    assert_eq!(pages(&named, "/v1/audit-events?").await, own);
}

#[tokio::test]
async fn case_89_csv_is_exported_and_no_cell_is_a_formula() {
    let app = busy().await;
    let request = app.owner().header("x-request-id", "-1");
    request.post("/v1/accounts", json!({ "name": "=1+1" })).await;
    let csv = app.owner().header("accept", "text/csv, */*;q=0.1").get("/v1/audit-events").await;
    assert_eq!(csv.status, StatusCode::OK);
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(app.owner().get("/v1/audit-events?format=csv").await.text, csv.text);
    let lines: Vec<&str> = csv.text.split_terminator("\r\n").collect();
    let whole = pages(&app.owner(), "/v1/audit-events?").await;
    assert_eq!(lines.len(), whole.len() + 1);
    assert!(lines[0].starts_with("\"id\",\"at\","), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!("{},", whole[0]["id"])), "{}", lines[1]);
    assert!(csv.text.contains(",\"'-1\",\"127.0.0.1\"\r\n"), "{}", csv.text);
    for line in lines {
        for cell in line.trim_matches('"').split("\",\"") {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{line}");
        }
    }
    let part = app.owner().get("/v1/audit-events?format=csv&limit=5").await;
    let next = part.header("tenantry-next-cursor").to_owned();
    let rest = app.owner().get(&format!("/v1/audit-events?format=csv&cursor={next}")).await;
    let rest = rest.text.split_once("\r\n").expect("a head").1.to_owned();
    assert_eq!(part.text + &rest, csv.text);
    assert_eq!(csv.header("tenantry-next-cursor"), "");
    // Who takes both gets the one that says everything.
    let both = app.owner().header("accept", "application/json, text/csv");
    let json = both.get("/v1/audit-events").await;
    assert_eq!(json.header("content-type"), "application/json");
}

#[tokio::test]
async fn an_organization_verifies_its_own_chain() {
    let app = busy().await;
    let verify = async |path: &str| {
        let reply = app.owner().get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        reply.json
    };
    let path = "/v1/audit-events/verify";
    let empty = verify(path).await;
    assert_eq!((&empty["intact"], &empty["length"]), (&json!(true), &json!(0)));
    seal(&app).await;
    let whole = verify(path).await;
    let length = whole["length"].as_u64().expect("a number");
    assert_eq!(length, pages(&app.owner(), "/v1/audit-events?").await.len() as u64);
    assert_eq!((&whole["intact"], &whole["to"]), (&json!(true), &json!(length)));
    assert_eq!(whole["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_organization_is_told_what_was_done_to_its_chain() {
    let edits = [
        ("event_altered", "UPDATE audit_events SET actor_id = 'x' WHERE action = 'key.revoked'"),
        ("event_dropped", "DELETE FROM audit_events WHERE action = 'key.revoked'"),
        ("link_altered", "UPDATE audit_links SET hash = zeroblob(32) WHERE sequence = 5"),
        ("links_dropped", "DELETE FROM audit_links WHERE sequence = 5"),
        ("cut_off", "DELETE FROM audit_links WHERE sequence > 5"),
        ("head_altered", "UPDATE audit_chains SET length = 5, hash = zeroblob(32)"),
        ("chain_not_in_checkpoint", "UPDATE audit_chains SET covered_by = 1"),
        ("checkpoint_dropped", "DELETE FROM audit_checkpoints WHERE number = 2"),
        (
            "checkpoint_altered",
            "UPDATE audit_checkpoints SET line = replace(line, 'acc_', 'acc-') WHERE number = 2",
        ),
    ];
    for (code, edit) in edits {
        let app = busy().await;
        seal(&app).await;
        app.sub_account("later").await;
        seal(&app).await;
        let own = app.owner().get("/v1/audit-events/verify").await;
        assert_eq!(own.json["intact"], true, "{}", own.text);
        app.edit(edit);
        let reply = app.owner().get("/v1/audit-events/verify").await;
        assert_eq!(reply.json["intact"], false, "{code}");
        assert_eq!(reply.text_at("/findings/0/code"), code, "{}", reply.text);
        assert_eq!(reply.text_at("/findings/0/organization_id"), app.organization.account_id);
    }
}

#[tokio::test]
async fn a_long_chain_is_verified_part_by_part() {
    let app = TestApp::start().await;
    if app.is_shared() {
        return;
    }
    let accounts: Vec<Value> = (0..1000).map(|n| json!({ "name": format!("a{n}") })).collect();
    for _ in 0..=limits::AUDIT_VERIFY_EVENTS_MAX / 1000 {
        let reply = app.owner().post("/v1/accounts/bulk", json!({ "accounts": accounts })).await;
        assert_eq!(reply.status, StatusCode::OK, "{:.300}", reply.text);
    }
    seal(&app).await;
    let first = app.owner().get("/v1/audit-events/verify").await.json;
    assert_eq!((&first["from"], &first["to"]), (&json!(1), &json!(5000)), "{first}");
    let cursor = first["next_cursor"].as_str().expect("more").to_owned();
    let rest = app.owner().get(&format!("/v1/audit-events/verify?cursor={cursor}")).await.json;
    assert_eq!(
        (&rest["from"], &rest["to"], &rest["intact"]),
        (&json!(5001), &json!(6001), &json!(true))
    );
    assert_eq!(rest["next_cursor"], Value::Null);
    assert_eq!(trail(&app).findings.wrong, 0);
}
