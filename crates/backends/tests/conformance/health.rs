//! `HealthStore`.

use crate::backend::Backend;

pub(crate) async fn a_store_that_works_says_so(backend: &dyn Backend) {
    let store = backend.store();
    store.check().await.expect("it works");
    store.check_writes().await.expect("it takes changes");
    store.probe_writes().await.expect("there is nothing to find out");
}
