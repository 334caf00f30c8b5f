//! Replies that are kept for repeated requests.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Replay};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::AccountId;

const CALL: &str = "POST /v1/accounts";

fn with_replay(draw: &Draw, replay: &Replay, at: Timestamp) -> Commit {
    let mut event = draw.event(AccountId::PLANE);
    event.at = at;
    Commit { replay: Some(replay.clone()), ..Commit::audited(draw.seal(event)) }
}

async fn find(backend: &dyn Backend, replay: &Replay) -> Option<Replay> {
    backend.store().find_replay(&replay.scope, &replay.key_hash).await.expect("a read")
}

pub(crate) async fn a_reply_is_kept_once(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let replay = draw.replay(CALL, NOW.plus(Duration::from_mins(10)));
    assert_eq!(find(backend, &replay).await, None);
    store.insert_audit_event(with_replay(&draw, &replay, NOW)).await.expect("stored");
    let again = Replay { reply: b"another".to_vec(), ..replay.clone() };
    let refused = store.insert_audit_event(with_replay(&draw, &again, NOW)).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Repeated))));
    assert_eq!(backend.audit_events().len(), 1, "the whole change is refused");
    assert_eq!(find(backend, &replay).await, Some(replay.clone()));
    // The same key in another scope is another request.
    let elsewhere = Replay { scope: "POST /v1/keys".into(), ..again };
    store.insert_audit_event(with_replay(&draw, &elsewhere, NOW)).await.expect("stored");
    assert_eq!(find(backend, &elsewhere).await, Some(elsewhere));
}

pub(crate) async fn an_expired_reply_is_replaced(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let expiry = NOW.plus(Duration::from_mins(10));
    let replay = draw.replay(CALL, expiry);
    store.insert_audit_event(with_replay(&draw, &replay, NOW)).await.expect("stored");
    let again = Replay {
        reply: b"another".to_vec(),
        body_fingerprint: [1; 32],
        reply_until: expiry.plus(Duration::from_mins(5)),
        resource: "acc_another".into(),
        expires_at: expiry.plus(Duration::from_mins(10)),
        ..replay.clone()
    };
    let before = Timestamp::from_micros(expiry.micros() - 1);
    assert!(store.insert_audit_event(with_replay(&draw, &again, before)).await.is_err());
    store.insert_audit_event(with_replay(&draw, &again, expiry)).await.expect("stored");
    assert_eq!(find(backend, &replay).await, Some(again));
}

pub(crate) async fn a_sweep_erases_replies_and_then_forgets_requests(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let (minutes, day) = (NOW.plus(Duration::from_mins(10)), NOW.plus(Duration::from_hours(24)));
    let secret = Replay { reply_until: minutes, ..draw.replay(CALL, day) };
    let plain = draw.replay(CALL, day);
    for replay in [&secret, &plain] {
        store.insert_audit_event(with_replay(&draw, replay, NOW)).await.expect("stored");
    }
    let sweep = async |at: Timestamp| store.sweep_replays(at, 10).await.expect("swept");

    assert_eq!(sweep(Timestamp::from_micros(minutes.micros() - 1)).await, 0);
    assert_eq!(find(backend, &secret).await, Some(secret.clone()));
    assert_eq!(sweep(minutes).await, 1);
    let erased = Replay { reply: Vec::new(), ..secret.clone() };
    assert_eq!(find(backend, &secret).await, Some(erased));
    assert_eq!(find(backend, &plain).await, Some(plain.clone()));
    assert_eq!(sweep(minutes).await, 0, "what is erased is not swept again");

    assert_eq!(sweep(day).await, 2);
    assert_eq!((find(backend, &secret).await, find(backend, &plain).await), (None, None));
}

pub(crate) async fn a_sweep_is_bounded(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let replays: Vec<Replay> = (0..5).map(|_| draw.replay(CALL, NOW)).collect();
    for replay in &replays {
        let before = Timestamp::from_micros(NOW.micros() - 1);
        store.insert_audit_event(with_replay(&draw, replay, before)).await.expect("stored");
    }
    let mut swept = Vec::new();
    for _ in 0..4 {
        swept.push(store.sweep_replays(NOW, 2).await.expect("swept"));
    }
    // Two that it forgets and two that it erases.
    assert_eq!((swept[0], swept[3]), (4, 0), "{swept:?}");
    assert!(swept.iter().all(|rows| *rows <= 4), "{swept:?}");
    for replay in &replays {
        assert_eq!(find(backend, replay).await, None);
    }
}
