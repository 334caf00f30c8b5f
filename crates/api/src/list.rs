//! Pages of lists.

use serde::{Deserialize, Serialize};

/// One page, asked for by `?limit=1..100&cursor=…`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List<T> {
    /// Its entries, oldest first.
    pub data: Vec<T>,
    /// What `cursor` of the next page is; null on the last page.
    pub next_cursor: Option<String>,
}
