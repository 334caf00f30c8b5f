//! Pages of lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page, asked for by `?limit=1..100&cursor=…`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// Its entries, oldest first.
    pub data: Vec<T>,
    /// What `cursor` of the next page is; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
