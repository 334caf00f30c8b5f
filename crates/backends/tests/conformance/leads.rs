//! `LeadStore`.

use crate::backend::Backend;
use crate::support::NOW;
use std::time::Duration;
use tenantry_core::error::{Conflict, Error};
use tenantry_core::leads::{Lead, NodeId, Task};

pub(crate) async fn a_lead_is_replaced_by_whoever_knows_it(backend: &dyn Backend) {
    let store = backend.store();
    let until = NOW.plus(Duration::from_secs(30));
    let first = Lead { task: Task::SealAudit, node: NodeId::ALONE, fence: 1, until };
    assert_eq!(store.find_lead(Task::SealAudit).await.expect("a read"), None);
    store.save_lead(&first, None).await.expect("taken");
    assert_eq!(store.find_lead(Task::SealAudit).await.expect("a read"), Some(first));
    let later = Lead { until: until.plus(Duration::from_secs(1)), ..first };
    let other = Lead { node: NodeId::from_bytes([7; 16]), fence: 2, ..later };
    for before in [None, Some(&later), Some(&other)] {
        let refused = store.save_lead(&other, before).await;
        assert!(matches!(refused, Err(Error::Conflict(Conflict::Changed))), "{before:?}");
    }
    store.save_lead(&later, Some(&first)).await.expect("prolonged");
    store.save_lead(&other, Some(&later)).await.expect("taken over");
    assert_eq!(store.find_lead(Task::SealAudit).await.expect("a read"), Some(other));
}
