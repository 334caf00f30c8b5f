//! `HealthStore`.

use crate::backend::Backend;

pub(crate) async fn a_store_that_works_says_so(backend: &dyn Backend) {
    backend.store().check().await.expect("it works");
}
