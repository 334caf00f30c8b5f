//! Group commit, seen from outside.

use crate::support::Draw;
use crate::{open, together};
use tenantry_core::ids::AccountId;
use tenantry_core::store::AuditStore;

#[tokio::test]
async fn writes_that_arrive_during_a_commit_share_the_next() {
    const WRITES: u64 = 200;
    let directory = tempfile::tempdir().expect("a directory");
    let (store, draw) = (open(directory.path()), Draw::new());
    let writes = (0..WRITES).map(|_| store.insert_audit_event(draw.commit(AccountId::PLANE)));
    let outcomes = together(directory.path(), writes).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let stats = store.stats();
    assert_eq!((stats.jobs, stats.batches_split), (WRITES, 0));
    // What the writer took before it met the lock, and all the rest.
    assert!((1..=2).contains(&stats.commits), "{} commits", stats.commits);
}
